// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <deque>
#include <utility>

#include "ext/voice/core/types.hpp"

namespace dv::voice {

/** A session that was not resumed in so many attempts is given up for a new one. */
inline constexpr std::uint32_t kMaxResumeTries = 3;

/**
 * Delays between attempts: full jitter, doubling from 1 s up to 60 s. Each 5 s of good service
 * takes one doubling off, a minute all of them.
 *
 * Attempts that did not even reach the server cost it nothing. During the first minute of such an
 * outage they are repeated every 0.25 to 1 s, so that sound is back at once when the network is.
 */
class Backoff {
 public:
  explicit Backoff(Random random) : random_(std::move(random)) {}

  Time after_failure(Time now);
  Time after_connect_failure(Time now);
  void on_healthy(Time now);
  void on_unhealthy(Time now);
  std::uint32_t attempts() const { return attempts_; }

 private:
  void count_service(Time now);

  Random random_;
  std::uint32_t attempts_ = 0;
  Time healthy_since_ = kNever;
  Time outage_since_ = kNever;
};

/**
 * When the next Identify may go out: 5 s after the one before, at most 950 in a day, and for
 * reconnects at most 40 in an hour. Discord resets a token that is used for more than 1000 a day;
 * the hourly share keeps a bad hour from leaving the rest of the day without any.
 */
class IdentifyBudget {
 public:
  static constexpr std::size_t kPerHour = 40;
  static constexpr std::size_t kPerDay = 950;

  /** Another spacing is for servers of one's own. */
  explicit IdentifyBudget(Time spacing = 5s) : spacing_(spacing) {}

  Time earliest(Time now, bool reconnect) const;
  void spend(Time now);

 private:
  Time spacing_;
  std::deque<Time> spent_;  // oldest first, at most a day's worth
};

/**
 * The 120 messages a minute that one connection may send; 110 are used, the rest is left to
 * heartbeats, which are counted and never held back.
 */
class SendBudget {
 public:
  static constexpr std::size_t kPerMinute = 110;

  void reset() { sent_.clear(); }
  void note(Time now);
  Time earliest(Time now) const;

 private:
  std::deque<Time> sent_;  // of the last minute
};

}  // namespace dv::voice
