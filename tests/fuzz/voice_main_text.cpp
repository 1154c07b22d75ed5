// SPDX-License-Identifier: LGPL-2.1-or-later
// Text messages of the main gateway, one per line, to a session that is up.
#include <string_view>

#include "ext/voice/core/main_gateway.hpp"
#include "tests/fuzz/require.hpp"

using namespace dv;
using namespace dv::voice;

namespace {

constexpr std::string_view kHello = R"({"op":10,"d":{"heartbeat_interval":41250}})";
constexpr std::string_view kReady =
    R"({"op":0,"t":"READY","s":1,"d":{"user":{"id":"5"},"session_id":"s",)"
    R"("resume_gateway_url":"wss://gateway.discord.gg","guilds":[{"id":"7"}]}})";
constexpr std::string_view kGuild =
    R"({"op":0,"t":"GUILD_CREATE","s":2,"d":{"id":"7","channels":[{"id":"8","type":2}]}})";

/** Frames beyond what the server takes would end the session; the actions are looked at, too. */
void drain(MainGateway &gateway) {
  for (const auto &action : gateway.take_actions()) {
    const auto *send = std::get_if<MainSend>(&action);
    if (send != nullptr) FUZZ_REQUIRE(send->text.size() <= 4096);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  MainConfig config;
  config.token = Secret::from_text("token");
  MainGateway gateway(std::move(config), [] { return 0.5; });
  gateway.attach(7, 8, 0s);
  gateway.start(0s);
  gateway.on_open(0s);
  for (const auto text : {kHello, kReady, kGuild}) gateway.on_text(text, 0s);
  gateway.join(7, 8, true, false, 0s);
  std::string_view rest(reinterpret_cast<const char *>(data), size);
  Time now = 1s;
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    gateway.on_text(rest.substr(0, end), now);
    drain(gateway);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    now += 100ms;
    gateway.advance(now);
    drain(gateway);
  }
  return 0;
}
