// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "ext/wire/bytes.hpp"

namespace dv::dave {

inline constexpr std::size_t kFrameTagSize = 8;
inline constexpr std::uint16_t kFrameMarker = 0xfafa;
/** Tag, shortest nonce, size byte, marker, minus the nonce that may not be missing. */
inline constexpr std::size_t kMinSupplemental = 11;

/** Longest encoding of 64 bits. */
inline constexpr std::size_t kMaxUleb128 = 10;
void put_uleb128(Bytes &out, std::uint64_t value);
/**
 * Takes one number off the front. Padded encodings of up to ten bytes are accepted, as receivers in
 * use do. nullopt: it does not end, or has more than 64 bits; `rest` is unspecified then.
 */
std::optional<std::uint64_t> take_uleb128(ByteView &rest);

/** Part of the media that is authenticated, but not encrypted. */
struct ClearRange {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

/** Walks the checked ranges of a frame. */
class ClearRangeReader {
 public:
  explicit ClearRangeReader(ByteView encoded) : rest_(encoded) {}
  std::optional<ClearRange> next();

 private:
  ByteView rest_;
};

/** Views into a frame of the DAVE protocol, version 1 (whitepaper, "Frame Payload"). */
struct ProtocolFrame {
  ByteView media;           ///< plain ranges and ciphertext, interleaved
  ByteView tag;             ///< kFrameTagSize bytes
  std::uint32_t nonce = 0;  ///< generation in the top byte
  ByteView ranges;          ///< encoded; empty for Opus
  /** A range leaves the media part: the frame must be refused, also where plain frames may pass. */
  bool refused = false;
};

/**
 * nullopt: not a protocol frame, so it counts as an unencrypted one. Everything in the result has
 * been checked against the frame; ranges ascend and do not overlap.
 */
std::optional<ProtocolFrame> parse_frame(ByteView frame);

/** Exactly `F8 FF FE`, the one frame that the service may inject into an encrypted call. */
bool is_injected_silence(ByteView frame);

/**
 * Appends tag, nonce, ranges, size and marker to a media part. False, and nothing appended: ranges
 * too many for the size byte.
 */
bool append_supplemental(Bytes &frame, ByteView tag, std::uint32_t nonce,
                         std::span<const ClearRange> ranges);

}  // namespace dv::dave
