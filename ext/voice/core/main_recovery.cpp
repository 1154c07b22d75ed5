// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>

#include "ext/voice/core/main_impl.hpp"

namespace dv::voice {
namespace {

constexpr std::uint32_t kStartupConnectTries = 3;
constexpr Time kRateLimitPause = 5s;

}  // namespace

void MainGateway::Impl::forget_session() {
  session_.reset();
  seq_.reset();
  resume_tries_ = 0;
}

/** The session's socket is gone; says so once per outage. */
void MainGateway::Impl::lost(const std::string &why, Time now) {
  backoff_.on_unhealthy(now);
  last_failure_ = why;
  beat_at_ = kNever;
  deadline_ = kNever;
  if (!ever_ready_ || told_lost_) return;
  told_lost_ = true;
  notify_all([&]() -> GuildEvent { return MainLost{why}; });
}

void MainGateway::Impl::retry(Time delay, Time now) {
  state_ = State::waiting;
  connect_at_ = now + delay;
  // Without a session an Identify is what the connection is for: no use in opening it long before.
  if (!session_) connect_at_ = std::max(connect_at_, identify_at(now));
}

void MainGateway::Impl::lose_and_resume(const std::string &why, Time now) {
  drop(kCloseToResume);
  lost(why, now);
  retry(backoff_.after_failure(now), now);
}

void MainGateway::Impl::on_closed(CloseCode code, Time now) {
  if (!socket_open()) return;
  const MainVerdict verdict = judge_main_close(code);
  const std::string why =
      "the main gateway closed the connection: " + describe_close(code, verdict.meaning);
  if (verdict.reaction == MainReaction::fatal) {
    fail(verdict.failure, "The main gateway refused the bot: " +
                              describe_close(code, verdict.meaning) + ". " + verdict.advice);
    return;
  }
  lost(why, now);
  if (verdict.reaction != MainReaction::resume) forget_session();
  Time delay = backoff_.after_failure(now);
  if (verdict.reaction == MainReaction::slow_new_session) delay += kRateLimitPause;
  retry(delay, now);
}

void MainGateway::Impl::on_connect_failed(const ConnectFailure &failure, Time now) {
  if (state_ != State::connecting) return;
  stats_.connect_failures++;
  connect_failures_++;
  const std::string why = "connecting to the main gateway failed: " + describe(failure);
  lost(why, now);
  const bool bad_certificate = failure.kind == ConnectFailureKind::tls;
  if (!ever_ready_ && (bad_certificate || connect_failures_ >= kStartupConnectTries)) {
    fail(startup_failure(failure),
         bad_certificate
             ? "The main gateway's certificate is not accepted, nothing was sent: " +
                   describe(failure) + ". For a private certificate authority set ca-file."
             : "The main gateway " + config_.url.substr(0, 200) + " can not be reached: " +
                   describe(failure) + ". Check the network and the gateway URL.");
    return;
  }
  retry(backoff_.after_connect_failure(now), now);
}

MainFailed::Kind MainGateway::Impl::startup_failure(const ConnectFailure &failure) const {
  return failure.kind == ConnectFailureKind::tls ? MainFailed::Kind::tls
                                                 : MainFailed::Kind::connect;
}

void MainGateway::Impl::on_invalid_session(bool resumable, Time now) {
  drop(kCloseToResume);
  lost(resumable ? "the main gateway asks to resume" : "the main gateway's session is invalid",
       now);
  if (!resumable) forget_session();
  // Between one and five seconds by chance is what Discord asks for.
  const Time pause = 1s + Time(static_cast<Time::rep>(4e9 * random_()));
  retry(std::max(pause, backoff_.after_failure(now)), now);
}

void MainGateway::Impl::fail(MainFailed::Kind kind, const std::string &text) {
  if (socket_open() || state_ == State::connecting) drop(kCloseForGood);
  state_ = State::failed;
  deadline_ = connect_at_ = beat_at_ = kNever;
  failure_ = MainFailed{kind, text};
  notify_all([&]() -> GuildEvent { return *failure_; });
}

}  // namespace dv::voice
