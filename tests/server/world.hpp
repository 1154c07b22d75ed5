// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "ext/wire/ids.hpp"

namespace dv::server {

struct User {
  UserId id = 0;
  std::string username;
  std::string global_name;  ///< empty: null
  bool bot = false;
};

struct VoiceState {
  UserId user = 0;
  ChannelId channel = 0;  ///< 0: has left
  std::string session_id;
  bool deaf = false, mute = false, self_deaf = false, self_mute = false, suppress = false,
       self_video = false;
};

struct Channel {
  ChannelId id = 0;
  std::string name;
  int type = 2;         ///< 2 voice, 13 stage
  int user_limit = 0;   ///< 0: none
  bool connect = true;  ///< bots may join
};

struct Guild {
  GuildId id = 0;
  std::string name;
  std::map<ChannelId, Channel> channels;
  std::map<UserId, std::string> nicks;  ///< every member; empty: no nick
  std::map<UserId, VoiceState> voice;
};

/** Who and what there is. */
struct World {
  std::map<GuildId, Guild> guilds;
  std::map<UserId, User> users;
  std::map<std::string, UserId> tokens;
  UserId next_user = 300000000000000001;

  Guild *guild(GuildId id);
  std::size_t in_channel(const Guild &guild, ChannelId channel) const;
};

nlohmann::json user_json(const User &user);
nlohmann::json member_json(const World &world, const Guild &guild, UserId user);
nlohmann::json voice_state_json(const World &world, const Guild &guild, const VoiceState &state);
nlohmann::json guild_create_json(const World &world, const Guild &guild, bool all_members);

}  // namespace dv::server
