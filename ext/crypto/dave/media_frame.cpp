// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/crypto/dave/media_frame.hpp"

#include <limits>

namespace dv::dave {
namespace {

constexpr std::size_t kTrailer = 3;  // size byte and marker

enum class Ranges : std::uint8_t { ok, invalid, outside };

Ranges check_ranges(ByteView encoded, std::size_t frame_size, std::size_t media_size) {
  bool outside = false;
  std::uint64_t end = 0;
  while (!encoded.empty()) {
    const auto offset = take_uleb128(encoded);
    if (!offset) return Ranges::invalid;
    const auto size = take_uleb128(encoded);
    if (!size) return Ranges::invalid;
    if (*offset < end || *size > std::numeric_limits<std::uint64_t>::max() - *offset)
      return Ranges::invalid;
    end = *offset + *size;
    if (end > frame_size) return Ranges::invalid;
    outside = outside || end > media_size;
  }
  return outside ? Ranges::outside : Ranges::ok;
}

}  // namespace

void put_uleb128(Bytes &out, std::uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<std::uint8_t>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<std::uint8_t>(value));
}

std::optional<std::uint64_t> take_uleb128(ByteView &rest) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && !rest.empty(); shift += 7) {
    const std::uint8_t byte = rest[0];
    rest = rest.subspan(1);
    if (shift == 63 && byte > 1) return std::nullopt;
    value |= std::uint64_t{byte & 0x7fU} << shift;
    if ((byte & 0x80) == 0) return value;
  }
  return std::nullopt;
}

std::optional<ClearRange> ClearRangeReader::next() {
  if (rest_.empty()) return std::nullopt;
  const auto offset = take_uleb128(rest_);
  const auto size = take_uleb128(rest_);
  if (!offset || !size) return std::nullopt;
  return ClearRange{*offset, *size};
}

std::optional<ProtocolFrame> parse_frame(ByteView frame) {
  const std::size_t n = frame.size();
  if (n < kMinSupplemental || load_be16(frame.data() + n - 2) != kFrameMarker) return std::nullopt;
  const std::size_t supplemental = frame[n - kTrailer];
  if (supplemental < kMinSupplemental || supplemental > n) return std::nullopt;
  ProtocolFrame result;
  result.media = frame.first(n - supplemental);
  result.tag = frame.subspan(n - supplemental, kFrameTagSize);
  ByteView rest =
      frame.subspan(n - supplemental + kFrameTagSize, supplemental - kFrameTagSize - kTrailer);
  const auto nonce = take_uleb128(rest);
  if (!nonce) return std::nullopt;
  result.nonce = static_cast<std::uint32_t>(*nonce);
  result.ranges = rest;
  switch (check_ranges(rest, n, result.media.size())) {
    case Ranges::invalid:
      return std::nullopt;
    case Ranges::outside:
      result.refused = true;
      break;
    case Ranges::ok:
      break;
  }
  return result;
}

bool is_injected_silence(ByteView frame) {
  return frame.size() == 3 && frame[0] == 0xf8 && frame[1] == 0xff && frame[2] == 0xfe;
}

bool append_supplemental(Bytes &frame, ByteView tag, std::uint32_t nonce,
                         std::span<const ClearRange> ranges) {
  Bytes numbers;
  put_uleb128(numbers, nonce);
  for (const ClearRange &range : ranges) {
    put_uleb128(numbers, range.offset);
    put_uleb128(numbers, range.size);
  }
  const std::size_t size = kFrameTagSize + numbers.size() + kTrailer;
  if (tag.size() != kFrameTagSize || size > 0xff) return false;
  frame.insert(frame.end(), tag.begin(), tag.end());
  frame.insert(frame.end(), numbers.begin(), numbers.end());
  frame.push_back(static_cast<std::uint8_t>(size));
  frame.insert(frame.end(), 2, std::uint8_t{0xfa});
  return true;
}

}  // namespace dv::dave
