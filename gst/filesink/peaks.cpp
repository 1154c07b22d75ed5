// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/filesink/peaks.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace dv {
namespace {
constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr float kTop = 63;

template <class Sample>
float greatest(ByteView bytes, float full) {
  decltype(std::abs(Sample{})) peak = 0;
  for (std::size_t i = 0; i + sizeof(Sample) <= bytes.size(); i += sizeof(Sample)) {
    Sample sample;
    std::memcpy(&sample, bytes.data() + i, sizeof sample);
    peak = std::max(peak, std::abs(sample));
  }
  return std::min(static_cast<float>(peak) / full, 1.0F);
}
}  // namespace

float peak_of(ByteView samples, bool is_float) {
  return is_float ? greatest<float>(samples, 1.0F) : greatest<std::int16_t>(samples, 32768.0F);
}

std::uint8_t quantized_peak(float peak) {
  return static_cast<std::uint8_t>(std::lround(kTop * std::sqrt(std::clamp(peak, 0.0F, 1.0F))));
}

float amplitude_of(std::uint8_t value) {
  const float root = static_cast<float>(value) / kTop;
  return root * root;
}

std::string encode_peaks(const std::vector<std::uint8_t> &values) {
  std::string out;
  for (const std::uint8_t value : values) out += kAlphabet[std::min<std::size_t>(value, 63)];
  return out;
}

std::optional<std::vector<std::uint8_t>> decode_peaks(std::string_view text) {
  std::vector<std::uint8_t> out;
  for (const char c : text) {
    const auto at = kAlphabet.find(c);
    if (at == std::string_view::npos) return std::nullopt;
    out.push_back(static_cast<std::uint8_t>(at));
  }
  return out;
}

}  // namespace dv
