// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <algorithm>

#include "ext/wire/ids.hpp"

namespace dv::voice {

/** Heartbeats of the voice gateway: three without an answer in a row mean a dead connection. */
class Heartbeat {
 public:
  enum class Event : std::uint8_t { none, beat, dead };

  /** On Hello. Faster than asked for is allowed and finds a dead peer sooner. */
  void start(Time interval, Time now) {
    interval_ = std::clamp(interval, Time(250ms), Time(5s));
    unanswered_ = 0;
    next_ = now + interval_;
  }
  void stop() { next_ = kNever; }
  void on_ack(Time now) {
    if (unanswered_ > 0) rtt_ = now - last_;
    unanswered_ = 0;
  }
  Event advance(Time now) {
    if (now < next_) return Event::none;
    if (unanswered_ >= 3) {
      stop();
      return Event::dead;
    }
    unanswered_++;
    last_ = now;
    next_ = now + interval_;
    return Event::beat;
  }
  Time next_wakeup() const { return next_; }
  Time rtt() const { return rtt_; }

 private:
  Time interval_{};
  Time next_ = kNever;
  Time last_{};
  Time rtt_{};
  unsigned unanswered_ = 0;
};

}  // namespace dv::voice
