// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/server/control.hpp"

#include <nlohmann/json.hpp>

#include "tests/server/core.hpp"
#include "tests/server/json_util.hpp"

namespace dv::server {

using nlohmann::json;

json command_done() { return {{"ok", true}}; }
json command_failed(const std::string &why) { return {{"ok", false}, {"error", why}}; }

json run_command(Core &core, const json &command) {
  static const Commands commands = [] {
    Commands all;
    add_speaker_commands(all);
    add_session_commands(all);
    add_outage_commands(all);
    add_world_commands(all);
    add_dave_commands(all);
    add_healing_commands(all);
    return all;
  }();
  const std::string name = text_of(command, "cmd");
  const auto it = commands.find(name);
  if (it == commands.end()) return command_failed("no such command: " + name);
  try {
    return it->second(core, command);
  } catch (const json::exception &error) {
    return command_failed(error.what());
  }
}

}  // namespace dv::server
