// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <unordered_map>
#include <vector>

#include "ext/chain/receive_chain.hpp"
#include "ext/wire/bytes.hpp"
#include "ext/wire/ids.hpp"
#include "ext/wire/worker_ring.hpp"

namespace dv {

/** Names a record for as long as it lives; a worker can not make one up that passes the check. */
using Ticket = std::uint64_t;
inline constexpr Ticket kNoTicket = ~Ticket{0};
inline constexpr int kNoWorker = -1;

struct Stream;

/** A request and what became of it. Packets are kept until answered, and a while longer. */
struct Record {
  enum class State : std::uint8_t { free, queued, sent, answered };

  std::uint32_t generation = 0;
  State state = State::free;
  worker::Request::Kind kind = worker::Request::Kind::packet;
  bool rtcp = false;
  std::uint8_t suspicions = 0;  ///< workers that died while it was open
  int worker = kNoWorker;
  std::uint32_t client = 0;
  SessionId session = 0;
  Ssrc ssrc = 0;
  std::uint64_t tag = 0;  ///< the client's: of its packet or its barrier
  std::uint64_t order = 0;
  std::int64_t arrival = 0;
  Stream *stream = nullptr;
  Bytes data;
};

/** All packets of one (client, session, SSRC) are with one worker, since its decoder has state. */
struct Stream {
  std::uint32_t client = 0;
  SessionId session = 0;
  Ssrc ssrc = 0;
  int worker = kNoWorker;
  std::deque<UserId> named;  ///< the newest users it was said to be of, also when taken back
  std::uint32_t unanswered = 0;
  std::uint32_t waiting = 0;  ///< of them, not yet in a ring
  std::deque<Ticket> recent;  ///< the last packets delivered, to prime a successor with
  std::int64_t newest_arrival = 0;
  Time last_packet{0};
  std::uint64_t delivered = 0;
  // Numbers are extended from zero by each worker anew; these keep them going.
  std::uint64_t last_sequence = 0;
  std::int64_t sequence_offset = 0;
  bool rebase = false;
  bool prime_due = false;  ///< its worker has not heard of it yet
  bool left = false;       ///< nobody's any more, once what it has said is answered

  void name(UserId user) {
    if (user == 0 || was_named(user)) return;
    named.push_back(user);
    if (named.size() > kNamesKept) named.pop_front();
  }
  bool was_named(UserId user) const {
    return std::find(named.begin(), named.end(), user) != named.end();
  }

 private:
  static constexpr std::size_t kNamesKept = 16;
};

/** Records in a slab, whose buffers are kept, so that a steady stream allocates nothing. */
class Journal {
 public:
  /**
   * Packets of a stream that a new decoder is primed with: 2 s. Measured on speech of 16 to 64
   * kbit/s with a new decoder every 0.4 s, against the uninterrupted decode: 25 packets give 52 to
   * 65 dB, 50 give 61 to 96, 75 give 71 or more, and from 100 on the sound is the same to the bit.
   */
  static constexpr std::size_t kPrimes = 100;
  /** Without decoding they only tell repeated packets from new ones. */
  static constexpr std::size_t kUndecodedPrimes = 25;
  /** Of all streams together; when there are many, each has fewer. */
  static constexpr std::size_t kMostKept = 65536;

  Ticket add(Record record, ByteView data);
  /** Null: no such record (any more). */
  Record *find(Ticket ticket);
  /** It has its answer. A delivered audio packet stays for priming: its stream keeps `primes`. */
  void answered(Ticket ticket, std::size_t primes);
  void remove(Ticket ticket);
  /** Unanswered records of a worker, oldest first. */
  std::vector<Ticket> unanswered_of(int worker) const;
  std::vector<Ticket> unanswered_of_client(std::uint32_t client) const;

  Stream *stream(std::uint32_t client, SessionId session, Ssrc ssrc);
  Stream &make_stream(std::uint32_t client, SessionId session, Ssrc ssrc);
  /** Only without unanswered records. */
  void remove_stream(Stream &stream);
  void forget_recent(Stream &stream);
  std::size_t streams() const { return streams_.size(); }
  template <class F>
  void each_stream(F &&f) {
    for (auto &[key, stream] : streams_) f(*stream);
  }
  std::size_t records() const { return slab_.size() - free_.size(); }

 private:
  struct Key {
    std::uint32_t client;
    SessionId session;
    Ssrc ssrc;
    bool operator==(const Key &) const = default;
  };
  struct Hash {
    std::size_t operator()(const Key &k) const {
      std::uint64_t h = std::uint64_t{k.session} << 32 | k.ssrc;
      h ^= std::uint64_t{k.client} * 0x9e3779b97f4a7c15U;
      h *= 0xff51afd7ed558ccdU;
      return static_cast<std::size_t>(h ^ h >> 32);
    }
  };
  /** Beyond so many their buffers are given back. */
  static constexpr std::size_t kSpareBuffers = 4096;
  static std::uint32_t index(Ticket ticket) { return static_cast<std::uint32_t>(ticket); }
  Ticket ticket_of(std::uint32_t i) const { return std::uint64_t{slab_[i].generation} << 32 | i; }
  template <class Match>
  std::vector<Ticket> unanswered_where(Match &&match) const;

  /** In chunks, so that records stay where they are, of a power of two: it is looked into several
   * times a packet. */
  class Slab {
   public:
    std::size_t size() const { return chunks_.size() * kChunk; }
    Record &operator[](std::size_t i) { return chunks_[i / kChunk][i % kChunk]; }
    const Record &operator[](std::size_t i) const { return chunks_[i / kChunk][i % kChunk]; }
    void grow() { chunks_.push_back(std::make_unique<Record[]>(kChunk)); }

   private:
    static constexpr std::size_t kChunk = 256;
    std::vector<std::unique_ptr<Record[]>> chunks_;
  };

  Slab slab_;
  std::vector<std::uint32_t> free_;
  std::uint64_t next_order_ = 0;
  std::unordered_map<Key, std::unique_ptr<Stream>, Hash> streams_;
};

}  // namespace dv
