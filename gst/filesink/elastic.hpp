// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstddef>

#include "ext/wire/bytes.hpp"
#include "gst/filesink/wav_header.hpp"

namespace dv {

/**
 * A frame of PCM spread over `count` samples per channel instead of those it has, for differences
 * of a few. The first and the last sample stay, so that it joins its neighbours as before. s16 is
 * rounded and clipped.
 */
Bytes spread_over(ByteView samples, const PcmFormat &pcm, std::size_t count);

}  // namespace dv
