// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/wire/worker_ring.hpp"

#include <algorithm>
#include <cstring>

namespace dv::worker {
namespace {

/** Fields in the order of the document, in native byte order, through a local copy of the slot. */
class Fields {
 public:
  template <class T>
  Fields &put(T v) {
    std::memcpy(raw_ + at_, &v, sizeof v);
    at_ += sizeof v;
    return *this;
  }
  template <class T>
  T get() {
    T v;
    std::memcpy(&v, raw_ + at_, sizeof v);
    at_ += sizeof v;
    return v;
  }
  void load(const std::uint8_t *slot) { std::memcpy(raw_, slot, kSlotHeader); }
  void store(std::uint8_t *slot) const { std::memcpy(slot, raw_, kSlotHeader); }

 private:
  std::uint8_t raw_[kSlotHeader] = {};
  std::size_t at_ = 0;
};

// The announcement of sleep and the last look before it must not change places, nor may the
// publication and the look at the sleeper: both sides need the full fence.
void full_fence() { std::atomic_thread_fence(std::memory_order_seq_cst); }

bool must_wake(const std::uint8_t *region, Word word, std::uint64_t &woken) {
  full_fence();
  const std::uint64_t sleep = load_word(region, word);
  if ((sleep & 1) == 0 || sleep == woken) return false;
  woken = sleep;  // one signal is enough for one sleep
  return true;
}

}  // namespace

void write_request(std::uint8_t *slot, const Request &r, ByteView data) {
  Fields f;
  f.put(static_cast<std::uint8_t>(r.kind)).put(std::uint8_t{0});
  f.put(static_cast<std::uint16_t>(data.size())).put(r.client).put(r.session).put(r.ssrc);
  f.put(r.epoch).put(r.control).put(r.ticket).put(r.arrival);
  f.store(slot);
  if (!data.empty()) std::memcpy(slot + kSlotHeader, data.data(), data.size());
}

std::optional<Request> read_request(const std::uint8_t *slot) {
  Fields f;
  f.load(slot);
  Request r;
  const auto kind = f.get<std::uint8_t>();
  f.get<std::uint8_t>();
  r.kind = static_cast<Request::Kind>(kind);
  r.size = f.get<std::uint16_t>();
  r.client = f.get<std::uint32_t>();
  r.session = f.get<std::uint32_t>();
  r.ssrc = f.get<std::uint32_t>();
  r.epoch = f.get<std::uint32_t>();
  r.control = f.get<std::uint32_t>();
  r.ticket = f.get<std::uint64_t>();
  r.arrival = f.get<std::int64_t>();
  if (kind < 1 || kind > static_cast<std::uint8_t>(Request::Kind::flush)) return std::nullopt;
  if (r.size > kMaxDatagram) return std::nullopt;
  return r;
}

void write_reply_header(std::uint8_t *slot, const Reply &r) {
  Fields f;
  f.put(static_cast<std::uint8_t>(r.kind)).put(r.frame_kind).put(r.flags).put(r.verdict);
  f.put(r.client).put(r.session).put(r.ssrc).put(r.epoch).put(r.size).put(r.samples);
  f.put(r.rtp_time).put(r.ticket).put(r.sequence).put(r.count).put(r.arrival);
  f.store(slot);
}

std::optional<Reply> read_reply(const std::uint8_t *slot) {
  Fields f;
  f.load(slot);
  Reply r;
  const auto kind = f.get<std::uint8_t>();
  r.kind = static_cast<Reply::Kind>(kind);
  r.frame_kind = f.get<std::uint8_t>();
  r.flags = f.get<std::uint8_t>();
  r.verdict = f.get<std::uint8_t>();
  r.client = f.get<std::uint32_t>();
  r.session = f.get<std::uint32_t>();
  r.ssrc = f.get<std::uint32_t>();
  r.epoch = f.get<std::uint32_t>();
  r.size = f.get<std::uint32_t>();
  r.samples = f.get<std::uint32_t>();
  r.rtp_time = f.get<std::uint32_t>();
  r.ticket = f.get<std::uint64_t>();
  r.sequence = f.get<std::uint64_t>();
  r.count = f.get<std::uint64_t>();
  r.arrival = f.get<std::int64_t>();
  if (kind < 1 || kind > static_cast<std::uint8_t>(Reply::Kind::barrier)) return std::nullopt;
  if (r.size > kMaxFrame || (r.size != 0 && r.kind != Reply::Kind::frame)) return std::nullopt;
  return r;
}

bool HostRing::refresh() {
  const std::uint64_t tail = load_word(replies_, Word::request_tail);
  const std::uint64_t head = load_word(replies_, Word::reply_head);
  // Indices only grow, and never beyond what the other side has made possible.
  if (tail < worker_tail_ || tail > head_) return false;
  if (head < reply_head_ || head - released_ > reply_slots_) return false;
  worker_tail_ = tail;
  reply_head_ = head;
  return true;
}

void HostRing::write(const Request &request, ByteView data) {
  write_request(requests_ + kRingHeader + (head_ & (request_slots_ - 1)) * kRequestSlot, request,
                data);
  ++head_;
}

bool HostRing::publish() {
  store_word(requests_, Word::request_head, head_);
  return worker_sleeps();
}

bool HostRing::worker_sleeps() { return must_wake(replies_, Word::worker_sleep, woken_); }

std::optional<Reply> HostRing::peek() const {
  return read_reply(replies_ + kRingHeader + (reply_tail_ & (reply_slots_ - 1)) * kReplySlot);
}

ByteView HostRing::data(const Reply &reply, Bytes &scratch) const {
  const auto slot = [&](std::uint64_t i) {
    return replies_ + kRingHeader + ((reply_tail_ + i) & (reply_slots_ - 1)) * kReplySlot +
           kSlotHeader;
  };
  if (reply.size <= kReplySpace) return {slot(0), reply.size};
  scratch.resize(reply.size);
  for (std::size_t done = 0, i = 0; done < reply.size; done += kReplySpace, ++i) {
    std::memcpy(scratch.data() + done, slot(i), std::min(kReplySpace, reply.size - done));
  }
  return scratch;
}

bool HostRing::release() {
  if (released_ == reply_tail_) return false;
  released_ = reply_tail_;
  store_word(requests_, Word::reply_tail, reply_tail_);
  return worker_sleeps();
}

void HostRing::announce_sleep() {
  sleep_ |= 1;
  store_word(requests_, Word::host_sleep, sleep_);
  full_fence();
}

void HostRing::awake() {
  if ((sleep_ & 1) == 0) return;
  store_word(requests_, Word::host_sleep, ++sleep_);
}

void WorkerRing::done() {
  store_word(replies_, Word::open_request, 0);
  store_word(replies_, Word::request_tail, ++tail_);
}

void WorkerRing::write(const Reply &reply, ByteView data) {
  last_ = head_;
  const auto slot = [&] {
    return replies_ + kRingHeader + (head_ & (reply_slots_ - 1)) * kReplySlot;
  };
  write_reply_header(slot(), reply);
  std::size_t done = 0;
  do {
    const std::size_t n = std::min(kReplySpace, data.size() - done);
    if (n != 0) std::memcpy(slot() + kSlotHeader, data.data() + done, n);
    done += n;
    ++head_;
  } while (done < data.size());
}

bool WorkerRing::publish() {
  published_ = complete_;
  store_word(replies_, Word::reply_head, published_);
  return must_wake(requests_, Word::host_sleep, woken_);
}

void WorkerRing::store_sleep(std::uint64_t value) {
  sleep_ = value;
  store_word(replies_, Word::worker_sleep, value);
  full_fence();
}

}  // namespace dv::worker
