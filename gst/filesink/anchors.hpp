// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "ext/wire/ids.hpp"

namespace dv {

/** One moment of a stream in all its times. */
struct Anchor {
  UserId user = 0;
  std::uint32_t session = 0;
  Ssrc ssrc = 0;
  std::uint32_t rtp = 0;          ///< 48 kHz
  Time at{};                      ///< on the time line of the recording
  std::optional<Time> arrival{};  ///< of the datagram, on the same
  Time wall{};                    ///< time of day at `at`, since 1970
};

/**
 * Which frames of a recording's streams are written down as anchors, so that the times of all
 * others follow from the anchor before them. Used under one lock.
 */
class AnchorTracker {
 public:
  struct Limits {
    Time moved = 5ms;   ///< off from what the last anchor predicts: worth another
    Time speech = 60s;  ///< one at least so often
    Time apart = 1s;    ///< and at most so often
    std::size_t streams = 10000;
  };

  AnchorTracker() : AnchorTracker(Limits{}) {}
  explicit AnchorTracker(const Limits &limits) : limits_(limits) {}

  /** A frame in the order of its stream; `restart`: its numbering begins anew. */
  bool wants(const Anchor &frame, Time length, bool restart);

 private:
  struct Stream {
    std::uint32_t rtp = 0;  // of the last anchor, as the two below
    Time at{}, wall{};
    Time speech{};           // since then
    bool restarted = false;  // … the numbering has
  };
  bool has_moved(const Stream &stream, const Anchor &frame) const;

  const Limits limits_;
  std::map<std::pair<std::uint32_t, Ssrc>, Stream> streams_;
};

}  // namespace dv
