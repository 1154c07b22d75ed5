// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ext/wire/ids.hpp"

namespace dv {

/** Speech, or something that is missing from it. */
struct Stretch {
  enum class Kind : std::uint8_t { speech, concealed, lost };
  Kind kind = Kind::speech;
  Time start{}, end{};
  std::vector<std::uint8_t> peaks{};  ///< of speech, one for each kPeakStep; empty: not known
  bool operator==(const Stretch &) const = default;
};

/**
 * Turns the frames of one track into talk spurts and gaps. Who speaks without a pause is told in
 * pieces that join without a seam, so that a crash costs no more than one.
 */
class SpurtTracker {
 public:
  struct Frame {
    Time start{}, duration{};
    std::uint64_t stream = 0;  ///< which SSRC of which session the number belongs to
    std::uint64_t seq = 0;
    bool concealed = false, silence = false;
    std::optional<float> peak{};  ///< greatest amplitude, 0 to 1; nothing where it is not decoded
  };

  /** What has ended with this frame. */
  std::vector<Stretch> add(const Frame &frame);
  /** What was still going on. */
  std::vector<Stretch> finish();

 private:
  void add_speech(const Frame &frame);
  void end_concealed(std::vector<Stretch> &out);
  void end_speech(std::vector<Stretch> &out);

  std::optional<Stretch> speech_, concealed_;
  std::optional<Frame> last_;
};

}  // namespace dv
