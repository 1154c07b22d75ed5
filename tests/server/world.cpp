// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/server/world.hpp"

#include <nlohmann/json.hpp>

namespace dv::server {

using nlohmann::json;

namespace {
json or_null(const std::string &text) { return text.empty() ? json() : json(text); }
}  // namespace

Guild *World::guild(GuildId id) {
  auto it = guilds.find(id);
  return it == guilds.end() ? nullptr : &it->second;
}

std::size_t World::in_channel(const Guild &guild, ChannelId channel) const {
  std::size_t count = 0;
  for (const auto &[user, state] : guild.voice) count += state.channel == channel;
  return count;
}

json user_json(const User &user) {
  json out = {{"id", std::to_string(user.id)},
              {"username", user.username},
              {"global_name", or_null(user.global_name)},
              {"discriminator", "0"},
              {"avatar", nullptr}};
  if (user.bot) out["bot"] = true;
  return out;
}

json member_json(const World &world, const Guild &guild, UserId user) {
  const auto nick = guild.nicks.find(user);
  const auto known = world.users.find(user);
  return {{"user", user_json(known == world.users.end() ? User{.id = user} : known->second)},
          {"nick", nick == guild.nicks.end() ? json() : or_null(nick->second)},
          {"roles", json::array()},
          {"joined_at", "2024-01-01T00:00:00.000000+00:00"},
          {"deaf", false},
          {"mute", false},
          {"flags", 0}};
}

json voice_state_json(const World &world, const Guild &guild, const VoiceState &state) {
  return {{"guild_id", std::to_string(guild.id)},
          {"channel_id", state.channel == 0 ? json() : json(std::to_string(state.channel))},
          {"user_id", std::to_string(state.user)},
          {"member", member_json(world, guild, state.user)},
          {"session_id", state.session_id},
          {"deaf", state.deaf},
          {"mute", state.mute},
          {"self_deaf", state.self_deaf},
          {"self_mute", state.self_mute},
          {"self_video", state.self_video},
          {"suppress", state.suppress},
          {"request_to_speak_timestamp", nullptr}};
}

json guild_create_json(const World &world, const Guild &guild, bool all_members) {
  json channels = json::array(), states = json::array(), members = json::array();
  for (const auto &[id, channel] : guild.channels)
    channels.push_back({{"id", std::to_string(id)},
                        {"type", channel.type},
                        {"name", channel.name},
                        {"position", channels.size()},
                        {"bitrate", 64000},
                        {"user_limit", channel.user_limit},
                        {"rtc_region", nullptr},
                        {"permission_overwrites", json::array()}});
  for (const auto &[user, state] : guild.voice) {
    json item = voice_state_json(world, guild, state);
    item.erase("guild_id");
    item.erase("member");
    states.push_back(std::move(item));
  }
  for (const auto &[user, nick] : guild.nicks) {
    const auto known = world.users.find(user);
    const bool bot = known != world.users.end() && known->second.bot;
    if (all_members || bot || guild.voice.contains(user))
      members.push_back(member_json(world, guild, user));
  }
  return {{"id", std::to_string(guild.id)},
          {"name", guild.name},
          {"unavailable", false},
          {"large", false},
          {"member_count", guild.nicks.size()},
          {"joined_at", "2024-01-01T00:00:00.000000+00:00"},
          {"owner_id", "1"},
          {"channels", std::move(channels)},
          {"voice_states", std::move(states)},
          {"members", std::move(members)},
          {"threads", json::array()},
          {"presences", json::array()},
          {"roles", json::array()},
          {"emojis", json::array()},
          {"stickers", json::array()},
          {"stage_instances", json::array()},
          {"guild_scheduled_events", json::array()},
          {"soundboard_sounds", json::array()},
          {"features", json::array()},
          {"afk_channel_id", nullptr},
          {"afk_timeout", 300},
          {"preferred_locale", "en-US"}};
}

}  // namespace dv::server
