// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/voice/core/close_codes.hpp"

namespace dv::voice {
namespace {

constexpr std::uint16_t kFirstOwnCode = 4000;

MainVerdict fatal_main(MainFailed::Kind kind, const char *meaning, const char *advice) {
  return {MainReaction::fatal, meaning, kind, advice};
}

VoiceVerdict fatal_voice(EndReason end, const char *meaning, const char *advice) {
  return {VoiceReaction::fatal, meaning, end, advice};
}

/** The server blames this client; that rarely is better the second time. */
VoiceVerdict once_voice(EndReason end, const char *meaning, const char *advice) {
  return {VoiceReaction::new_session_few, meaning, end, advice, 1};
}

constexpr const char *kUpdateAdvice =
    "This version of the plugin does not speak the protocol the server expects; install a newer "
    "one.";

}  // namespace

MainVerdict judge_main_close(CloseCode code) {
  using Kind = MainFailed::Kind;
  if (!code) return {MainReaction::resume, "connection cut"};
  switch (*code) {
    case 1000:
      // The server does not keep a session that it has closed in order.
      return {MainReaction::new_session, "normal closure"};
    case 4003:
      return {MainReaction::new_session, "not authenticated"};
    case 4004:
      return fatal_main(Kind::bad_token, "authentication failed",
                        "The bot token is wrong or has been reset; take the current one from the "
                        "developer portal (without the prefix \"Bot \").");
    case 4005:
      return {MainReaction::new_session, "already authenticated"};
    case 4007:
      return {MainReaction::new_session, "invalid sequence number"};
    case 4008:
      return {MainReaction::slow_new_session, "rate limited"};
    case 4009:
      return {MainReaction::new_session, "session timed out"};
    case 4010:
      return fatal_main(Kind::sharding, "invalid shard", kUpdateAdvice);
    case 4011:
      return fatal_main(Kind::sharding, "sharding required",
                        "The bot is in too many guilds for one session; use hand-over mode from a "
                        "sharded bot.");
    case 4012:
      return fatal_main(Kind::bad_version, "invalid API version", kUpdateAdvice);
    case 4013:
      return fatal_main(Kind::bad_intents, "invalid intents", kUpdateAdvice);
    case 4014:
      return fatal_main(Kind::bad_intents, "disallowed intents",
                        "Allow the bot the intents for guilds and voice states in the developer "
                        "portal.");
    case 4000:
      return {MainReaction::resume, "unknown error"};
    case 4001:
      return {MainReaction::resume, "unknown opcode"};
    case 4002:
      return {MainReaction::resume, "undecodable payload"};
    default:
      return {MainReaction::resume,
              *code < kFirstOwnCode ? "network or server restart" : "unknown"};
  }
}

VoiceVerdict judge_voice_close(CloseCode code) {
  if (!code) return {VoiceReaction::resume, "connection cut"};
  if (*code < kFirstOwnCode) return {VoiceReaction::resume, "network or server restart"};
  switch (*code) {
    case 4001:
      return once_voice(EndReason::protocol_error, "unknown opcode", kUpdateAdvice);
    case 4002:
      return once_voice(EndReason::protocol_error, "undecodable payload", kUpdateAdvice);
    case 4003:
      return {VoiceReaction::new_session, "not authenticated"};
    case 4004:
      return once_voice(
          EndReason::voice_auth, "authentication failed",
          "The voice server does not accept the credentials of the main gateway; in "
          "hand-over mode hand over session id, token and endpoint of the same join.");
    case 4005:
      return {VoiceReaction::new_session, "already authenticated"};
    case 4006:
      return {VoiceReaction::new_session, "session no longer valid"};
    case 4009:
      return {VoiceReaction::new_session, "session timed out"};
    case 4011:
      return {VoiceReaction::new_session, "server not found"};
    case 4012:
      return fatal_voice(EndReason::protocol_error, "unknown protocol", kUpdateAdvice);
    case 4013:
      return {VoiceReaction::resume, "media worker crashed"};
    case 4014:
      return {VoiceReaction::wait_verdict, "disconnected"};
    case 4015:
      return {VoiceReaction::resume, "voice server crashed"};
    case 4016:
      return fatal_voice(EndReason::no_encryption_mode, "unknown encryption mode", kUpdateAdvice);
    case 4017:
      return fatal_voice(EndReason::dave_required, "end-to-end encryption required",
                         "This channel admits clients with end-to-end encryption (DAVE) only; set "
                         "max-dave-version to 1.");
    case 4020:
      return once_voice(EndReason::protocol_error, "bad request", kUpdateAdvice);
    case 4021:
      return fatal_voice(EndReason::rate_limited, "rate limited",
                         "The bot was disconnected for too many requests; wait some minutes before "
                         "joining again.");
    case 4022:
      return {VoiceReaction::wait_verdict, "call terminated"};
    default:
      return {VoiceReaction::new_session_few, "unknown close code", EndReason::protocol_error,
              "The server closed the session with a code that is not known.", 5};
  }
}

std::string describe_close(CloseCode code, const char *meaning) {
  if (!code) return "no close code (" + std::string(meaning) + ")";
  return "close code " + std::to_string(*code) + " (" + meaning + ")";
}

}  // namespace dv::voice
