// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/wire/opus_packet.hpp"

#include <opus.h>

#include "tests/fuzz/require.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  const auto own = dv::parse_opus({data, size});
  const unsigned char *frames[48];
  opus_int16 sizes[48];
  const int count = size == 0 ? 0
                              : opus_packet_parse(data, static_cast<opus_int32>(size), nullptr,
                                                  frames, sizes, nullptr);
  FUZZ_REQUIRE(own.has_value() == (count > 0));
  if (own) {
    FUZZ_REQUIRE(own->frames == count);
    FUZZ_REQUIRE(own->samples == own->frame_samples * own->frames);
    FUZZ_REQUIRE(own->samples <= dv::kMaxOpusSamples);
  }
  dv::is_opus_silence({data, size});
  return 0;
}
