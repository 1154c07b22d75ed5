// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>

#include "ext/wire/ids.hpp"

namespace dv {

/** How a frame comes behind the one before it, by the sender's own count. */
enum class Join : std::uint8_t {
  apart,    ///< not directly, or nobody knows
  follows,  ///< directly, and nothing can be changed about it
  elastic,  ///< directly, and a sample more or less makes no difference to it
};

/** Where the samples of a track go. Positions are samples since the zero of the recording. */
class Placement {
 public:
  struct Config {
    std::uint32_t rate = 48000;
    bool silence = true;      ///< false: everything is written back to back
    bool from_first = false;  ///< the track starts with its first frame, not with the recording
  };
  struct Counters {
    std::uint64_t samples = 0, silence = 0, overlaps = 0, overlap_samples = 0;
    std::uint64_t drift_samples = 0;  ///< by which frames were made longer or shorter, in sum
    bool operator==(const Counters &) const = default;
  };
  struct Placed {
    std::uint64_t silence = 0;  ///< to be written before the frame
    std::int64_t stretch = 0;   ///< samples by which the frame is made longer, or shorter
    bool operator==(const Placed &) const = default;
  };

  explicit Placement(const Config &config) : config_(config) {}

  /**
   * A frame of `samples` that belongs at `position`. It is always written whole, and one that
   * directly follows is not torn off for up to 10 ms. What clocks that differ add up to, elastic
   * frames make good, by one sample in 960 at most: from 5 ms on, and from 1 ms on who has not
   * paused for 30 s.
   */
  Placed place(std::int64_t position, std::uint64_t samples, Join join);

  /** Nothing more will come before `position`: how much silence must be written now. */
  std::uint64_t advance(std::int64_t position);

  /** Position behind the last sample written, in the time of the recording. */
  std::int64_t end() const { return origin_ + static_cast<std::int64_t>(written_); }
  std::int64_t origin() const { return origin_; }
  bool started() const { return started_; }
  const Counters &counters() const { return counters_; }

 private:
  std::int64_t follow_clock(std::int64_t gap, std::uint64_t samples, Join join);

  Config config_;
  Counters counters_;
  std::int64_t origin_ = 0;
  std::uint64_t written_ = 0;
  bool started_ = false;
  std::uint64_t spurt_ = 0;   ///< samples since a frame that did not directly follow
  int direction_ = 0;         ///< 1: frames are made longer, -1: shorter, until the gap is closed
  std::uint64_t credit_ = 0;  ///< samples that have not had their share of it yet
};

/** Running time to samples and back, without overflow for centuries. */
std::int64_t samples_of(Time time, std::uint32_t rate);
Time time_of(std::int64_t samples, std::uint32_t rate);

}  // namespace dv
