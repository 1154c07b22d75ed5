// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>
#include <variant>

#include "ext/crypto/key_store.hpp"
#include "ext/voice/core/types.hpp"

namespace dv::voice {

/** Why a connection ended. */
enum class EndReason : std::uint8_t {
  left,    ///< asked for
  kicked,  ///< taken out of voice by somebody
  channel_deleted,
  guild_removed,       ///< the bot is not a member of the guild any more, or never was
  call_terminated,     ///< 4022 without a new server
  moved_away,          ///< moved to another channel, and `follow` is off
  disconnected,        ///< 4014 and nothing followed, and the rejoin was not answered
  no_answer,           ///< the join was not answered: full, or no permission
  unknown_channel,     ///< the guild has no such voice channel
  bad_token,           ///< 4004 of the main gateway
  main_refused,        ///< 4010 to 4014 of the main gateway
  main_unreachable,    ///< never got through to the main gateway
  tls_failed,          ///< certificate refused at the first connection
  voice_auth,          ///< 4004 of the voice gateway, twice
  dave_required,       ///< 4017
  rate_limited,        ///< 4021
  protocol_error,      ///< 4001, 4002, 4012, 4016, 4020: this client is wrong or too old
  no_encryption_mode,  ///< the server offers none that is known here
  bad_endpoint,        ///< endpoint refused for its syntax or address
  identify_budget,     ///< the day's Identify allowance is used up
  guild_in_use,        ///< another connection of this process holds the guild's place
};

/** Kebab-case: "channel-deleted", ... */
const char *name_of(EndReason reason);

/** The connection receives; `again` after a loss, with a new session but the same timeline. */
struct Connected {
  SessionId session = 0;
  ChannelId channel = 0;
  TransportMode mode{};
  std::uint16_t dave_version = 0;
  bool again = false;
};
struct SpeakerJoined {
  Member member;
};
struct SpeakerLeft {
  Member member;
};
/** Voice gateway op 5. Not voice activity: comes when somebody first transmits, and on changes. */
struct Speaking {
  SessionId session = 0;
  Ssrc ssrc = 0;
  Member member;
  std::uint32_t flags = 0;  ///< 1 voice, 2 soundshare, 4 priority
};
/** Who an audio SSRC is; for the sticky source info event. `present` false: it is over. */
struct Source {
  SessionId session = 0;
  Ssrc ssrc = 0;
  Member member;
  bool present = true;
};
struct Reconnecting {
  bool resume = false;        ///< true: media runs on
  bool main_gateway = false;  ///< it is the main gateway's connection that was lost
  std::string text;
};
struct Resumed {
  bool main_gateway = false;
};
struct Moved {
  ChannelId from = 0;
  ChannelId to = 0;
};
/** A moderator deafened the bot: no audio until it is cleared. */
struct Deafened {
  bool deaf = false;
};
struct EpochChanged {
  SessionId session = 0;
  std::uint16_t version = 0;
  std::uint64_t epoch = 0;
  std::string privacy_code;  ///< 30 digits in groups of 5; empty for version 0
};
struct PingRtt {
  Time rtt{};
};
enum class HealStep : std::uint8_t { ping = 1, resume = 2, new_session = 3 };
/** The watchdog acts: somebody speaks and nothing that can be decoded arrives. */
struct Healing {
  HealStep step{};
  std::string text;
};
struct Warning {
  std::string text;
};
/** For the log only. */
struct Note {
  std::string text;
};
/** Always the last report. `fatal` is an error to the application, otherwise the stream just ends.
 */
struct Ended {
  EndReason reason{};
  bool fatal = false;
  std::string text;  ///< what happened, to what, what to do
};

using Report =
    std::variant<Connected, SpeakerJoined, SpeakerLeft, Speaking, Source, Reconnecting, Resumed,
                 Moved, Deafened, EpochChanged, PingRtt, Healing, Warning, Note, Ended>;

}  // namespace dv::voice
