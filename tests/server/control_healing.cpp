// SPDX-License-Identifier: LGPL-2.1-or-later
// What leaves a client deaf although its connections stand.
#include <array>
#include <nlohmann/json.hpp>

#include "tests/server/control.hpp"
#include "tests/server/core.hpp"
#include "tests/server/json_util.hpp"

namespace dv::server {

using nlohmann::json;

namespace {

json withhold(Core &core, const json &c) {
  const UserId user = id_of(c, "user");
  for (const auto &session : core.voice.sessions()) {
    if (user != 0 && session->user != user) continue;
    session->withheld_op = c.at("op");
    session->withhold = c.value("count", 1U);
  }
  return command_done();
}

/** Media goes on under another key, and nobody is told: not even a Resume brings it. */
json lose_key(Core &core, const json &c) {
  const UserId user = id_of(c, "user");
  for (const auto &session : core.voice.sessions()) {
    const auto mode = transport_mode(session->mode);
    if (!mode || (user != 0 && session->user != user)) continue;
    std::array<std::uint8_t, 32> key;
    for (auto &byte : key) byte = static_cast<std::uint8_t>(core.random32());
    session->transport = std::make_unique<Transport>(*mode, key);
  }
  return command_done();
}

/** As when a router has forgotten the way: no media until the client's next datagram. */
json forget_path(Core &core, const json &c) {
  const UserId user = id_of(c, "user");
  for (const auto &session : core.voice.sessions())
    if (user == 0 || session->user == user) session->heard_at = Loop::now() - std::chrono::hours(1);
  return command_done();
}

}  // namespace

void add_healing_commands(Commands &commands) {
  commands["withhold"] = withhold;
  commands["lose-key"] = lose_key;
  commands["forget-path"] = forget_path;
}

}  // namespace dv::server
