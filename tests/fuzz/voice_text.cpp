// SPDX-License-Identifier: LGPL-2.1-or-later
// Text messages of the voice gateway, one per line, to a session that receives.
#include "tests/fuzz/require.hpp"
#include "tests/fuzz/voice_session.hpp"

using namespace dv;
using namespace dv::voice;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  const auto voice = running_session(0);
  FUZZ_REQUIRE(std::string_view(voice->state_name()) == "ready");
  std::string_view rest(reinterpret_cast<const char *>(data), size);
  Time now = 1s;
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    voice->on_voice_text(rest.substr(0, end), now);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    now += 500ms;
    voice->advance(now);
    voice->take_actions();
  }
  return 0;
}
