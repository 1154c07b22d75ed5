// SPDX-License-Identifier: LGPL-2.1-or-later
#include <nlohmann/json.hpp>

#include "tests/server/call.hpp"
#include "tests/server/control.hpp"
#include "tests/server/core.hpp"
#include "tests/server/json_util.hpp"

namespace dv::server {

using nlohmann::json;

namespace {

const char *const kNames[] = {"Ada",   "Bruno", "Chiara", "Dmitri", "Eszter", "Farid",
                              "Greta", "Hugo",  "Ines",   "Jonas",  "Kaja",   "Liam",
                              "Mei",   "Noor",  "Otto",   "Priya"};

std::string speaker_name(UserId user) {
  const auto n = static_cast<std::size_t>((user - 300000000000000001) % 1000000);
  std::string name = kNames[n % std::size(kNames)];
  if (n >= std::size(kNames)) name += " " + std::to_string(n / std::size(kNames) + 1);
  return name;
}

GuildId guild_of(Core &core, const json &c) {
  return c.contains("guild") ? id_of(c, "guild") : core.config.guild;
}

ChannelId channel_of(Core &core, const json &c) {
  return c.contains("channel") ? id_of(c, "channel") : core.config.channel;
}

json add_guild_command(Core &core, const json &c) {
  const GuildId guild = id_of(c, "guild");
  const ChannelId channel = id_of(c, "channel");
  if (guild == 0 || channel == 0) return command_failed("needs guild and channel");
  if (!add_guild(core, guild, channel, c.value("speakers", 0U))) return command_failed("no speech");
  const Guild *made = core.world.guild(guild);
  core.main.dispatch(guild, "GUILD_CREATE", guild_create_json(core.world, *made, false), 1);
  return command_done();
}

json remove_guild(Core &core, const json &c) {
  const GuildId guild = guild_of(core, c);
  json data = {{"id", std::to_string(guild)}};
  if (c.value("unavailable", false)) data["unavailable"] = true;
  core.main.dispatch(guild, "GUILD_DELETE", data, 1);
  return command_done();
}

json add_channel(Core &core, const json &c) {
  Guild *guild = core.world.guild(guild_of(core, c));
  const ChannelId id = id_of(c, "channel");
  if (guild == nullptr || id == 0) return command_failed("needs guild and channel");
  guild->channels[id] = {.id = id,
                         .name = c.value("name", "Another channel"),
                         .type = c.value("type", 2),
                         .user_limit = c.value("user-limit", 0),
                         .connect = c.value("connect", true)};
  const Channel &made = guild->channels[id];
  core.main.dispatch(guild->id, "CHANNEL_CREATE",
                     {{"id", std::to_string(id)},
                      {"guild_id", std::to_string(guild->id)},
                      {"type", made.type},
                      {"name", made.name},
                      {"user_limit", made.user_limit}},
                     1);
  return command_done();
}

json set_channel(Core &core, const json &c) {
  Guild *guild = core.world.guild(guild_of(core, c));
  if (guild == nullptr) return command_failed("no such guild");
  const auto it = guild->channels.find(channel_of(core, c));
  if (it == guild->channels.end()) return command_failed("no such channel");
  it->second.user_limit = c.value("user-limit", it->second.user_limit);
  it->second.connect = c.value("connect", it->second.connect);
  it->second.type = c.value("type", it->second.type);
  return command_done();
}

json add_user(Core &core, const json &c) {
  Guild *guild = core.world.guild(guild_of(core, c));
  if (guild == nullptr) return command_failed("no such guild");
  const ChannelId channel = channel_of(core, c);
  UserId user = id_of(c, "user");
  if (user == 0) {
    user = core.add_user("", false);
    core.world.users[user].username = core.world.users[user].global_name = speaker_name(user);
  } else if (!core.world.users.contains(user)) {
    core.world.users[user] = {.id = user, .username = "user" + std::to_string(user % 1000)};
  }
  User &entry = core.world.users[user];
  if (c.contains("name")) entry.username = entry.global_name = c["name"];
  if (c.contains("global-name")) entry.global_name = c["global-name"];
  entry.bot = c.value("bot", entry.bot);
  guild->nicks[user] = c.value("nick", guild->nicks[user]);
  Call &call = core.call(guild->id, channel);
  if (call.speaker(user) != nullptr) return command_failed("is there already");
  const Speaker *speaker = call.add_speaker(user);
  if (speaker == nullptr) return command_failed("no speech");
  return {{"ok", true},
          {"user_id", std::to_string(user)},
          {"ssrc", speaker->ssrc()},
          {"wav", speaker->speech().wav},
          {"name", entry.username}};
}

json remove_user(Core &core, const json &c) {
  for (auto &[where, call] : core.calls())
    if (call->remove_speaker(id_of(c, "user"))) return command_done();
  return command_failed("no such speaker");
}

/** Names change; others see it with the user's next voice state. */
json rename_user(Core &core, const json &c) {
  const UserId user = id_of(c, "user");
  const auto it = core.world.users.find(user);
  if (it == core.world.users.end()) return command_failed("no such user");
  if (c.contains("name")) it->second.username = c["name"];
  if (c.contains("global-name")) it->second.global_name = c["global-name"];
  for (auto &[id, guild] : core.world.guilds) {
    if (!guild.nicks.contains(user)) continue;
    if (c.contains("nick")) guild.nicks[user] = c["nick"];
    const auto state = guild.voice.find(user);
    if (state != guild.voice.end()) core.set_voice_state(id, VoiceState(state->second));
  }
  return command_done();
}

json add_bot(Core &core, const json &c) {
  const std::string token = c.value("token", core.random_hex(24));
  const UserId user = core.add_user(c.value("name", "another-bot"), true);
  core.world.tokens[token] = user;
  for (auto &[id, guild] : core.world.guilds) guild.nicks[user] = "";
  return {{"ok", true}, {"token", token}, {"user_id", std::to_string(user)}};
}

json set_options(Core &core, const json &c) {
  for (const auto &[key, value] : c.items()) {
    if (key == "cmd") continue;
    const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
    if (!set_option(core.options, key, text))
      return command_failed("no such option or value: " + key);
  }
  return command_done();
}

}  // namespace

bool add_guild(Core &core, GuildId id, ChannelId channel, unsigned speakers) {
  Guild &guild = core.world.guilds[id];
  guild.id = id;
  guild.name = id == core.config.guild ? "Local guild" : "Guild " + std::to_string(id % 1000);
  guild.channels[channel] = {.id = channel, .name = "General"};
  for (const auto &[token, user] : core.world.tokens) guild.nicks[user] = "";
  for (unsigned n = 0; n < speakers; n++) {
    const UserId user = core.add_user("", false);
    User &entry = core.world.users[user];
    entry.username = entry.global_name = speaker_name(user);
    guild.nicks[user] = "";
    if (core.call(id, channel).add_speaker(user) == nullptr) return false;
  }
  return true;
}

void add_world_commands(Commands &commands) {
  commands["add-guild"] = add_guild_command;
  commands["remove-guild"] = remove_guild;
  commands["add-channel"] = add_channel;
  commands["set-channel"] = set_channel;
  commands["add-user"] = add_user;
  commands["remove-user"] = remove_user;
  commands["rename-user"] = rename_user;
  commands["add-bot"] = add_bot;
  commands["option"] = set_options;
}

}  // namespace dv::server
