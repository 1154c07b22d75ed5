// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ext/voice/core/types.hpp"

/** Messages of the main gateway, API v10 (Discord docs: Gateway, Gateway Events, Opcodes). */
namespace dv::voice::main_msg {

struct Hello {
  Time interval{};
};
struct HeartbeatRequest {};
struct HeartbeatAck {};
struct Reconnect {};
struct InvalidSession {
  bool resumable = false;
};
struct Ready {
  UserId self = 0;
  Secret session_id;
  std::string resume_url;
  std::vector<GuildId> guilds;
};
struct Resumed {};

struct Channel {
  ChannelId id = 0;
  std::string name;
  std::uint32_t type = 0;  ///< 2 voice, 13 stage
  std::uint32_t user_limit = 0;

  bool carries_voice() const { return type == 2 || type == 13; }
};
struct VoiceState {
  UserId user = 0;
  std::optional<ChannelId> channel;
  Secret session_id;
  bool deaf = false;
  bool mute = false;
  bool suppress = false;
};
struct GuildCreate {
  GuildId guild = 0;
  bool unavailable = false;
  std::vector<Channel> channels;
  std::vector<VoiceState> voice_states;
  std::vector<Member> members;
};
struct GuildDelete {
  GuildId guild = 0;
  bool unavailable = false;
};
struct ChannelChange {
  GuildId guild = 0;
  Channel channel;
};
struct ChannelDelete {
  GuildId guild = 0;
  ChannelId channel = 0;
};
struct VoiceStateUpdate {
  GuildId guild = 0;
  VoiceState state;
  std::optional<Member> member;
};
struct VoiceServerUpdate {
  GuildId guild = 0;
  Secret token;
  std::optional<std::string> endpoint;
};
/** GUILD_MEMBERS_CHUNK, GUILD_MEMBER_UPDATE. */
struct Members {
  GuildId guild = 0;
  std::vector<Member> members;
};
/** An opcode or event that is of no use here. */
struct Other {};

using Body = std::variant<Hello, HeartbeatRequest, HeartbeatAck, Reconnect, InvalidSession, Ready,
                          Resumed, GuildCreate, GuildDelete, ChannelChange, ChannelDelete,
                          VoiceStateUpdate, VoiceServerUpdate, Members, Other>;

struct Message {
  std::optional<std::uint64_t> seq;  ///< set for dispatches
  bool damaged = false;              ///< a dispatch whose body was refused; its number counts
  Body body;
};

/** Nothing for what is no gateway message, or one that lacks what it must have. */
std::optional<Message> parse(std::string_view text);

/** Own frames beyond this are refused by the server (close 4002). */
inline constexpr std::size_t kMaxFrame = 4096;

Secret identify(const Secret &token);
Secret resume(const Secret &token, const Secret &session_id, std::uint64_t seq);
Secret heartbeat(std::optional<std::uint64_t> seq);
/** Op 4; no channel leaves. Holds no secret: bots in hand-over mode get it as it is. */
std::string voice_state(GuildId guild, std::optional<ChannelId> channel, bool self_mute,
                        bool self_deaf);
/** Op 8. At most 100 ids. */
std::string request_members(GuildId guild, const std::vector<UserId> &users);

}  // namespace dv::voice::main_msg
