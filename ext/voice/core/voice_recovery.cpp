// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>

#include "ext/voice/core/voice_impl.hpp"

namespace dv::voice {
namespace {

constexpr Time kVerdictTimeout = 10s;
constexpr Time kResumeTimeout = 60s;
constexpr Time kGoodService = 60s;

}  // namespace

void VoiceConnection::Impl::on_closed(CloseCode code, Time now) {
  const bool by_peer = socket_ == Socket::open;
  socket_ = Socket::closed;
  heartbeat_.stop();
  attempt_deadline_ = kNever;
  if (state_ != State::connecting && state_ != State::ready && state_ != State::resuming) return;
  const VoiceVerdict verdict = judge_voice_close(code);
  const std::string why =
      by_peer ? "the voice gateway closed the connection: " + describe_close(code, verdict.meaning)
              : std::string("the voice gateway did not answer heartbeats");
  switch (verdict.reaction) {
    case VoiceReaction::resume:
      if (state_ == State::ready) {
        begin_resume(why, now);
      } else if (state_ == State::resuming) {
        retry_resume(why, now);
      } else {
        begin_backoff(why, now);
      }
      break;
    case VoiceReaction::new_session:
      if (state_ == State::resuming) stats_.resume_failures++;
      begin_backoff(why, now);
      break;
    case VoiceReaction::new_session_few:
      if (spend_chance(verdict.chances, now)) {
        begin_backoff(why, now);
      } else {
        end(verdict.end, true,
            "The voice session in " + channel_text() + " was refused again: " +
                describe_close(code, verdict.meaning) + ". " + verdict.advice);
      }
      break;
    case VoiceReaction::wait_verdict:
      begin_verdict(code, verdict.meaning, now);
      break;
    case VoiceReaction::fatal:
      end(verdict.end, true,
          "The voice session in " + channel_text() +
              " was refused: " + describe_close(code, verdict.meaning) + ". " + verdict.advice);
      break;
  }
}

/** Before a session's time of service is forgotten. */
void VoiceConnection::Impl::note_service(Time now) {
  if (ready_since_ != kNever && now - ready_since_ >= kGoodService) spent_chances_ = 0;
  ready_since_ = kNever;
}

/** Some failures are forgiven, but only so many without good service in between. */
bool VoiceConnection::Impl::spend_chance(unsigned chances, Time now) {
  note_service(now);
  return spent_chances_++ < chances;
}

void VoiceConnection::Impl::protocol_failure(const std::string &why, Time now) {
  if (spend_chance(1, now)) {
    begin_backoff(why, now);
    return;
  }
  end(EndReason::protocol_error, true,
      "The voice session in " + channel_text() + " can not be used: " + why +
          ". Install a newer version of the plugin, or check the server.");
}

/** Media runs on: only the gateway's socket is new afterwards. */
void VoiceConnection::Impl::begin_resume(const std::string &why, Time now) {
  state_ = State::resuming;
  resume_tries_ = 0;
  lost_since_ = now;
  deadline_ = now + kResumeTimeout;
  backoff_.on_unhealthy(now);
  tell(Reconnecting{true, false, why});
  open_socket(now);
}

void VoiceConnection::Impl::retry_resume(const std::string &why, Time now) {
  if (resume_tries_ < kMaxResumeTries) {
    retry_at_ = now + backoff_.after_failure(now);
    return;
  }
  stats_.resume_failures++;
  begin_backoff(why, now);
}

void VoiceConnection::Impl::begin_backoff(const std::string &why, Time now, bool reached) {
  drop_link(now);
  state_ = State::backoff;
  deadline_ = now + (reached ? backoff_.after_failure(now) : backoff_.after_connect_failure(now));
  tell(Reconnecting{false, false, why});
}

/** The server sends to an address that is not ours any more; only a new session tells it ours. */
void VoiceConnection::Impl::on_address_changed(Time now) {
  if (state_ != State::ready) return;
  begin_backoff("this machine's address has changed on its way to the voice server", now);
  // Nobody else is in trouble, so haste harms nobody, unless the address never settles.
  if (now >= address_kept_until_) deadline_ = now;
  address_kept_until_ = now + kGoodService;
}

/** Leaving first is what makes the main gateway hand out fresh credentials. */
void VoiceConnection::Impl::leave_and_rejoin(Time now) {
  if (!main_up_) {
    state_ = State::backoff;
    deadline_ = kNever;
    return;
  }
  if (!in_voice_) {
    begin_join(now);
    return;
  }
  state_ = State::leaving;
  // The confirmation is due once the request is out, which the main gateway tells.
  leave_sent_ = false;
  deadline_ = kNever;
  actions_.push_back(LeaveChannel{});
  if (config_.hand_over) on_leave_sent(now);
}

void VoiceConnection::Impl::begin_verdict(CloseCode code, const char *meaning, Time now) {
  drop_link(now);
  state_ = State::verdict;
  verdict_code_ = code;
  deadline_ = now + kVerdictTimeout;
  tell(Reconnecting{false, false,
                    "the voice gateway closed the connection: " + describe_close(code, meaning) +
                        "; waiting for what the main gateway says"});
}

void VoiceConnection::Impl::verdict_expired(Time now) {
  if (!main_up_) {
    deadline_ = now + kVerdictTimeout;
    return;
  }
  if (verdict_code_ == CloseCode(4022)) {
    end(EndReason::call_terminated, false,
        "The call in " + channel_text() + " was ended for everybody.");
    return;
  }
  last_chance_ = true;
  leave_and_rejoin(now);
}

}  // namespace dv::voice
