// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "ext/wire/bytes.hpp"

namespace dv {

/** Duration of an Opus packet in 48 kHz samples by RFC 6716, section 3; nothing if it is malformed.
 */
std::optional<std::uint32_t> opus_packet_samples(ByteView packet);

struct OpusSilence {
  std::array<std::uint8_t, 3> packet;
  std::uint32_t samples;
};

/**
 * The longest silence packet (CELT: what Discord's clients send at the end of a spurt, and
 * its shorter kin) that fits into `samples`; nothing when less than 2.5 ms is left.
 */
std::optional<OpusSilence> opus_silence_for(std::uint64_t samples);

}  // namespace dv
