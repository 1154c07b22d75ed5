// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/voice/core/main_gateway.hpp"
#include "ext/voice/core/reports.hpp"
#include "ext/voice/core/types.hpp"
#include "ext/voice/core/voice_connection.hpp"

namespace dv::voice {

const char *name_of(ConnectFailureKind kind) {
  switch (kind) {
    case ConnectFailureKind::dns:
      return "dns";
    case ConnectFailureKind::refused:
      return "refused";
    case ConnectFailureKind::tls:
      return "tls";
    case ConnectFailureKind::timeout:
      return "timeout";
    case ConnectFailureKind::http_status:
      return "http-status";
    case ConnectFailureKind::other:
      break;
  }
  return "other";
}

std::string describe(const ConnectFailure &failure) {
  const std::string detail = failure.text.empty() ? "" : " (" + failure.text + ")";
  switch (failure.kind) {
    case ConnectFailureKind::dns:
      return "the host name could not be resolved" + detail;
    case ConnectFailureKind::refused:
      return "the connection was refused" + detail;
    case ConnectFailureKind::tls:
      return "the server's certificate was not accepted" + detail;
    case ConnectFailureKind::timeout:
      return "the server did not answer in time" + detail;
    case ConnectFailureKind::http_status:
      return "the server answered with HTTP status " + std::to_string(failure.http_status) + detail;
    case ConnectFailureKind::other:
      break;
  }
  return "the connection failed" + detail;
}

const char *name_of(EndReason reason) {
  switch (reason) {
    case EndReason::left:
      return "left";
    case EndReason::kicked:
      return "kicked";
    case EndReason::channel_deleted:
      return "channel-deleted";
    case EndReason::guild_removed:
      return "guild-removed";
    case EndReason::call_terminated:
      return "call-terminated";
    case EndReason::moved_away:
      return "moved-away";
    case EndReason::disconnected:
      return "disconnected";
    case EndReason::no_answer:
      return "no-answer";
    case EndReason::unknown_channel:
      return "unknown-channel";
    case EndReason::bad_token:
      return "bad-token";
    case EndReason::main_refused:
      return "main-refused";
    case EndReason::main_unreachable:
      return "main-unreachable";
    case EndReason::tls_failed:
      return "tls-failed";
    case EndReason::voice_auth:
      return "voice-auth";
    case EndReason::dave_required:
      return "dave-required";
    case EndReason::rate_limited:
      return "rate-limited";
    case EndReason::protocol_error:
      return "protocol-error";
    case EndReason::no_encryption_mode:
      return "no-encryption-mode";
    case EndReason::bad_endpoint:
      return "bad-endpoint";
    case EndReason::guild_in_use:
      return "guild-in-use";
    case EndReason::identify_budget:
      break;
  }
  return "identify-budget";
}

}  // namespace dv::voice
