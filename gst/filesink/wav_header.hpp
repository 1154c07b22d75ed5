// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <string>

#include "ext/wire/bytes.hpp"

namespace dv {

struct PcmFormat {
  std::uint32_t rate = 48000;
  std::uint16_t channels = 2;
  std::uint16_t bytes_per_sample = 2;
  bool is_float = false;

  std::uint32_t frame_bytes() const { return std::uint32_t{channels} * bytes_per_sample; }
  bool operator==(const PcmFormat &) const = default;
};

/** What a file says about its speaker. */
struct TrackTags {
  std::string title, artist, comment;
};

/**
 * Everything before the samples of a WAV file with `data_bytes` of them. Its length depends on
 * format and tags alone, so that it can be written anew over itself. Beyond 4 GiB it becomes RF64
 * (EBU Tech 3306), for which a JUNK chunk keeps the place.
 */
Bytes wav_header(const PcmFormat &format, const TrackTags &tags, std::uint64_t data_bytes);

}  // namespace dv
