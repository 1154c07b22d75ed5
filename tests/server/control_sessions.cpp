// SPDX-License-Identifier: LGPL-2.1-or-later
#include <nlohmann/json.hpp>

#include "tests/server/call.hpp"
#include "tests/server/control.hpp"
#include "tests/server/core.hpp"
#include "tests/server/json_util.hpp"

namespace dv::server {

using nlohmann::json;

namespace {

json close_main(Core &core, const json &c) {
  core.main.close_all(id_of(c, "user"), c.value("code", 4000));
  return command_done();
}
json close_voice(Core &core, const json &c) {
  core.voice.close_all(id_of(c, "user"), c.value("code", 4006));
  return command_done();
}
json cut_main(Core &core, const json &c) {
  core.main.cut_all(id_of(c, "user"));
  return command_done();
}
json cut_voice(Core &core, const json &c) {
  core.voice.cut_all(id_of(c, "user"));
  return command_done();
}
json reconnect(Core &core, const json &c) {
  core.main.send_all(id_of(c, "user"), {{"op", 7}, {"d", nullptr}, {"s", nullptr}, {"t", nullptr}});
  return command_done();
}
json invalid_session(Core &core, const json &c) {
  if (!c.value("resumable", false))
    core.main.invalidate_all(id_of(c, "user"));
  else
    core.main.send_all(id_of(c, "user"), {{"op", 9}, {"d", true}, {"s", nullptr}, {"t", nullptr}});
  return command_done();
}
json ask_heartbeat(Core &core, const json &c) {
  core.main.send_all(id_of(c, "user"), {{"op", 1}, {"d", nullptr}, {"s", nullptr}, {"t", nullptr}});
  return command_done();
}
json raw_main(Core &core, const json &c) {
  core.main.send_all(id_of(c, "user"), c.at("text"));
  return command_done();
}
json raw_voice(Core &core, const json &c) {
  const UserId user = id_of(c, "user");
  if (c.contains("text")) {
    core.voice.send_text_all(
        user, c["text"].is_string() ? c["text"].get<std::string>() : c["text"].dump());
    return command_done();
  }
  const auto payload = unhex(text_of(c, "hex"));
  if (!payload) return command_failed("needs text, or op and hex");
  core.voice.send_binary_all(user, c.value("op", std::uint8_t{0}), *payload);
  return command_done();
}
json dispatch(Core &core, const json &c) {
  const std::string name = c.at("name");
  core.main.dispatch(c.contains("guild") ? id_of(c, "guild") : core.config.guild, name.c_str(),
                     c.at("data"), 0);
  return command_done();
}

/** What must never show outside the client's memory: the keys and the voice tokens in use, as hex.
 */
json secrets(Core &core, const json &) {
  json all = json::array();
  for (const auto &session : core.voice.sessions()) {
    if (session->transport != nullptr) all.push_back(hex(session->transport->key()));
    all.push_back(hex(view(session->token)));
  }
  return {{"ok", true}, {"event", "secrets"}, {"secrets", all}};
}

/** Sessions of real clients, of one user or all, with their voice states. */
template <typename F>
json for_clients(Core &core, const json &c, F f) {
  const UserId wanted = id_of(c, "user");
  std::vector<std::pair<GuildId, VoiceState>> states;
  for (const auto &[token, user] : core.world.tokens)
    for (const auto &[id, guild] : core.world.guilds)
      if (const auto it = guild.voice.find(user); it != guild.voice.end() &&
                                                  (wanted == 0 || wanted == user) &&
                                                  (!c.contains("guild") || id_of(c, "guild") == id))
        states.emplace_back(id, it->second);
  if (states.empty()) return command_failed("no client is in voice");
  for (const auto &[guild, state] : states) f(guild, state);
  return command_done();
}

void change_region(Core &core, const std::string &region) {
  for (auto &[where, call] : core.calls()) {
    core.main.dispatch(where.first, "CHANNEL_UPDATE",
                       {{"id", std::to_string(where.second)},
                        {"guild_id", std::to_string(where.first)},
                        {"type", 2},
                        {"name", core.world.guilds[where.first].channels[where.second].name},
                        {"rtc_region", region}},
                       1);
    for (auto &speaker : call->speakers())
      call->change_ssrc(*speaker, core.voice.new_ssrc(), false);
  }
}

/**
 * The voice server changes. `endpoint`: "other", "same", "null" (and nothing behind it), or
 * literally what to send. With `null-ms` a null endpoint comes first and the new one that much
 * later, with `after-ms` just nothing until then. `close`: code for the old socket, 0 leaves it open. `certificate`: of the other one.
 * `media`: another media port behind the same endpoint. `region`: this is why, and as on any other
 * server everybody has another SSRC there.
 */
json move(Core &core, const json &c) {
  const std::string where = c.value("endpoint", "other");
  const int code = c.value("close", 4014), null_ms = c.value("null-ms", 0);
  const auto later = std::chrono::milliseconds(c.value("after-ms", null_ms));
  const auto kind = certificate_kind(c.value("certificate", "good"));
  if (!kind) return command_failed("no such certificate");
  if (where == "other" && !core.voice.add_node(*kind)) return command_failed("no new endpoint");
  if (c.value("media", false) && !core.voice.new_media_port(*core.voice.current()))
    return command_failed("no new media port");
  if (c.contains("region")) change_region(core, c["region"]);
  return for_clients(core, c, [&](GuildId guild, const VoiceState &state) {
    const std::string token = core.voice.issue(guild, state.channel, state.user, state.session_id);
    const bool ours = where == "other" || where == "same";
    const std::string endpoint = ours ? core.voice.current()->endpoint() : where;
    if (where == "null" || null_ms > 0) core.send_server_update(guild, state.user, token, {});
    if (where != "null" && later == 0ms)
      core.send_server_update(guild, state.user, token, endpoint);
    if (where != "null" && later > 0ms)
      core.loop.after(later, [&core, guild, state, token, endpoint] {
        core.send_server_update(guild, state.user, token, endpoint);
        core.events.emit("service-back", {{"what", "move"}});
      });
    if (code != 0) core.voice.end(guild, state.user, code);
  });
}

/** What a bot that lives elsewhere would hand over: it is in the channel, its voice session is free
 * to take. */
json credentials(Core &core, const json &c) {
  const auto bot = core.world.tokens.find(c.value("token", core.config.token));
  const GuildId guild = c.contains("guild") ? id_of(c, "guild") : core.config.guild;
  const ChannelId channel = c.contains("channel") ? id_of(c, "channel") : core.config.channel;
  const Guild *place = core.world.guild(guild);
  if (bot == core.world.tokens.end() || place == nullptr || !place->channels.contains(channel))
    return command_failed("no such token, guild or channel");
  const VoiceState state{
      .user = bot->second, .channel = channel, .session_id = core.random_hex(16)};
  core.voice.end(guild, state.user, 4014);
  core.set_voice_state(guild, state);
  return {{"ok", true},
          {"token", core.voice.issue(guild, channel, state.user, state.session_id)},
          {"endpoint", core.voice.current()->endpoint()},
          {"session_id", state.session_id},
          {"user_id", std::to_string(state.user)},
          {"guild_id", std::to_string(guild)},
          {"channel_id", std::to_string(channel)}};
}

/** A moderator moves the client. */
json move_channel(Core &core, const json &c) {
  const ChannelId channel = id_of(c, "channel");
  return for_clients(core, c, [&](GuildId guild, VoiceState state) {
    state.channel = channel;
    core.join(guild, state);
  });
}

json kick(Core &core, const json &c) {
  const int code = c.value("code", 4014);
  return for_clients(core, c, [&](GuildId guild, const VoiceState &state) {
    core.leave(guild, state.user, code);
  });
}

json delete_channel(Core &core, const json &c) {
  const ChannelId channel = c.contains("channel") ? id_of(c, "channel") : core.config.channel;
  for (auto &[id, guild] : core.world.guilds) {
    const auto it = guild.channels.find(channel);
    if (it == guild.channels.end()) continue;
    core.main.dispatch(id, "CHANNEL_DELETE",
                       {{"id", std::to_string(channel)},
                        {"guild_id", std::to_string(id)},
                        {"type", 2},
                        {"name", it->second.name}},
                       1);
    std::vector<UserId> inside;
    for (const auto &[user, state] : guild.voice)
      if (state.channel == channel) inside.push_back(user);
    for (UserId user : inside) {
      core.leave(id, user, 4022);
      core.call(id, channel).remove_speaker(user);
    }
    guild.channels.erase(channel);
    return command_done();
  }
  return command_failed("no such channel");
}

json server_deafen(Core &core, const json &c) {
  return for_clients(core, c, [&](GuildId guild, VoiceState state) {
    state.deaf = c.value("on", true);
    if (VoiceSession *session = core.voice.find(guild, state.user)) session->deaf = state.deaf;
    core.set_voice_state(guild, state);
  });
}

/** As if another process used the same token: own-user states with a session id of its own. */
json foreign_state(Core &core, const json &c) {
  return for_clients(core, c, [&](GuildId guild, VoiceState state) {
    state.session_id = core.random_hex(16);
    if (c.value("left", false)) state.channel = 0;
    const Guild &g = *core.world.guild(guild);
    core.main.dispatch(guild, "VOICE_STATE_UPDATE", voice_state_json(core.world, g, state), 1 << 7);
  });
}

json repeat_description(Core &core, const json &c) {
  return for_clients(core, c, [&](GuildId guild, const VoiceState &state) {
    if (VoiceSession *session = core.voice.find(guild, state.user)) core.voice.describe(*session);
  });
}

}  // namespace

void add_session_commands(Commands &commands) {
  commands["close-main"] = close_main;
  commands["close-voice"] = close_voice;
  commands["cut-main"] = cut_main;
  commands["cut-voice"] = cut_voice;
  commands["reconnect"] = reconnect;
  commands["invalid-session"] = invalid_session;
  commands["ask-heartbeat"] = ask_heartbeat;
  commands["raw-main"] = raw_main;
  commands["raw-voice"] = raw_voice;
  commands["dispatch"] = dispatch;
  commands["secrets"] = secrets;
  commands["move"] = move;
  commands["credentials"] = credentials;
  commands["move-channel"] = move_channel;
  commands["kick"] = kick;
  commands["delete-channel"] = delete_channel;
  commands["server-deafen"] = server_deafen;
  commands["foreign-state"] = foreign_state;
  commands["new-key"] = repeat_description;
}

}  // namespace dv::server
