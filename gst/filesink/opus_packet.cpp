// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/filesink/opus_packet.hpp"

namespace dv {
namespace {

std::uint32_t frame_samples(std::uint8_t toc) {
  const unsigned config = toc >> 3;
  constexpr std::uint32_t silk[] = {480, 960, 1920, 2880};
  if (config < 12) return silk[config % 4];
  if (config < 16) return config % 2 == 0 ? 480 : 960;
  return 120u << (config % 4);
}

}  // namespace

std::optional<std::uint32_t> opus_packet_samples(ByteView packet) {
  if (packet.empty()) return std::nullopt;
  std::uint32_t frames = 0;
  switch (packet[0] & 3) {
    case 0:
      frames = 1;
      break;
    case 1:
      if (packet.size() % 2 == 0) return std::nullopt;
      frames = 2;
      break;
    case 2:
      if (packet.size() < 2) return std::nullopt;
      frames = 2;
      break;
    default:
      if (packet.size() < 2) return std::nullopt;
      frames = packet[1] & 0x3fu;
  }
  const std::uint32_t samples = frames * frame_samples(packet[0]);
  if (samples == 0 || samples > 5760) return std::nullopt;
  return samples;
}

std::optional<OpusSilence> opus_silence_for(std::uint64_t samples) {
  for (unsigned size = 4; size-- > 0;) {
    const std::uint32_t length = 120u << size;
    if (samples < length) continue;
    const auto toc = static_cast<std::uint8_t>((28 + size) << 3);
    return OpusSilence{{toc, 0xff, 0xfe}, length};
  }
  return std::nullopt;
}

}  // namespace dv
