// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ext/wire/bytes.hpp"
#include "ext/wire/ids.hpp"

namespace dv {

/** One value for this much of a waveform. */
inline constexpr Time kPeakStep = 100ms;

/** Greatest amplitude of interleaved S16LE or F32LE samples, 0 to 1. */
float peak_of(ByteView samples, bool is_float);

/** 0 to 63, by the square root: quiet speech needs the finer steps. */
std::uint8_t quantized_peak(float peak);
/** The amplitude that a value stands for. */
float amplitude_of(std::uint8_t value);

/** One character of `A`–`Z`, `a`–`z`, `0`–`9`, `-`, `_` for each value, 0 to 63. */
std::string encode_peaks(const std::vector<std::uint8_t> &values);
/** Nothing when there is any other character. */
std::optional<std::vector<std::uint8_t>> decode_peaks(std::string_view text);

}  // namespace dv
