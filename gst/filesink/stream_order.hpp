// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "ext/wire/ids.hpp"

namespace dv {

/**
 * Keeps the frames of one user in order when their SSRC changes. Each stream comes out of the
 * reordering in its own time, so that the first words under a new SSRC could overtake the last ones
 * under the old. What has gone in is known here; frames of the new stream are kept until the old
 * one has come out, for a bounded time, since its last frame may have been dropped on the way.
 *
 * Any thread; nobody waits. Frames of a stream are handed on by one thread at a time, with no lock
 * held: by the one that brings them or, when they were kept, by the one that sets them free.
 */
template <class Frame>
class StreamOrder {
 public:
  /** False when nothing can be recorded any more. */
  using HandOn = std::function<bool(Frame &&)>;

  explicit StreamOrder(HandOn hand_on, Time limit = 1s)
      : hand_on_(std::move(hand_on)), limit_(limit) {}

  /** A frame has gone in, in order of arrival over all streams. */
  void entered(UserId user, std::uint64_t stream, Time arrival);
  /** It has come out, at `now` of any clock: hands on what may go. */
  bool pass(std::uint64_t stream, Frame &&frame, Time arrival, Time now);
  /** Nothing more will come out of a stream. */
  void ended(std::uint64_t stream);
  /** Hands on what was kept for longer than the limit. */
  void expire(Time now);
  /** Hands on everything, and keeps nothing any more. */
  void stop();

 private:
  // Ids come from the network: beyond this many, order is left to chance.
  static constexpr std::size_t kMaxStreams = 20000;

  struct Kept {
    Frame frame;
    Time arrival, at;
  };
  struct Stream {
    Time in{-1}, out{-1};      // arrival of the newest frame
    Time since{};              // frames from here on wait …
    std::uint64_t before = 0;  // … for this stream …
    Time until{-1};            // … to have come that far; negative: for nothing
    std::uint64_t after = 0;   // the one that waits, or has waited, for this one
    std::deque<Kept> kept;
    bool in_hand = false;  // a thread hands on its frames
    bool over = false;     // nothing more comes
  };
  static bool come_out(const Stream &stream, Time until);
  bool may_go(Stream &stream) const;
  /** All of a stream that may go, and of those that are set free by it one after the other. */
  bool hand_on(std::uint64_t stream, std::unique_lock<std::mutex> &lock);
  bool hand_on_kept(Stream &stream, std::unique_lock<std::mutex> &lock);

  const HandOn hand_on_;
  const Time limit_;
  std::mutex mutex_;  // all that follows
  std::map<UserId, std::uint64_t> newest_;
  std::map<std::uint64_t, Stream> streams_;  // none is ever removed
  bool stopped_ = false;
};

template <class Frame>
void StreamOrder<Frame>::entered(UserId user, std::uint64_t stream, Time arrival) {
  if (user == 0) return;
  std::lock_guard lock(mutex_);
  if (streams_.size() > kMaxStreams) return;
  Stream &now = streams_[stream];
  auto [it, first] = newest_.try_emplace(user, stream);
  if (!first && it->second != stream) {
    Stream &before = streams_[it->second];
    now.since = arrival;
    now.before = it->second;
    now.until = before.in;
    before.after = stream;
    it->second = stream;
  }
  now.in = arrival;
  now.over = false;
}

template <class Frame>
bool StreamOrder<Frame>::pass(std::uint64_t stream, Frame &&frame, Time arrival, Time now) {
  std::unique_lock lock(mutex_);
  const auto it = streams_.find(stream);
  if (it == streams_.end()) {
    lock.unlock();
    return hand_on_(std::move(frame));
  }
  it->second.kept.push_back({std::move(frame), arrival, now});
  return hand_on(stream, lock);
}

template <class Frame>
bool StreamOrder<Frame>::come_out(const Stream &stream, Time until) {
  return stream.out >= until || (stream.over && stream.kept.empty() && !stream.in_hand);
}

template <class Frame>
bool StreamOrder<Frame>::may_go(Stream &stream) const {
  if (stopped_ || stream.until < Time{} || stream.kept.front().arrival < stream.since) return true;
  const auto before = streams_.find(stream.before);
  if (before != streams_.end() && !come_out(before->second, stream.until)) return false;
  stream.until = Time{-1};
  return true;
}

template <class Frame>
bool StreamOrder<Frame>::hand_on(std::uint64_t stream, std::unique_lock<std::mutex> &lock) {
  bool going_on = true, moved = true, first = true;
  for (auto it = streams_.find(stream); moved && it != streams_.end();) {
    const Time was = it->second.out;
    going_on = hand_on_kept(it->second, lock) && going_on;
    // The first may have moved before. Streams can follow each other round and round.
    moved = std::exchange(first, false) || it->second.out > was;
    it = streams_.find(it->second.after);
  }
  return going_on;
}

template <class Frame>
bool StreamOrder<Frame>::hand_on_kept(Stream &stream, std::unique_lock<std::mutex> &lock) {
  if (stream.in_hand) return true;  // by a thread that takes this, too
  stream.in_hand = true;
  bool going_on = true;
  while (!stream.kept.empty() && may_go(stream)) {
    Kept next = std::move(stream.kept.front());
    stream.kept.pop_front();
    lock.unlock();
    going_on = hand_on_(std::move(next.frame)) && going_on;
    lock.lock();
    stream.out = std::max(stream.out, next.arrival);
  }
  stream.in_hand = false;
  return going_on;
}

template <class Frame>
void StreamOrder<Frame>::ended(std::uint64_t stream) {
  std::unique_lock lock(mutex_);
  const auto it = streams_.find(stream);
  if (it == streams_.end()) return;
  it->second.over = true;
  hand_on(stream, lock);
}

template <class Frame>
void StreamOrder<Frame>::expire(Time now) {
  std::unique_lock lock(mutex_);
  std::vector<std::uint64_t> late;
  for (auto &[id, stream] : streams_) {
    if (stream.kept.empty() || now - stream.kept.front().at < limit_) continue;
    stream.until = Time{-1};
    late.push_back(id);
  }
  for (const std::uint64_t stream : late) hand_on(stream, lock);
}

template <class Frame>
void StreamOrder<Frame>::stop() {
  std::unique_lock lock(mutex_);
  stopped_ = true;
  std::vector<std::uint64_t> all;
  for (const auto &[id, stream] : streams_) all.push_back(id);
  for (const std::uint64_t stream : all) hand_on(stream, lock);
}

}  // namespace dv
