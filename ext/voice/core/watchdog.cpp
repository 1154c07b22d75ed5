// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/voice/core/watchdog.hpp"

#include <algorithm>

namespace dv::voice {
namespace {

constexpr Time kPatience = 2s;
constexpr Time kFirstHold = 30s;
constexpr Time kLongestHold = 600s;
constexpr unsigned kSteps = 3;
// Who is called so late was not running, and neither was anything that it judges.
constexpr Time kStall = 500ms;

}  // namespace

void Watchdog::start(bool new_session, Time now) {
  running_ = true;
  // A cycle goes on over the resume that it has asked for.
  if (new_session) {
    calm();
  } else if (next_ != kNever) {
    next_ = now + kPatience;
  }
}

void Watchdog::stop() { running_ = false; }

void Watchdog::calm() {
  next_ = kNever;
  received_ = false;
  steps_ = 0;
}

void Watchdog::suspect(Time now) {
  if (next_ == kNever) next_ = std::max(now + kPatience, hold_until_);
}

void Watchdog::on_speaking(Time now) {
  if (running_) suspect(now);
}

void Watchdog::on_received(Time now) {
  if (!watch_opened_) {
    on_opened();
    return;
  }
  if (!running_) return;
  received_ = true;
  last_received_ = now;
  suspect(now);
}

void Watchdog::on_opened() {
  calm();
  hold_ = kFirstHold;
  hold_until_ = Time{};
}

void Watchdog::on_pong(Time now) {
  const bool answered = steps_ > 0 && now >= step_at_;
  if (answered && !received_) calm();
}

std::optional<HealStep> Watchdog::advance(Time now, bool server_answers_pings) {
  if (!running_ || now < next_) return std::nullopt;
  if (now - next_ > kStall) {
    next_ = now + kPatience;
    return std::nullopt;
  }
  if (received_ && now - last_received_ > kPatience) {
    // Nothing to judge by now. The cycle goes on where it was with the next words.
    next_ = kNever;
    return std::nullopt;
  }
  if (!received_ && steps_ > 0 && !server_answers_pings) {
    calm();
    return std::nullopt;
  }
  steps_++;
  step_at_ = now;
  next_ = now + kPatience;
  const auto step = static_cast<HealStep>(steps_);
  if (steps_ == kSteps) {
    hold_until_ = now + hold_;
    hold_ = std::min(hold_ * 2, kLongestHold);
    calm();
  }
  return step;
}

}  // namespace dv::voice
