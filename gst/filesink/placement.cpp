// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/filesink/placement.hpp"

namespace dv {
namespace {

// Rounding of time stamps, not a hole.
constexpr std::int64_t kRounding = 2;
// A clock that jumps by more than this is wrong: a file must not be filled with silence without
// end.
constexpr std::int64_t kMaxJumpSeconds = 30 * 24 * 3600;
constexpr std::int64_t kNanos = 1'000'000'000;

}  // namespace

std::int64_t samples_of(Time time, std::uint32_t rate) {
  const std::int64_t ns = time.count();
  const std::int64_t whole = ns / kNanos, rest = ns % kNanos;
  return whole * rate + (rest * rate + (rest < 0 ? -kNanos / 2 : kNanos / 2)) / kNanos;
}

Time time_of(std::int64_t samples, std::uint32_t rate) {
  return Time(samples / rate * kNanos + samples % rate * kNanos / rate);
}

std::uint64_t Placement::place(std::int64_t position, std::uint64_t samples, bool continues) {
  if (!started_) {
    started_ = true;
    if (config_.from_first && written_ == 0) origin_ = position;
  }
  const std::int64_t gap = position - end();
  const std::int64_t tolerance = continues ? config_.rate / 100 : kRounding;
  std::uint64_t fill = 0;
  if (gap > tolerance && gap <= kMaxJumpSeconds * config_.rate && config_.silence) {
    fill = static_cast<std::uint64_t>(gap);
  } else if (gap < -tolerance && config_.silence) {
    ++counters_.overlaps;
    counters_.overlap_samples += static_cast<std::uint64_t>(-gap);
  }
  written_ += fill + samples;
  counters_.silence += fill;
  counters_.samples += samples;
  return fill;
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
