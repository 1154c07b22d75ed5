// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/voice/core/main_messages.hpp"

#include "ext/voice/core/json.hpp"
#include "ext/voice/core/text_writer.hpp"

namespace dv::voice::main_msg {
namespace {

constexpr std::size_t kMaxGuilds = 10'000;
constexpr std::size_t kMaxChannels = 2'000;
constexpr std::size_t kMaxMembers = 25'000;
constexpr std::size_t kMaxNameBytes = 256;
constexpr std::uint32_t kIntents = 1u << 0 | 1u << 7;  // GUILDS, GUILD_VOICE_STATES

std::string clipped(std::string_view text) {
  if (text.size() <= kMaxNameBytes) return std::string(text);
  std::size_t end = kMaxNameBytes;
  // Not through the middle of a UTF-8 sequence.
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) end--;
  return std::string(text.substr(0, end));
}

std::string name_field(const Json &object, const char *key) {
  const auto text = read_text(find(object, key), 1u << 16);
  return text ? clipped(*text) : std::string();
}

std::optional<Member> read_member(const Json &object) {
  const Json *user = find(object, "user");
  if (user == nullptr) return std::nullopt;
  const auto id = read_id(*user, "id");
  if (!id || *id == 0) return std::nullopt;
  Member member{*id, name_field(object, "nick"), read_flag(*user, "bot")};
  if (member.name.empty()) member.name = name_field(*user, "global_name");
  if (member.name.empty()) member.name = name_field(*user, "username");
  return member;
}

std::vector<Member> read_members(const Json *array) {
  std::vector<Member> members;
  if (array == nullptr || !array->is_array()) return members;
  for (const Json &item : *array) {
    if (members.size() >= kMaxMembers) break;
    if (auto member = read_member(item)) members.push_back(std::move(*member));
  }
  return members;
}

std::optional<VoiceState> read_voice_state(Json &object) {
  const auto user = read_id(object, "user_id");
  if (!user || *user == 0) return std::nullopt;
  VoiceState state;
  state.user = *user;
  const Json *channel = find(object, "channel_id");
  if (!is_null(channel)) {
    state.channel = read_uint(channel);
    if (!state.channel || *state.channel == 0) return std::nullopt;
  }
  if (auto session = take_secret(find(object, "session_id"))) {
    state.session_id = std::move(*session);
  }
  state.deaf = read_flag(object, "deaf");
  state.mute = read_flag(object, "mute");
  state.suppress = read_flag(object, "suppress");
  return state;
}

std::optional<Channel> read_channel(const Json &object) {
  const auto id = read_id(object, "id");
  const auto type = read_uint(find(object, "type"), 255);
  if (!id || *id == 0 || !type) return std::nullopt;
  Channel channel;
  channel.id = *id;
  channel.type = static_cast<std::uint32_t>(*type);
  channel.name = name_field(object, "name");
  channel.user_limit =
      static_cast<std::uint32_t>(read_uint(find(object, "user_limit"), 100'000).value_or(0));
  return channel;
}

std::optional<Body> read_ready(Json &d) {
  Ready ready;
  const Json *user = find(d, "user");
  const auto self = user != nullptr ? read_id(*user, "id") : std::nullopt;
  auto session = take_secret(find(d, "session_id"));
  if (!self || *self == 0 || !session) return std::nullopt;
  ready.self = *self;
  ready.session_id = std::move(*session);
  ready.resume_url = read_text(find(d, "resume_gateway_url"), 1024).value_or("");
  const Json *guilds = find(d, "guilds");
  if (guilds != nullptr && guilds->is_array()) {
    for (const Json &guild : *guilds) {
      if (ready.guilds.size() >= kMaxGuilds) break;
      if (const auto id = read_id(guild, "id")) ready.guilds.push_back(*id);
    }
  }
  return ready;
}

std::optional<Body> read_guild_create(Json &d) {
  const auto id = read_id(d, "id");
  if (!id || *id == 0) return std::nullopt;
  GuildCreate guild;
  guild.guild = *id;
  guild.unavailable = read_flag(d, "unavailable");
  if (const Json *channels = find(d, "channels"); channels != nullptr && channels->is_array()) {
    for (const Json &item : *channels) {
      if (guild.channels.size() >= kMaxChannels) break;
      auto channel = read_channel(item);
      if (channel && channel->carries_voice()) guild.channels.push_back(std::move(*channel));
    }
  }
  if (Json *states = find(d, "voice_states"); states != nullptr && states->is_array()) {
    for (Json &item : *states) {
      if (guild.voice_states.size() >= kMaxMembers) break;
      if (auto state = read_voice_state(item)) guild.voice_states.push_back(std::move(*state));
    }
  }
  guild.members = read_members(find(d, "members"));
  return guild;
}

std::optional<Body> read_voice_state_update(Json &d) {
  const auto guild = read_id(d, "guild_id");
  // Calls outside guilds have no guild id; they are none of ours.
  if (!guild) return Other{};
  auto state = read_voice_state(d);
  if (!state) return std::nullopt;
  VoiceStateUpdate update{*guild, std::move(*state), std::nullopt};
  if (const Json *member = find(d, "member")) update.member = read_member(*member);
  return update;
}

std::optional<Body> read_voice_server_update(Json &d) {
  const auto guild = read_id(d, "guild_id");
  auto token = take_secret(find(d, "token"));
  if (!guild || !token) return std::nullopt;
  VoiceServerUpdate update{*guild, std::move(*token), std::nullopt};
  const Json *endpoint = find(d, "endpoint");
  if (!is_null(endpoint)) {
    const auto text = read_text(endpoint, 512);
    if (!text) return std::nullopt;
    if (!text->empty()) update.endpoint = std::string(*text);
  }
  return update;
}

std::optional<Body> read_channel_event(const Json &d, bool deleted) {
  const auto guild = read_id(d, "guild_id");
  if (!guild) return Other{};
  auto channel = read_channel(d);
  if (!channel) return std::nullopt;
  if (deleted) return ChannelDelete{*guild, channel->id};
  if (!channel->carries_voice()) return Other{};
  return ChannelChange{*guild, std::move(*channel)};
}

std::optional<Body> read_guild_delete(const Json &d) {
  const auto id = read_id(d, "id");
  if (!id) return std::nullopt;
  return GuildDelete{*id, read_flag(d, "unavailable")};
}

std::optional<Body> read_member_events(const Json &d, bool chunk) {
  const auto guild = read_id(d, "guild_id");
  if (!guild) return std::nullopt;
  Members members{*guild, {}};
  if (chunk) {
    members.members = read_members(find(d, "members"));
  } else if (auto member = read_member(d)) {
    members.members.push_back(std::move(*member));
  }
  return members;
}

std::optional<Body> read_dispatch(std::string_view name, Json &d) {
  if (name == "READY") return read_ready(d);
  if (name == "RESUMED") return Resumed{};
  if (name == "GUILD_CREATE") return read_guild_create(d);
  if (name == "GUILD_DELETE") return read_guild_delete(d);
  if (name == "CHANNEL_CREATE" || name == "CHANNEL_UPDATE") return read_channel_event(d, false);
  if (name == "CHANNEL_DELETE") return read_channel_event(d, true);
  if (name == "VOICE_STATE_UPDATE") return read_voice_state_update(d);
  if (name == "VOICE_SERVER_UPDATE") return read_voice_server_update(d);
  if (name == "GUILD_MEMBERS_CHUNK") return read_member_events(d, true);
  if (name == "GUILD_MEMBER_UPDATE") return read_member_events(d, false);
  return Other{};
}

std::optional<Body> read_body(std::uint64_t op, std::string_view name, Json &d) {
  switch (op) {
    case 0:
      return read_dispatch(name, d);
    case 1:
      return HeartbeatRequest{};
    case 7:
      return Reconnect{};
    case 9:
      return InvalidSession{read_bool(&d).value_or(false)};
    case 10: {
      const auto interval = read_milliseconds(find(d, "heartbeat_interval"));
      if (!interval) return std::nullopt;
      return Hello{*interval};
    }
    case 11:
      return HeartbeatAck{};
    default:
      return Other{};
  }
}

}  // namespace

std::optional<Message> parse(std::string_view text) {
  auto tree = parse_json(text, kMainLimits);
  if (!tree) return std::nullopt;
  const auto op = read_uint(find(*tree, "op"), 0xFFFF);
  if (!op) return std::nullopt;
  Message message;
  if (*op == 0) message.seq = read_uint(find(*tree, "s"));
  const auto name = read_text(find(*tree, "t"), 128).value_or("");
  Json none;
  Json *d = find(*tree, "d");
  auto body = read_body(*op, name, d != nullptr ? *d : none);
  if (!body) {
    if (!message.seq) return std::nullopt;
    message.damaged = true;
    body = Other{};
  }
  message.body = std::move(*body);
  return message;
}

Secret identify(const Secret &token) {
  TextWriter out;
  out.raw(R"({"op":2,"d":{"token":)").text(token.text()).raw(R"(,"intents":)").number(kIntents);
  out.raw(R"(,"properties":{"os":"linux","browser":"gst-discord-voice",)");
  out.raw(R"("device":"gst-discord-voice"}}})");
  return out.secret();
}

Secret resume(const Secret &token, const Secret &session_id, std::uint64_t seq) {
  TextWriter out;
  out.raw(R"({"op":6,"d":{"token":)").text(token.text());
  out.raw(R"(,"session_id":)").text(session_id.text()).raw(R"(,"seq":)").number(seq).raw("}}");
  return out.secret();
}

Secret heartbeat(std::optional<std::uint64_t> seq) {
  TextWriter out(64);
  out.raw(R"({"op":1,"d":)");
  if (seq) {
    out.number(*seq);
  } else {
    out.raw("null");
  }
  return out.raw("}").secret();
}

std::string voice_state(GuildId guild, std::optional<ChannelId> channel, bool self_mute,
                        bool self_deaf) {
  TextWriter out(256);
  out.raw(R"({"op":4,"d":{"guild_id":)").id(guild).raw(R"(,"channel_id":)");
  if (channel) {
    out.id(*channel);
  } else {
    out.raw("null");
  }
  out.raw(R"(,"self_mute":)").flag(self_mute).raw(R"(,"self_deaf":)").flag(self_deaf).raw("}}");
  return out.plain();
}

std::string request_members(GuildId guild, const std::vector<UserId> &users) {
  TextWriter out(4096);
  out.raw(R"({"op":8,"d":{"guild_id":)").id(guild).raw(R"(,"user_ids":[)");
  for (std::size_t i = 0; i < users.size() && i < 100; i++) {
    if (i > 0) out.raw(",");
    out.id(users[i]);
  }
  return out.raw(R"(],"limit":0}})").plain();
}

}  // namespace dv::voice::main_msg
