// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>

#include "ext/voice/core/voice_impl.hpp"

namespace dv::voice {
namespace {

constexpr Time kSessionEndDelay = 10s;
constexpr Time kSuspectDelay = 5s;
constexpr Time kResumeAnswer = 10s;
constexpr Time kResumeWindow = 60s;

}  // namespace

voice_msg::Credentials VoiceConnection::Impl::credentials() const {
  return {config_.guild, self_, used_session_id_.clone(), server_->token.clone()};
}

void VoiceConnection::Impl::make_dave() {
  dave_.reset();
  if (config_.max_dave_version == 0) return;
  dave::SessionConfig dave;
  dave.self = self_;
  dave.channel = channel_;
  dave.session = session_;
  dave.max_version = config_.max_dave_version;
  dave_ = config_.dave_factory ? config_.dave_factory(std::move(dave))
                               : make_dave_link(std::move(dave));
}

/** A new voice session with the newest credentials; whatever was before is over. */
void VoiceConnection::Impl::begin_connect(Time now) {
  drop_link(now);
  session_ = KeyStore::next_session_id();
  old_epochs_end_ = kNever;
  used_session_id_ = own_session_id_.clone();
  seq_ack_ = -1;
  server_ahead_until_ = Time{};
  make_dave();
  roster_.suspect_all();
  state_ = State::connecting;
  deadline_ = now + config_.timeout;
  open_socket(now);
}

void VoiceConnection::Impl::open_socket(Time) {
  retry_at_ = kNever;
  socket_ = Socket::connecting;
  actions_.push_back(ConnectVoice{voice_url(server_->endpoint)});
}

void VoiceConnection::Impl::send(Secret text) {
  if (socket_ == Socket::open) actions_.push_back(SendText{std::move(text)});
}

void VoiceConnection::Impl::drop_socket(std::uint16_t code) {
  heartbeat_.stop();
  retry_at_ = attempt_deadline_ = kNever;
  if (socket_ == Socket::closed) return;
  socket_ = Socket::closed;
  actions_.push_back(CloseVoice{code});
}

/** Socket, UDP and session; keys stay in force for what is still on its way. */
void VoiceConnection::Impl::drop_link(Time now) {
  drop_socket(kCloseToResume);
  if (udp_open_) actions_.push_back(CloseUdp{});
  udp_open_ = false;
  udp_.stop();
  watchdog_.stop();
  backoff_.on_unhealthy(now);
  note_service(now);
  identified_ = described_ = false;
  mode_.reset();
  udp_address_.reset();
  roster_at_ = kNever;
  if (session_ == 0) return;
  session_ends_.try_emplace(session_, Ending{now + kSessionEndDelay, ssrcs_.audio()});
  ssrcs_.start(0);
}

void VoiceConnection::Impl::on_open(Time now) {
  if (socket_ != Socket::connecting) return;
  socket_ = Socket::open;
  if (state_ == State::connecting) {
    identified_ = true;
    send(voice_msg::identify(credentials(), config_.max_dave_version));
  } else if (state_ == State::resuming) {
    resume_tries_++;
    attempt_deadline_ = now + kResumeAnswer;
    send(voice_msg::resume(credentials(), seq_ack_));
  }
}

void VoiceConnection::Impl::on_connect_failed(const ConnectFailure &failure, Time now) {
  if (socket_ != Socket::connecting) return;
  socket_ = Socket::closed;
  stats_.connect_failures++;
  if (failure.kind == ConnectFailureKind::tls && !ever_connected_) {
    end(EndReason::tls_failed, true,
        "The voice server's certificate is not accepted, nothing was sent: " + describe(failure) +
            ". For a private certificate authority set ca-file.");
    return;
  }
  // The server was not reached: the credentials are unused, and a resumable session still is one.
  const Time next = now + backoff_.after_connect_failure(now);
  const Time limit = state_ == State::resuming ? lost_since_ + kResumeWindow : deadline_;
  if (next < limit) {
    retry_at_ = next;
    return;
  }
  if (state_ == State::resuming) stats_.resume_failures++;
  begin_backoff("connecting to the voice server failed: " + describe(failure), now, false);
}

void VoiceConnection::Impl::on_hello(Time interval, Time now) { heartbeat_.start(interval, now); }

void VoiceConnection::Impl::on_ready(const voice_msg::Ready &ready, Time now) {
  if (state_ != State::connecting || mode_) return;
  if (!is_usable_udp_address(ready.ip, config_.loopback)) {
    protocol_failure("the voice server named an unusable UDP address", now);
    return;
  }
  if (ready.modes.empty()) {
    end(EndReason::no_encryption_mode, true,
        "The voice server offers no encryption mode that is known here. Install a newer version "
        "of the plugin.");
    return;
  }
  const bool preferred = std::count(ready.modes.begin(), ready.modes.end(), config_.preferred_mode);
  mode_ = preferred ? config_.preferred_mode : ready.modes.front();
  ssrc_ = ready.ssrc;
  ssrcs_.start(ssrc_);
  udp_address_.emplace(ready.ip, ready.port);
  udp_open_ = true;
  actions_.push_back(OpenUdp{session_, ready.ip, ready.port});
}

void VoiceConnection::Impl::on_discovered(Time) {
  if (state_ != State::connecting || !mode_) return;
  send(voice_msg::select_protocol(udp_.address().ip, udp_.address().port, *mode_));
}

void VoiceConnection::Impl::on_description(voice_msg::SessionDescription &description, Time now) {
  if (!mode_ || (state_ != State::connecting && state_ != State::ready)) return;
  if (description.mode != *mode_) {
    protocol_failure("the voice server chose another encryption mode than the one asked for", now);
    return;
  }
  actions_.push_back(
      Keys{TransportKeyUpdate{session_, description.mode, std::move(description.key)}});
  if (dave_) {
    apply(dave_->session_description(description.dave_version), now);
  } else {
    actions_.push_back(Keys{DaveUpdate{session_, 0, 0, {}}});
  }
  described_ = true;
  if (state_ == State::ready) return;
  send(voice_msg::speaking(0, ssrc_));
  udp_.start_pings(now);
  send_udp();
  state_ = State::ready;
  deadline_ = kNever;
  ready_since_ = now;
  roster_at_ = now + kSuspectDelay;
  last_chance_ = false;
  backoff_.on_healthy(now);
  watchdog_.start(true, now);
  stats_.sessions++;
  tell(Connected{session_, channel_, *mode_, description.dave_version, ever_connected_});
  ever_connected_ = true;
}

void VoiceConnection::Impl::on_resumed(Time now) {
  if (state_ != State::resuming) return;
  state_ = State::ready;
  deadline_ = attempt_deadline_ = kNever;
  resume_tries_ = 0;
  backoff_.on_healthy(now);
  watchdog_.start(false, now);
  // What took the socket away may have taken the address as well.
  udp_.ping(now);
  send_udp();
  stats_.resumes++;
  tell(Resumed{});
}

}  // namespace dv::voice
