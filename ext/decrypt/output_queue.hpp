// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <vector>

#include "gst/glue/ref.hpp"

namespace dv {

/** What leaves discorddecrypt, in this order: frames, RTCP compounds, serialized events. */
struct OutputItem {
  enum class Kind : std::uint8_t { frame, rtcp, event };
  Kind kind = Kind::frame;
  Ref<GstBuffer> buffer;
  Ref<GstEvent> event;
};

/**
 * Between whoever makes results and the thread that pushes them. Any thread puts; one thread takes.
 * It is bounded from outside: who submits work waits for room first (`wait_room`).
 */
class OutputQueue {
 public:
  using Clock = std::chrono::steady_clock;

  /** Wakes nobody: what is put in portions is followed by one `wake`. */
  void put(OutputItem item);
  /** Everything there is, at once; does not wait. */
  std::vector<OutputItem> take();
  /** Waits until there is something or `wake`, `set_flushing` or the time ends the wait. */
  void wait(Clock::time_point until);
  /** Ends a running or the next `wait`. */
  void wake();
  /** Waits until fewer than `limit` items are queued. False: flushing, or the time is over. */
  bool wait_room(std::size_t limit, Clock::time_point until);
  /** While flushing nothing waits; setting it drops frames (not events). */
  void set_flushing(bool flushing);
  void clear();
  std::size_t size() const;

 private:
  mutable std::mutex mutex_;  // guards everything below; nothing is called under it
  std::condition_variable filled_, emptied_;
  std::deque<OutputItem> items_;
  bool flushing_ = false;
  bool woken_ = false;
};

}  // namespace dv
