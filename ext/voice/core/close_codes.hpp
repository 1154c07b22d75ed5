// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "ext/voice/core/guild_events.hpp"
#include "ext/voice/core/reports.hpp"
#include "ext/voice/core/types.hpp"

namespace dv::voice {

/** What a close code of the main gateway asks for (Discord docs: Gateway Close Event Codes). */
enum class MainReaction : std::uint8_t {
  resume,
  new_session,
  slow_new_session,  ///< 4008: a longer pause first
  fatal,
};

struct MainVerdict {
  MainReaction reaction = MainReaction::resume;
  const char *meaning = "";
  MainFailed::Kind failure{};  ///< only for `fatal`
  const char *advice = "";     ///< only for `fatal`
};
MainVerdict judge_main_close(CloseCode code);

/** What a close code of the voice gateway asks for (Discord docs: Voice Close Event Codes). */
enum class VoiceReaction : std::uint8_t {
  resume,
  new_session,
  new_session_few,  ///< beyond `chances` without a minute of good service in between: fatal
  wait_verdict,     ///< the main gateway tells what it meant
  fatal,
};

struct VoiceVerdict {
  VoiceReaction reaction = VoiceReaction::resume;
  const char *meaning = "";
  EndReason end{};          ///< for `fatal` and `new_session_few`
  const char *advice = "";  ///< likewise
  unsigned chances = 0;     ///< for `new_session_few`
};
VoiceVerdict judge_voice_close(CloseCode code);

/** "4006 (session no longer valid)", "no close code (connection cut)". */
std::string describe_close(CloseCode code, const char *meaning);

}  // namespace dv::voice
