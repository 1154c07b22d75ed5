// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <optional>

#include "ext/wire/bytes.hpp"

namespace dv {

/** Longest audio in one Opus packet: 120 ms at 48 kHz (RFC 6716, section 3.2.5). */
inline constexpr std::uint32_t kMaxOpusSamples = 5760;

enum class OpusMode : std::uint8_t { silk, hybrid, celt };

struct OpusPacket {
  OpusMode mode = OpusMode::silk;
  bool stereo = false;
  bool has_fec = false;             ///< carries a coarse copy of the packet before it (LBRR)
  std::uint8_t frames = 0;          ///< 1 .. 48
  std::uint32_t frame_samples = 0;  ///< of one frame, at 48 kHz
  std::uint32_t samples = 0;        ///< of the packet, at 48 kHz; at most kMaxOpusSamples
};

/**
 * Reads the framing of a packet without decoding it.
 * nullopt: breaks one of the requirements R1 to R7 (RFC 6716, section 3.4).
 */
std::optional<OpusPacket> parse_opus(ByteView packet);

/** Exactly the 20 ms of silence that end a talk spurt: `F8 FF FE`, or its stereo twin `FC FF FE`.
 */
bool is_opus_silence(ByteView packet);

}  // namespace dv
