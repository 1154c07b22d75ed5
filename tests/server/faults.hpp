// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <random>

#include "ext/wire/ids.hpp"

namespace dv::server {

/** What a speaker's packets suffer on the way. Rates are in percent of the packets. */
struct FaultSettings {
  double loss = 0;
  double reorder = 0;  ///< overtaken by one to three later packets
  double duplicate = 0;
  double padding = 0;      ///< 1 to 255 bytes of RTP padding
  double extension = 100;  ///< one-word header extension
  double csrc = 0;         ///< two contributing sources
  double corrupt = 0;      ///< one bit flipped after sealing
  double truncate = 0;     ///< the datagram is cut short
  int jitter_ms = 0;       ///< random delay up to this; may reorder
  std::uint64_t seed = 1;
};

/** How a speaker's client behaves. */
struct SpeakerProfile {
  bool advance = true;          ///< RTP time advances over pauses, as official clients' does
  unsigned frame_ms = 20;       ///< 20, 40 or 60
  unsigned silence_frames = 5;  ///< at the end of a spurt
  std::optional<std::uint16_t> start_seq;  ///< else random
  std::optional<std::uint32_t> start_rtp;  ///< else random
  bool plain_silence = false;              ///< silence frames leave without end-to-end encryption
  double drift_ppm = 0;                    ///< the sender's clock against real time
};

/** The fate of one packet. */
struct Fate {
  bool drop = false;
  bool duplicate = false;
  bool extension = false;
  bool csrc = false;
  bool corrupt = false;
  bool truncate = false;
  unsigned overtaken_by = 0;
  unsigned padding = 0;
  Time delay{};
};

/** Draws fates; the same seed and settings draw the same ones. */
class FaultPlan {
 public:
  explicit FaultPlan(std::uint64_t salt) : salt_(salt) { reseed(); }
  void set(const FaultSettings &settings);
  const FaultSettings &settings() const { return settings_; }
  Fate next();

 private:
  void reseed() { random_.seed(settings_.seed * 0x9e3779b97f4a7c15U ^ salt_); }
  bool hit(double percent);
  std::uint64_t below(std::uint64_t n) { return random_() % n; }

  std::uint64_t salt_;
  FaultSettings settings_;
  std::mt19937_64 random_;
};

}  // namespace dv::server
