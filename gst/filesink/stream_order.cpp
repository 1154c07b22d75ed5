// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/filesink/stream_order.hpp"

namespace dv {
namespace {
// Ids come from the network: beyond this many, order is left to chance.
constexpr std::size_t kMaxStreams = 20000;
}  // namespace

void StreamOrder::entered(UserId user, std::uint64_t stream, Time arrival) {
  if (user == 0) return;
  std::lock_guard lock(mutex_);
  if (streams_.size() > kMaxStreams) return;
  Stream &now = streams_[stream];
  auto [it, first] = newest_.try_emplace(user, stream);
  if (!first && it->second != stream) {
    now.since = arrival;
    now.before = it->second;
    now.until = streams_[it->second].in;
    it->second = stream;
  }
  now.in = arrival;
}

bool StreamOrder::come_out(std::uint64_t stream, Time until) const {
  auto it = streams_.find(stream);
  return it == streams_.end() || it->second.out >= until;
}

void StreamOrder::wait_turn(std::uint64_t stream, Time arrival) {
  std::unique_lock lock(mutex_);
  auto it = streams_.find(stream);
  if (it == streams_.end() || it->second.until < Time{} || arrival < it->second.since) return;
  const std::uint64_t before = it->second.before;
  const Time until = it->second.until;
  moved_.wait_for(lock, limit_, [&] { return stopped_ || come_out(before, until); });
  // Found again: the wait gave the lock up.
  it = streams_.find(stream);
  if (it != streams_.end() && it->second.before == before) it->second.until = Time{-1};
}

void StreamOrder::left(std::uint64_t stream, Time arrival) {
  std::lock_guard lock(mutex_);
  auto it = streams_.find(stream);
  if (it == streams_.end() || it->second.out >= arrival) return;
  it->second.out = arrival;
  moved_.notify_all();
}

void StreamOrder::ended(std::uint64_t stream) {
  std::lock_guard lock(mutex_);
  auto it = streams_.find(stream);
  if (it == streams_.end()) return;
  it->second.out = it->second.in;
  moved_.notify_all();
}

void StreamOrder::stop() {
  std::lock_guard lock(mutex_);
  stopped_ = true;
  moved_.notify_all();
}

}  // namespace dv
