// SPDX-License-Identifier: LGPL-2.1-or-later
#include <nlohmann/json.hpp>

#include "tests/server/call.hpp"
#include "tests/server/control.hpp"
#include "tests/server/core.hpp"
#include "tests/server/json_util.hpp"

namespace dv::server {

using nlohmann::json;

namespace {

/** The delivery services of the channel named in the command, or all. */
template <typename F>
json for_rooms(Core &core, const json &c, F f) {
  bool found = false;
  for (auto &[where, call] : core.calls()) {
    if (call->room() == nullptr || (c.contains("channel") && id_of(c, "channel") != where.second))
      continue;
    found = true;
    f(*call->room());
  }
  return found ? command_done() : command_failed("no end-to-end encrypted call");
}

/** A new epoch: a virtual member comes in anew ("readd"), or everybody does ("reset"). */
json epoch(Core &core, const json &c) {
  bool done = true;
  const json reply = for_rooms(core, c, [&](Room &room) {
    if (c.value("how", "readd") == "reset")
      room.reset();
    else
      done = room.readd(id_of(c, "user")) && done;
  });
  return done ? reply : command_failed("no such member");
}

json downgrade(Core &core, const json &c) {
  return for_rooms(core, c, [](Room &room) { room.downgrade(); });
}
json upgrade(Core &core, const json &c) {
  return for_rooms(core, c, [](Room &room) { room.upgrade(); });
}

/** The next op 29 or 30 that goes to a real client arrives damaged. */
json invalid_commit(Core &core, const json &c) {
  const int count = c.value("count", 1);
  return for_rooms(core, c, [&](Room &room) { room.faults.corrupt_commits += count; });
}
json invalid_welcome(Core &core, const json &c) {
  const int count = c.value("count", 1);
  return for_rooms(core, c, [&](Room &room) { room.faults.corrupt_welcomes += count; });
}
json stale_commit(Core &core, const json &c) {
  return for_rooms(core, c, [](Room &room) { room.repeat_commit(); });
}

}  // namespace

void add_dave_commands(Commands &commands) {
  commands["epoch"] = epoch;
  commands["downgrade"] = downgrade;
  commands["upgrade"] = upgrade;
  commands["invalid-commit"] = invalid_commit;
  commands["invalid-welcome"] = invalid_welcome;
  commands["stale-commit"] = stale_commit;
}

}  // namespace dv::server
