// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/filesink/placement.hpp"

#include <algorithm>
#include <cstdlib>

namespace dv {
namespace {

// Rounding of time stamps, not a hole.
constexpr std::int64_t kRounding = 2;
// A clock that jumps by more than this is wrong: a file must not be filled with silence without
// end.
constexpr std::int64_t kMaxJumpSeconds = 30 * 24 * 3600;
constexpr std::int64_t kNanos = 1'000'000'000;
// Who pauses is put right in the pause, and what his file holds stays bit for bit what was decoded:
// the first guess of when his first frame was sent is often wrong by milliseconds. Only a spurt of
// so many seconds, or much that it is off by, is worth changing samples for.
constexpr std::uint64_t kLongSpurt = 30;
// Of so many samples one may be added or left out: 0.1 %, which nobody hears, and twice as fast as
// a timeline moves its time stamps.
constexpr std::uint64_t kCalm = 960;
// No frame, however short, is changed by more than one of so many.
constexpr std::uint64_t kWorst = 20;

}  // namespace

std::int64_t samples_of(Time time, std::uint32_t rate) {
  const std::int64_t ns = time.count();
  const std::int64_t whole = ns / kNanos, rest = ns % kNanos;
  return whole * rate + (rest * rate + (rest < 0 ? -kNanos / 2 : kNanos / 2)) / kNanos;
}

Time time_of(std::int64_t samples, std::uint32_t rate) {
  return Time(samples / rate * kNanos + samples % rate * kNanos / rate);
}

/** By how many samples a frame is made longer to close the gap before it, or shorter. */
std::int64_t Placement::follow_clock(std::int64_t gap, std::uint64_t samples, Join join) {
  if (join == Join::follows) return 0;
  const bool is_long = spurt_ >= kLongSpurt * config_.rate;
  const std::int64_t limit = config_.rate / (is_long ? 1000 : 200);
  const int side = gap > 0 ? 1 : gap < 0 ? -1 : 0;
  if (std::abs(gap) > limit) direction_ = side;
  // Only when all of it is made good: what begins and ends at one limit would never rest.
  if (join == Join::apart || side != direction_) direction_ = 0;
  credit_ = direction_ == 0 ? 0 : credit_ + samples;
  const std::uint64_t change =
      std::min({credit_ / kCalm, samples / kWorst, static_cast<std::uint64_t>(std::abs(gap))});
  credit_ %= kCalm;
  counters_.drift_samples += change;
  return direction_ * static_cast<std::int64_t>(change);
}

Placement::Placed Placement::place(std::int64_t position, std::uint64_t samples, Join join) {
  if (!started_) {
    started_ = true;
    if (config_.from_first && written_ == 0) origin_ = position;
  }
  if (join == Join::apart) spurt_ = 0;
  const std::int64_t gap = position - end();
  const std::int64_t tolerance = join == Join::apart ? kRounding : config_.rate / 100;
  const std::int64_t longest = kMaxJumpSeconds * config_.rate;
  Placed placed;
  if (gap > tolerance && gap <= longest && config_.silence) {
    placed.silence = static_cast<std::uint64_t>(gap);
    direction_ = 0;
  } else if (config_.silence) {
    if (gap < -tolerance) {
      ++counters_.overlaps;
      counters_.overlap_samples += static_cast<std::uint64_t>(-gap);
    }
    if (std::abs(gap) <= longest) placed.stretch = follow_clock(gap, samples, join);
  }
  samples += static_cast<std::uint64_t>(placed.stretch);
  spurt_ += samples;
  written_ += placed.silence + samples;
  counters_.silence += placed.silence;
  counters_.samples += samples;
  return placed;
}

std::uint64_t Placement::advance(std::int64_t position) {
  const std::int64_t gap = position - end();
  if (!config_.silence || gap <= 0 || gap > kMaxJumpSeconds * config_.rate) return 0;
  if (config_.from_first && !started_) return 0;
  written_ += static_cast<std::uint64_t>(gap);
  counters_.silence += static_cast<std::uint64_t>(gap);
  return static_cast<std::uint64_t>(gap);
}

}  // namespace dv
