// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/voice/core/voice_connection.hpp"

#include <algorithm>

#include "ext/voice/core/voice_impl.hpp"
#include "ext/wire/rtp.hpp"

namespace dv::voice {
namespace {

constexpr Time kGuildTimeout = 60s;

}  // namespace

VoiceConnection::Impl::Impl(VoiceConfig config, Random random)
    : config_(std::move(config)),
      watchdog_(config_.watch_opened),
      channel_(config_.channel),
      random_(std::move(random)),
      backoff_(random_),
      self_(config_.self) {}

std::string VoiceConnection::Impl::channel_text() const {
  return "channel " + std::to_string(channel_) + " of guild " + std::to_string(config_.guild);
}

void VoiceConnection::Impl::start(Time now) {
  if (state_ != State::idle) return;
  if (config_.hand_over) {
    main_up_ = true;
    state_ = State::joining;
    await_answer(now);
  } else {
    state_ = State::guild_wait;
    deadline_ = now + kGuildTimeout;
  }
}

void VoiceConnection::Impl::leave() { end(EndReason::left, false, "Left " + channel_text() + "."); }

/** All ends lead here. Keys of the last session stay until the shell has drained the data. */
void VoiceConnection::Impl::end(EndReason reason, bool fatal, std::string text) {
  if (state_ == State::ended) return;
  if (in_voice_) actions_.push_back(LeaveChannel{});
  in_voice_ = false;
  drop_socket(kCloseForGood);
  if (udp_open_) actions_.push_back(CloseUdp{});
  udp_open_ = false;
  udp_.stop();
  watchdog_.stop();
  deadline_ = retry_at_ = attempt_deadline_ = roster_at_ = kNever;
  state_ = State::ended;
  tell(Ended{reason, fatal, std::move(text)});
}

std::vector<SessionId> VoiceConnection::Impl::unfinished_sessions() const {
  std::vector<SessionId> sessions;
  for (const auto &[session, ending] : session_ends_) sessions.push_back(session);
  if (session_ != 0 && session_ends_.count(session_) == 0) sessions.push_back(session_);
  return sessions;
}

void VoiceConnection::Impl::check_session_ends(Time now) {
  for (auto it = session_ends_.begin(); it != session_ends_.end();) {
    if (now < it->second.at) {
      ++it;
      continue;
    }
    for (const auto &source : it->second.sources) {
      tell(Source{it->first, source.ssrc, roster_.member(source.user), false});
    }
    actions_.push_back(Keys{SessionEndUpdate{it->first}});
    if (session_ == it->first) session_ = 0;
    it = session_ends_.erase(it);
  }
}

void VoiceConnection::Impl::check_old_epochs(Time now) {
  if (now < old_epochs_end_) return;
  old_epochs_end_ = kNever;
  actions_.push_back(Keys{OldEpochsEndUpdate{session_}});
}

void VoiceConnection::Impl::send_udp() {
  for (Bytes &datagram : udp_.take_datagrams()) {
    actions_.push_back(SendUdp{std::move(datagram)});
  }
  stats_.pings = udp_.pings();
  stats_.pongs = udp_.pongs();
  stats_.udp_unexpected = udp_.unexpected();
}

void VoiceConnection::Impl::on_udp_open(Time now) {
  if (state_ != State::connecting || !udp_open_ || described_) return;
  udp_.discover(ssrc_, now);
  send_udp();
}

void VoiceConnection::Impl::on_udp_failed(std::string_view text, Time now) {
  if (!udp_open_) return;
  udp_open_ = false;
  udp_.stop();
  begin_backoff("the UDP socket failed: " + std::string(text), now);
}

void VoiceConnection::Impl::on_udp_control(ByteView datagram, Time now) {
  if (udp_open_) on_udp_event(udp_.on_datagram(datagram, now), now);
}

void VoiceConnection::Impl::on_udp_event(UdpLink::Event event, Time now) {
  switch (event) {
    case UdpLink::Event::none:
      break;
    case UdpLink::Event::discovered:
      on_discovered(now);
      break;
    case UdpLink::Event::discovery_failed:
      begin_backoff("the voice server does not answer over UDP", now, false);
      break;
    case UdpLink::Event::pong:
      stats_.rtt = udp_.rtt();
      watchdog_.on_pong(now);
      tell(PingRtt{udp_.rtt()});
      break;
    case UdpLink::Event::path_dead:
      // The gateway's socket may be fine, so a Resume would change nothing about the media path.
      if (state_ == State::ready) begin_backoff("the voice server stopped answering over UDP", now);
      break;
    case UdpLink::Event::address_changed:
      on_address_changed(now);
      break;
  }
  send_udp();
}

void VoiceConnection::Impl::on_rtp_received(Time now) {
  watchdog_.on_received(now);
  udp_.on_media(now);
}

void VoiceConnection::Impl::on_media_broken(Time now) {
  if (state_ != State::ready || !dave_) return;
  apply(dave_->media_broken(), now);
}

void VoiceConnection::Impl::check_watchdog(Time now) {
  if (state_ != State::ready || deaf_) return;
  const auto step = watchdog_.advance(now, udp_.answers());
  if (!step) return;
  static constexpr const char *kWhat = "somebody speaks and nothing that can be opened arrives";
  tell(Healing{*step, kWhat});
  switch (*step) {
    case HealStep::ping:
      stats_.heal_pings++;
      udp_.ping(now);
      send_udp();
      break;
    case HealStep::resume:
      stats_.heal_resumes++;
      drop_socket(kCloseToResume);
      begin_resume(kWhat, now);
      break;
    case HealStep::new_session:
      stats_.heal_sessions++;
      begin_backoff(kWhat, now);
      break;
  }
}

void VoiceConnection::Impl::check_roster(Time now) {
  if (now < roster_at_) return;
  roster_at_ = kNever;
  for (const UserId user : roster_.drop_suspects()) tell(SpeakerLeft{roster_.member(user)});
}

void VoiceConnection::Impl::check_deadline(Time now) {
  if (now < deadline_) return;
  deadline_ = kNever;
  switch (state_) {
    case State::guild_wait:
      end(EndReason::no_answer, true,
          "Guild " + std::to_string(config_.guild) +
              " did not become available on the main gateway. Check Discord's status page.");
      break;
    case State::joining:
      join_unanswered(now);
      break;
    case State::connecting:
      begin_backoff("the handshake with the voice server did not finish in time", now);
      break;
    case State::resuming:
      stats_.resume_failures++;
      begin_backoff("the voice session could not be resumed in time", now);
      break;
    case State::verdict:
      verdict_expired(now);
      break;
    case State::backoff:
      leave_and_rejoin(now);
      break;
    case State::leaving:
      begin_join(now);
      break;
    default:
      break;
  }
}

void VoiceConnection::Impl::advance(Time now) {
  if (state_ == State::ended) return;
  check_session_ends(now);
  check_old_epochs(now);
  switch (heartbeat_.advance(now)) {
    case Heartbeat::Event::beat:
      send(voice_msg::heartbeat(static_cast<std::uint64_t>(now / 1ms), seq_ack_));
      break;
    case Heartbeat::Event::dead:
      stats_.missed_acks++;
      drop_socket(kCloseToResume);
      on_closed(std::nullopt, now);
      break;
    case Heartbeat::Event::none:
      break;
  }
  if (udp_open_) on_udp_event(udp_.advance(now), now);
  apply(ssrcs_.advance(now));
  check_watchdog(now);
  if (now >= attempt_deadline_) {
    attempt_deadline_ = kNever;
    drop_socket(kCloseToResume);
    retry_resume("the voice gateway did not answer the Resume", now);
  }
  if (now >= retry_at_) open_socket(now);
  check_deadline(now);
  check_roster(now);
}

Time VoiceConnection::Impl::next_wakeup() const {
  if (state_ == State::ended || state_ == State::idle) return kNever;
  Time next = std::min({deadline_, retry_at_, attempt_deadline_, roster_at_, old_epochs_end_,
                        heartbeat_.next_wakeup(), ssrcs_.next_wakeup()});
  if (udp_open_) next = std::min(next, udp_.next_wakeup());
  if (state_ == State::ready && !deaf_) next = std::min(next, watchdog_.next_wakeup());
  for (const auto &[session, ending] : session_ends_) next = std::min(next, ending.at);
  return next;
}

VoiceConnection::VoiceConnection(VoiceConfig config, Random random)
    : impl_(std::make_unique<Impl>(std::move(config), std::move(random))) {}
VoiceConnection::~VoiceConnection() = default;

void VoiceConnection::start(Time now) { impl_->start(now); }
void VoiceConnection::leave(Time) { impl_->leave(); }
void VoiceConnection::on_guild_event(GuildEvent event, Time now) {
  if (!ended()) impl_->on_guild_event(event, now);
}
void VoiceConnection::on_hand_over(HandOver update, Time now) {
  if (!ended()) impl_->on_hand_over(update, now);
}
void VoiceConnection::on_voice_open(Time now) { impl_->on_open(now); }
void VoiceConnection::on_voice_text(std::string_view text, Time now) { impl_->on_text(text, now); }
void VoiceConnection::on_voice_binary(ByteView frame, Time now) { impl_->on_binary(frame, now); }
void VoiceConnection::on_voice_closed(CloseCode code, std::string_view, Time now) {
  impl_->on_closed(code, now);
}
void VoiceConnection::on_voice_connect_failed(const ConnectFailure &failure, Time now) {
  impl_->on_connect_failed(failure, now);
}
void VoiceConnection::on_udp_open(Time now) { impl_->on_udp_open(now); }
void VoiceConnection::on_udp_failed(std::string_view text, Time now) {
  impl_->on_udp_failed(text, now);
}
void VoiceConnection::on_udp_control(ByteView datagram, Time now) {
  impl_->on_udp_control(datagram, now);
}
void VoiceConnection::on_rtp_received(Time now) { impl_->on_rtp_received(now); }
void VoiceConnection::on_rtp_opened(Time) { impl_->watchdog_.on_opened(); }
void VoiceConnection::watch_opened() { impl_->watchdog_.watch_opened(); }
void VoiceConnection::on_media_broken(Time now) { impl_->on_media_broken(now); }
void VoiceConnection::advance(Time now) { impl_->advance(now); }
Time VoiceConnection::next_wakeup() const { return impl_->next_wakeup(); }
std::vector<VoiceAction> VoiceConnection::take_actions() {
  return std::exchange(impl_->actions_, {});
}
bool VoiceConnection::ended() const { return impl_->state_ == Impl::State::ended; }
ChannelId VoiceConnection::channel() const { return impl_->channel_; }
SessionId VoiceConnection::session() const { return impl_->session_; }
Member VoiceConnection::member(UserId user) const { return impl_->roster_.member(user); }
VoiceStats VoiceConnection::stats() const { return impl_->stats_; }
std::vector<SessionId> VoiceConnection::unfinished_sessions() const {
  return impl_->unfinished_sessions();
}

const char *VoiceConnection::state_name() const {
  switch (impl_->state_) {
    case Impl::State::idle:
      return "idle";
    case Impl::State::guild_wait:
    case Impl::State::joining:
      return "joining";
    case Impl::State::connecting:
      return "connecting";
    case Impl::State::ready:
      return "ready";
    case Impl::State::resuming:
      return "resuming";
    case Impl::State::verdict:
      return "waiting";
    case Impl::State::backoff:
    case Impl::State::leaving:
      return "back-off";
    case Impl::State::ended:
      break;
  }
  return "ended";
}

bool is_control_datagram(ByteView datagram) {
  switch (classify(datagram)) {
    case DatagramKind::ping_reply:
    case DatagramKind::keepalive_echo:
    case DatagramKind::discovery:
      return true;
    default:
      return false;
  }
}

}  // namespace dv::voice
