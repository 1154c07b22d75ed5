// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "tests/server/faults.hpp"

namespace dv::server {

class Core;

/** One command of docs/test-server.md; the reply. On the server's thread. */
nlohmann::json run_command(Core &core, const nlohmann::json &command);

using Commands = std::map<std::string, nlohmann::json (*)(Core &, const nlohmann::json &)>;
void add_speaker_commands(Commands &commands);
void add_session_commands(Commands &commands);
void add_outage_commands(Commands &commands);
void add_world_commands(Commands &commands);
void add_dave_commands(Commands &commands);
void add_healing_commands(Commands &commands);

nlohmann::json command_done();
nlohmann::json command_failed(const std::string &why);

/** A guild with a voice channel and virtual speakers; the bots of all known tokens are members. */
bool add_guild(Core &core, std::uint64_t guild, std::uint64_t channel, unsigned speakers);

}  // namespace dv::server
