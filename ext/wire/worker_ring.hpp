// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "ext/wire/bytes.hpp"
#include "ext/wire/ids.hpp"

/**
 * The two shared memory regions between host and worker, as docs/worker-protocol.md describes them.
 * Each word has one writer: the host writes the request region, the worker the reply region. Both
 * sit on the same machine, hence native byte order. Pure code over memory: who maps it, seals it
 * and sleeps on which eventfd is elsewhere.
 */
namespace dv::worker {

inline constexpr std::size_t kCacheLine = 64;
inline constexpr std::size_t kRingHeader = 4096;
inline constexpr std::size_t kSlotHeader = 64;
inline constexpr std::size_t kRequestSlot = 2048;
inline constexpr std::size_t kMaxDatagram = kRequestSlot - kSlotHeader;
inline constexpr std::size_t kReplySlot = 4096 + kSlotHeader;
inline constexpr std::size_t kReplySpace = kReplySlot - kSlotHeader;
/** 120 ms of stereo float at 48 kHz, the longest Opus packet. */
inline constexpr std::size_t kMaxFrame = 5760 * 2 * 4;
inline constexpr std::uint32_t kMaxSlots = 16384;

constexpr bool valid_slots(std::uint32_t n) {
  return n >= 16 && n <= kMaxSlots && (n & (n - 1)) == 0;
}
constexpr std::size_t request_region_size(std::uint32_t slots) {
  return kRingHeader + slots * kRequestSlot;
}
constexpr std::size_t reply_region_size(std::uint32_t slots) {
  return kRingHeader + slots * kReplySlot;
}

/** Words in the header page of either region, each on a cache line of its own. */
enum class Word : std::uint32_t {
  request_head = 1,  ///< request region: slots written so far
  reply_tail = 2,    ///< request region: reply slots taken so far
  host_sleep = 3,    ///< request region: odd while the host sleeps
  request_tail = 1,  ///< reply region: request slots taken so far
  reply_head = 2,    ///< reply region: slots written so far
  worker_sleep = 3,  ///< reply region: odd while the worker sleeps
  open_request = 4,  ///< reply region: request being worked on, counted from 1; 0: none
  heartbeat = 5,     ///< reply region: changes while the worker is alive and at work
};

inline std::uint64_t load_word(const std::uint8_t *region, Word word) {
  const auto *p =
      reinterpret_cast<const std::uint64_t *>(region + kCacheLine * static_cast<std::size_t>(word));
  return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}
inline void store_word(std::uint8_t *region, Word word, std::uint64_t value) {
  auto *p = reinterpret_cast<std::uint64_t *>(region + kCacheLine * static_cast<std::size_t>(word));
  __atomic_store_n(p, value, __ATOMIC_RELEASE);
}

struct Request {
  enum class Kind : std::uint8_t { packet = 1, prime, drain, forget, flush };
  Kind kind = Kind::packet;
  std::uint16_t size = 0;
  std::uint32_t client = 0;
  SessionId session = 0;
  Ssrc ssrc = 0;
  std::uint32_t epoch = 0;    ///< of the client; counts flushes
  std::uint32_t control = 0;  ///< this many control messages must have been obeyed before
  std::uint64_t ticket = 0;   ///< comes back with the verdict
  std::int64_t arrival = 0;
};
inline constexpr std::size_t kRequestFields = 40;

struct Reply {
  enum class Kind : std::uint8_t { frame = 1, verdict, lost, barrier };
  static constexpr std::uint8_t kNoVerdict = 0xff;
  Kind kind = Kind::frame;
  std::uint8_t frame_kind = 0;
  std::uint8_t flags = 0;
  std::uint8_t verdict = kNoVerdict;  ///< a frame brings its packet's with it
  std::uint32_t client = 0;
  SessionId session = 0;
  Ssrc ssrc = 0;
  std::uint32_t epoch = 0;
  std::uint32_t size = 0;  ///< of the data, which goes on in the next slots if it has to
  std::uint32_t samples = 0;
  std::uint32_t rtp_time = 0;
  std::uint64_t ticket = 0;
  std::uint64_t sequence = 0;  ///< frame: extended sequence number; lost: the first one
  std::uint64_t count = 0;     ///< frame: id of the user whose it is; lost: how many
  std::int64_t arrival = 0;    ///< frame: arrival; lost: how many of them were concealed
};

void write_request(std::uint8_t *slot, const Request &request, ByteView data);
/** Copies the header once and checks it; nothing when it makes no sense. */
std::optional<Request> read_request(const std::uint8_t *slot);
void write_reply_header(std::uint8_t *slot, const Reply &reply);
std::optional<Reply> read_reply(const std::uint8_t *slot);
constexpr std::uint32_t reply_slots_for(std::size_t size) {
  return size <= kReplySpace ? 1
                             : static_cast<std::uint32_t>((size + kReplySpace - 1) / kReplySpace);
}

/** The host's end. Its memory is `requests` (writable) and `replies` (read-only). */
class HostRing {
 public:
  HostRing() = default;
  HostRing(std::uint8_t *requests, std::uint32_t request_slots, const std::uint8_t *replies,
           std::uint32_t reply_slots)
      : requests_(requests),
        replies_(replies),
        request_slots_(request_slots),
        reply_slots_(reply_slots) {}

  /** Looks at the worker's indices, once each. False: they make no sense. */
  bool refresh();
  std::uint64_t written() const { return head_; }
  std::uint64_t taken_by_worker() const { return worker_tail_; }
  std::uint32_t room() const {
    return request_slots_ - static_cast<std::uint32_t>(head_ - worker_tail_);
  }
  /** The caller has seen room. Not visible before `publish`. */
  void write(const Request &request, ByteView data);
  /** True: the worker sleeps and must be woken. */
  bool publish();
  /** Same question again, for news of another kind. */
  bool worker_sleeps();

  bool reply_ready() const { return reply_tail_ != reply_head_; }
  /** The header of the next reply. Nothing: nonsense. Its data is complete if `reply_complete`. */
  std::optional<Reply> peek() const;
  bool complete(const Reply &reply) const {
    return reply_head_ - reply_tail_ >= reply_slots_for(reply.size);
  }
  /** Contiguous data of the reply, in place or copied to `scratch`. */
  ByteView data(const Reply &reply, Bytes &scratch) const;
  void take(const Reply &reply) { reply_tail_ += reply_slots_for(reply.size); }
  /** Gives the slots back. True: the worker sleeps and may be waiting for them. */
  bool release();

  /** Before sleeping: announce it, then `refresh` once more; after: `awake`. */
  void announce_sleep();
  void awake();
  std::uint64_t heartbeat() const { return load_word(replies_, Word::heartbeat); }
  std::uint64_t open_request() const { return load_word(replies_, Word::open_request); }

 private:
  std::uint8_t *requests_ = nullptr;
  const std::uint8_t *replies_ = nullptr;
  std::uint32_t request_slots_ = 0, reply_slots_ = 0;
  std::uint64_t head_ = 0, worker_tail_ = 0;
  std::uint64_t reply_head_ = 0, reply_tail_ = 0, released_ = 0;
  std::uint64_t sleep_ = 0, woken_ = 0;
};

/** The worker's end: `requests` is read-only, `replies` writable. */
class WorkerRing {
 public:
  WorkerRing(const std::uint8_t *requests, std::uint32_t request_slots, std::uint8_t *replies,
             std::uint32_t reply_slots)
      : requests_(requests),
        replies_(replies),
        request_slots_(request_slots),
        reply_slots_(reply_slots) {}

  /** Requests that can be taken now. */
  std::uint64_t available() { return load_word(requests_, Word::request_head) - tail_; }
  const std::uint8_t *next() const {
    return requests_ + kRingHeader + (tail_ & (request_slots_ - 1)) * kRequestSlot;
  }
  /** Names the request that is worked on, before anything is done with it. */
  void open() { store_word(replies_, Word::open_request, tail_ + 1); }
  /** It is done; the slot may be written again. */
  void done();

  bool room(std::uint32_t slots) {
    return reply_slots_ - (head_ - load_word(requests_, Word::reply_tail)) >= slots;
  }
  /** Returns when there is room. `publish()` shows what is complete, `wait()` sleeps until
   * signalled.
   */
  template <class Publish, class Wait>
  void make_room(std::uint32_t slots, Publish publish, Wait wait) {
    while (!room(slots)) {
      publish();
      announce_sleep();
      if (!room(slots)) {
        // With all that was shown taken, only parts of one answer fill the ring: incomplete, they
        // would wait for each other for ever.
        if (all_taken()) {
          complete();
        } else {
          wait();
        }
      }
      awake();
    }
  }
  /** Room has been seen. `data` goes into as many slots as it needs. Not visible before `publish`.
   */
  void write(const Reply &reply, ByteView data);
  /** The header of the reply written last, to be amended before it is published. */
  std::uint8_t *last() {
    return replies_ + kRingHeader + (last_ & (reply_slots_ - 1)) * kReplySlot;
  }
  /** What was written until now belongs together and may be seen together. */
  void complete() { complete_ = head_; }
  bool unpublished() const { return complete_ != published_; }
  /** Shows what is complete. True: the host sleeps and must be woken. */
  bool publish();

  void announce_sleep() { store_sleep(sleep_ | 1); }
  void awake() { store_sleep((sleep_ | 1) + 1); }
  void beat() { store_word(replies_, Word::heartbeat, ++beat_); }

 private:
  void store_sleep(std::uint64_t value);
  bool all_taken() const { return load_word(requests_, Word::reply_tail) == published_; }

  const std::uint8_t *requests_;
  std::uint8_t *replies_;
  std::uint32_t request_slots_, reply_slots_;
  std::uint64_t tail_ = 0, head_ = 0, complete_ = 0, published_ = 0, last_ = 0;
  std::uint64_t sleep_ = 0, woken_ = 0, beat_ = 0;
};

}  // namespace dv::worker
