// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/wire/opus_packet.hpp"

#include <array>

namespace dv {
namespace {

constexpr std::size_t kMaxFrameBytes = 1275;
constexpr std::uint8_t kMaxFrames = 48;

// RFC 6716, table 2: frame sizes by configuration, four of each bandwidth, two of hybrid.
constexpr std::array<std::uint16_t, 32> kFrameSamples = {
    480, 960, 1920, 2880, 480, 960, 1920, 2880, 480, 960, 1920, 2880, 480, 960, 480, 960,
    120, 240, 480,  960,  120, 240, 480,  960,  120, 240, 480,  960,  120, 240, 480, 960};

struct Body {
  ByteView rest;
  ByteView first_frame;
};

/** Section 3.2.1: one or two bytes. */
std::optional<std::size_t> take_length(ByteView &rest) {
  if (rest.empty()) return std::nullopt;
  std::size_t length = rest[0];
  if (length < 252) {
    rest = rest.subspan(1);
    return length;
  }
  if (rest.size() < 2) return std::nullopt;
  length += std::size_t{4} * rest[1];
  rest = rest.subspan(2);
  return length;
}

bool equal_frames(Body &body, std::size_t count) {
  if (body.rest.size() % count != 0 || body.rest.size() / count > kMaxFrameBytes) return false;
  body.first_frame = body.rest.first(body.rest.size() / count);
  return true;
}

bool variable_frames(Body &body, std::size_t count) {
  std::size_t sum = 0;
  std::size_t first = 0;
  for (std::size_t i = 0; i + 1 < count; ++i) {
    const auto length = take_length(body.rest);
    if (!length || *length > kMaxFrameBytes) return false;
    if (i == 0) first = *length;
    sum += *length;
  }
  if (sum > body.rest.size()) return false;
  const std::size_t last = body.rest.size() - sum;
  if (last > kMaxFrameBytes) return false;
  body.first_frame = body.rest.first(count == 1 ? last : first);
  return true;
}

/** Section 3.2.5: any number of frames, with optional padding. */
std::optional<std::uint8_t> signalled_frames(Body &body, std::uint32_t frame_samples) {
  if (body.rest.empty()) return std::nullopt;
  const std::uint8_t head = body.rest[0];
  body.rest = body.rest.subspan(1);
  const std::uint8_t count = head & 0x3f;
  if (count == 0 || count > kMaxFrames || count * frame_samples > kMaxOpusSamples)
    return std::nullopt;
  if ((head & 0x40) != 0) {
    std::size_t padding = 0;
    std::uint8_t step;
    do {
      if (body.rest.empty()) return std::nullopt;
      step = body.rest[0];
      body.rest = body.rest.subspan(1);
      padding += step == 255 ? std::size_t{254} : std::size_t{step};
    } while (step == 255);
    if (padding > body.rest.size()) return std::nullopt;
    body.rest = body.rest.first(body.rest.size() - padding);
  }
  const bool variable = (head & 0x80) != 0;
  const bool ok = variable ? variable_frames(body, count) : equal_frames(body, count);
  return ok ? std::optional(count) : std::nullopt;
}

std::optional<std::uint8_t> split(std::uint8_t code, Body &body, std::uint32_t frame_samples) {
  switch (code) {
    case 0:
      return equal_frames(body, 1) ? std::optional<std::uint8_t>(1) : std::nullopt;
    case 1:
      return equal_frames(body, 2) ? std::optional<std::uint8_t>(2) : std::nullopt;
    case 2:
      return variable_frames(body, 2) ? std::optional<std::uint8_t>(2) : std::nullopt;
    default:
      return signalled_frames(body, frame_samples);
  }
}

/** Section 4.2.3: voice activity of each 20 ms, then the LBRR flag, for mid and then for side. */
bool has_lbrr(const OpusPacket &packet, ByteView frame) {
  if (packet.mode == OpusMode::celt || frame.empty()) return false;
  const unsigned silk_frames = packet.frame_samples > 960 ? packet.frame_samples / 960 : 1;
  if ((frame[0] >> (7 - silk_frames) & 1) != 0) return true;
  return packet.stereo && (frame[0] >> (6 - 2 * silk_frames) & 1) != 0;
}

}  // namespace

std::optional<OpusPacket> parse_opus(ByteView packet) {
  if (packet.empty()) return std::nullopt;
  const std::uint8_t toc = packet[0];
  const unsigned config = toc >> 3;
  OpusPacket result;
  result.mode = config < 12 ? OpusMode::silk : config < 16 ? OpusMode::hybrid : OpusMode::celt;
  result.stereo = (toc & 4) != 0;
  result.frame_samples = kFrameSamples[config];
  Body body{packet.subspan(1), {}};
  const auto frames = split(toc & 3, body, result.frame_samples);
  if (!frames) return std::nullopt;
  result.frames = *frames;
  result.samples = result.frame_samples * *frames;
  if (result.samples > kMaxOpusSamples) return std::nullopt;
  result.has_fec = has_lbrr(result, body.first_frame);
  return result;
}

bool is_opus_silence(ByteView packet) {
  return packet.size() == 3 && (packet[0] == 0xf8 || packet[0] == 0xfc) && packet[1] == 0xff &&
         packet[2] == 0xfe;
}

}  // namespace dv
