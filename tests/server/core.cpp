// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/server/core.hpp"

#include <nlohmann/json.hpp>

#include "tests/server/call.hpp"
#include "tests/server/json_util.hpp"

namespace dv::server {

using nlohmann::json;

namespace {
constexpr std::uint64_t kIntentVoiceStates = 1 << 7;
}

Core::Core(const ServerConfig &from, Certificates made)
    : config(from), certificates(std::move(made)), main(*this), voice(*this) {}

Core::~Core() {
  loop.run([this] {
    calls_.clear();
    voice.shutdown();
    main.shutdown();
  });
}

Call &Core::call(GuildId guild, ChannelId channel) {
  auto &call = calls_[{guild, channel}];
  if (!call) call = std::make_unique<Call>(*this, guild, channel);
  return *call;
}

void Core::set_voice_state(GuildId guild_id, const VoiceState &state) {
  Guild *guild = world.guild(guild_id);
  if (guild == nullptr) return;
  if (state.channel != 0)
    guild->voice[state.user] = state;
  else
    guild->voice.erase(state.user);
  main.dispatch(guild_id, "VOICE_STATE_UPDATE", voice_state_json(world, *guild, state),
                kIntentVoiceStates);
}

void Core::send_server_update(GuildId guild, UserId user, const std::string &token,
                              const std::string &endpoint) {
  main.dispatch_to(user, "VOICE_SERVER_UPDATE",
                   {{"token", token},
                    {"guild_id", std::to_string(guild)},
                    {"endpoint", endpoint.empty() ? json() : json(endpoint)}});
}

void Core::join(GuildId guild_id, const VoiceState &state) {
  Guild *guild = world.guild(guild_id);
  const auto before = guild->voice.find(state.user);
  if (before != guild->voice.end() && before->second.channel != state.channel)
    voice.end(guild_id, state.user, 4014);
  const std::string token = voice.issue(guild_id, state.channel, state.user, state.session_id);
  events.emit("join", {{"user_id", std::to_string(state.user)},
                       {"guild_id", std::to_string(guild_id)},
                       {"channel_id", std::to_string(state.channel)},
                       {"self_mute", state.self_mute},
                       {"self_deaf", state.self_deaf}});
  const auto server_update = [&] {
    if (options.join_server_update)
      send_server_update(guild_id, state.user, token, voice.current()->endpoint());
  };
  if (options.server_update_first) server_update();
  set_voice_state(guild_id, state);
  if (!options.server_update_first) server_update();
}

void Core::leave(GuildId guild_id, UserId user, int code) {
  Guild *guild = world.guild(guild_id);
  if (guild == nullptr) return;
  const auto state = guild->voice.find(user);
  if (state == guild->voice.end()) return;
  const std::string session_id = state->second.session_id;
  events.emit("leave", {{"user_id", std::to_string(user)}, {"guild_id", std::to_string(guild_id)}});
  set_voice_state(guild_id, {.user = user, .session_id = session_id});
  voice.end(guild_id, user, code);
}

UserId Core::add_user(const std::string &name, bool bot) {
  const UserId id = world.next_user++;
  world.users[id] = {.id = id, .username = name, .global_name = bot ? "" : name, .bot = bot};
  return id;
}

std::string Core::random_hex(std::size_t bytes) {
  Bytes data(bytes);
  for (auto &byte : data) byte = static_cast<std::uint8_t>(random_());
  return hex(data);
}

}  // namespace dv::server
