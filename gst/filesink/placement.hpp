// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>

#include "ext/wire/ids.hpp"

namespace dv {

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
  };

  explicit Placement(const Config &config) : config_(config) {}

  /**
   * A frame of `samples` that belongs at `position`: how much silence must be written before it.
   * The frame itself is always written whole. `continues`: by the sender's own count it follows the
   * frame before without a hole, so that a time correction of up to 10 ms waits for the next pause
   * instead of tearing speech apart.
   */
  std::uint64_t place(std::int64_t position, std::uint64_t samples, bool continues);

  /** Nothing more will come before `position`: how much silence must be written now. */
  std::uint64_t advance(std::int64_t position);

  /** Position behind the last sample written, in the time of the recording. */
  std::int64_t end() const { return origin_ + static_cast<std::int64_t>(written_); }
  std::int64_t origin() const { return origin_; }
  bool started() const { return started_; }
  const Counters &counters() const { return counters_; }

 private:
  Config config_;
  Counters counters_;
  std::int64_t origin_ = 0;
  std::uint64_t written_ = 0;
  bool started_ = false;
};

/** Running time to samples and back, without overflow for centuries. */
std::int64_t samples_of(Time time, std::uint32_t rate);
Time time_of(std::int64_t samples, std::uint32_t rate);

}  // namespace dv
