// SPDX-License-Identifier: LGPL-2.1-or-later
// Lines of voice credentials as they are handed over, to a session that waits for them and goes
// on with them. A line that begins with '<' is a text message of the voice gateway instead.
#include "ext/voice/core/voice_connection.hpp"
#include "tests/fuzz/require.hpp"

using namespace dv;
using namespace dv::voice;

namespace {

void check(const HandOver &update) {
  FUZZ_REQUIRE(update.guild != GuildId{0} && update.user != UserId{0});
  FUZZ_REQUIRE(update.has_channel || !update.channel);
  FUZZ_REQUIRE(update.channel != ChannelId{0});
  FUZZ_REQUIRE(update.has_endpoint || !update.endpoint);
  if (update.endpoint) FUZZ_REQUIRE(!update.endpoint->empty() && update.endpoint->size() <= 512);
}

/** What the shell would do at once: connections open. */
void perform(VoiceConnection &voice, Time now) {
  for (const auto &action : voice.take_actions()) {
    if (std::holds_alternative<ConnectVoice>(action)) voice.on_voice_open(now);
    if (std::holds_alternative<OpenUdp>(action)) voice.on_udp_open(now);
  }
}

void take(VoiceConnection &voice, std::string_view line, Time now) {
  if (line.starts_with('<')) return voice.on_voice_text(line.substr(1), now);
  auto update = parse_hand_over(line);
  if (!update) return;
  check(*update);
  voice.on_hand_over(std::move(*update), now);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  VoiceConfig config;
  config.hand_over = true;
  config.guild = 7;
  config.self = 5;
  config.max_dave_version = 0;
  VoiceConnection voice(std::move(config), [] { return 0.5; });
  Time now = 1s;
  voice.start(now);
  std::string_view rest(reinterpret_cast<const char *>(data), size);
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    take(voice, rest.substr(0, end), now);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    perform(voice, now);
    now += 500ms;
    voice.advance(now);
    perform(voice, now);
  }
  return 0;
}
