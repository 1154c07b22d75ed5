// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>

#include "ext/wire/ids.hpp"

namespace dv {

/**
 * Keeps the frames of one user in order when their SSRC changes. The streams of a user come out of
 * the reordering by threads of their own, so that the first words under a new SSRC could overtake
 * the last ones under the old. What has gone in is known here; the new stream waits for the old to
 * come out, for a bounded time, since its last frame may have been dropped on the way.
 *
 * Any thread. A stream is session and SSRC.
 */
class StreamOrder {
 public:
  explicit StreamOrder(Time limit = 1s) : limit_(limit) {}

  /** A frame has gone in, in order of arrival over all streams. */
  void entered(UserId user, std::uint64_t stream, Time arrival);
  /** Waits until everything of this user that went in before this frame has come out. */
  void wait_turn(std::uint64_t stream, Time arrival);
  /** A frame has been handed on. */
  void left(std::uint64_t stream, Time arrival);
  /** Nothing more will come out of a stream. */
  void ended(std::uint64_t stream);
  /** Ends all waiting, for good. */
  void stop();

 private:
  struct Stream {
    Time in{-1}, out{-1};      // arrival of the newest frame
    Time since{};              // frames from here on wait …
    std::uint64_t before = 0;  // … for this stream …
    Time until{-1};            // … to have come that far; negative: for nothing
  };
  bool come_out(std::uint64_t stream, Time until) const;

  const Time limit_;
  std::mutex mutex_;  // all that follows; waits give it up
  std::condition_variable moved_;
  std::map<UserId, std::uint64_t> newest_;
  std::map<std::uint64_t, Stream> streams_;
  bool stopped_ = false;
};

}  // namespace dv
