// SPDX-License-Identifier: LGPL-2.1-or-later
// Binary messages of the voice gateway (DAVE) to a session with encryption: u8 length, frame,
// again.
#include "tests/fuzz/plain_openssl.hpp"
#include "tests/fuzz/require.hpp"
#include "tests/fuzz/voice_session.hpp"

using namespace dv;
using namespace dv::voice;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  const auto voice = running_session(1);
  FUZZ_REQUIRE(std::string_view(voice->state_name()) == "ready");
  ByteView rest(data, size);
  while (!rest.empty()) {
    const std::size_t length = std::min<std::size_t>(std::size_t{rest[0]} * 4, rest.size() - 1);
    voice->on_voice_binary(rest.subspan(1, length), 1s);
    voice->on_udp_control(rest.subspan(1, length), 1s);
    voice->take_actions();
    rest = rest.subspan(1 + length);
  }
  FUZZ_REQUIRE(std::string_view(voice->state_name()) == "ready");
  return 0;
}
