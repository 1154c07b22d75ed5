// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "ext/voice/core/types.hpp"

namespace dv::voice {

/**
 * What the main gateway tells the voice connection of one guild. A source in hand-over mode makes
 * the same events from what its bot sends (`HandOver`).
 */

/** The main session is up and the guild is there; op 4 may be sent. Also after a new Identify. */
struct GuildReady {
  UserId self = 0;
  bool new_session = false;    ///< voice sessions of before are dead: join again
  bool channel_listed = true;  ///< the channel asked for is among the guild's voice channels
};
/** The op 4 that was asked for has gone out; the answer is due from now on. */
struct JoinSent {};
/** The same of a leave. */
struct LeaveSent {};
/** The bot's own voice state in this guild. */
struct OwnVoiceState {
  Secret session_id;
  std::optional<ChannelId> channel;  ///< nothing: not in voice
  bool deaf = false;                 ///< by a moderator: the server stops sending audio
  bool mute = false;
  bool suppress = false;
};
struct VoiceServer {
  Secret token;
  std::optional<std::string> endpoint;  ///< nothing: server is gone, another one follows
};
/** Somebody's name became known or changed. */
struct MemberKnown {
  Member member;
};
/** The guild is gone: removed from it, or never was a member; `outage` means it comes back. */
struct GuildGone {
  bool outage = false;
  bool never_member = false;
};
struct ChannelDeleted {
  ChannelId channel = 0;
};
/** What is known of the channel when a join is not answered. */
struct ChannelFacts {
  ChannelId channel = 0;
  std::string name;
  std::uint32_t user_limit = 0;  ///< 0: none
  std::uint32_t users = 0;
};
/** The main gateway lost its connection; it is being resumed. The voice session runs on. */
struct MainLost {
  std::string text;
};
struct MainResumed {};
/** The main gateway has ended for good; no reconnect. */
struct MainFailed {
  enum class Kind : std::uint8_t {
    bad_token,
    bad_intents,
    sharding,
    bad_version,
    connect,
    tls,
    budget,
  } kind{};
  std::string text;
};

using GuildEvent =
    std::variant<GuildReady, JoinSent, LeaveSent, OwnVoiceState, VoiceServer, MemberKnown, GuildGone,
                 ChannelDeleted, ChannelFacts, MainLost, MainResumed, MainFailed>;

/**
 * Voice credentials of a bot that lives elsewhere. Field names of the JSON form are Lavalink's:
 * `token`, `endpoint`, `sessionId`, `channelId`, and `guildId`, `userId`. What is absent is
 * unchanged.
 */
struct HandOver {
  std::optional<GuildId> guild;
  std::optional<UserId> user;
  bool has_channel = false;
  std::optional<ChannelId> channel;  ///< with `has_channel`: nothing means "left"
  std::optional<Secret> session_id;
  std::optional<Secret> token;
  bool has_endpoint = false;
  std::optional<std::string> endpoint;  ///< with `has_endpoint`: nothing means "wait"
};

/** One JSON object; nothing when it is not one, or a field has a wrong type. */
std::optional<HandOver> parse_hand_over(std::string_view json);

}  // namespace dv::voice
