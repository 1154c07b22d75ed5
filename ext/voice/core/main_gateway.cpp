// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/voice/core/main_gateway.hpp"

#include <algorithm>

#include "ext/voice/core/endpoint.hpp"
#include "ext/voice/core/main_impl.hpp"

namespace dv::voice {
namespace {

constexpr Time kConnectTimeout = 30s;
constexpr Time kHelloTimeout = 20s;
constexpr Time kReadyTimeout = 20s;
constexpr Time kMinInterval = 250ms;

/** Bot tokens are printable ASCII; anything else would only be refused later, less clearly. */
bool is_plausible_token(std::string_view token) {
  if (token.empty() || token.size() > 512) return false;
  return std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c <= '~'; });
}

/** The prefix belongs to HTTP; people copy it along. */
Secret without_prefix(const Secret &token) {
  std::string_view text = token.text();
  if (text.starts_with("Bot ")) text.remove_prefix(4);
  return Secret::from_text(text);
}

}  // namespace

MainGateway::Impl::Impl(MainConfig config, Random random)
    : config_(std::move(config)), random_(std::move(random)), backoff_(random_) {
  config_.token = without_prefix(config_.token);
  if (!config_.budget) config_.budget = std::make_shared<IdentifyBudget>();
}

void MainGateway::Impl::start(Time now) {
  if (state_ != State::idle) return;
  started_ = now;
  if (!is_plausible_token(config_.token.text())) {
    fail(MainFailed::Kind::bad_token,
         "The bot token is missing or is not one; take it from the developer portal and set it "
         "through token-file, DISCORD_TOKEN or token.");
  } else if (!gateway_url(config_.url)) {
    fail(MainFailed::Kind::connect,
         "The gateway URL \"" + config_.url.substr(0, 200) +
             "\" can not be used; it must have the form wss://HOST[:PORT].");
  } else if (identify_at(now) > now + config_.startup_timeout) {
    fail(MainFailed::Kind::budget,
         "The bot has started nearly 1000 sessions within a day. Discord resets tokens that exceed "
         "this, so no further one is started; find what restarts it, and try again tomorrow.");
  } else {
    connect(now);
  }
}

Time MainGateway::Impl::identify_at(Time now) const {
  return config_.budget->earliest(now, stats_.identifies > 0);
}

void MainGateway::Impl::stop() {
  if (socket_open() || state_ == State::connecting) drop(kCloseForGood);
  if (state_ != State::failed) state_ = State::stopped;
  deadline_ = connect_at_ = beat_at_ = kNever;
}

bool MainGateway::Impl::socket_open() const {
  switch (state_) {
    case State::greeting:
    case State::holding:
    case State::identifying:
    case State::resuming:
    case State::ready:
      return true;
    default:
      return false;
  }
}

void MainGateway::Impl::connect(Time now) {
  const bool resume = session_.has_value();
  const std::string fallback = *gateway_url(config_.url);
  std::optional<std::string> url;
  // A resume host that can not be reached must not keep the session from its other doors.
  if (resume && connect_failures_ % 3 != 2) {
    url = resume_url(session_->resume_url, is_loopback_url(fallback));
  }
  state_ = State::connecting;
  connect_at_ = kNever;
  deadline_ = now + kConnectTimeout;
  actions_.push_back(MainConnect{url.value_or(fallback)});
}

void MainGateway::Impl::drop(std::uint16_t code) {
  actions_.push_back(MainClose{code});
  beat_at_ = kNever;
  deadline_ = kNever;
}

void MainGateway::Impl::send(Secret text, Time now) {
  sends_.note(now);
  stats_.sent++;
  actions_.push_back(MainSend{std::move(text)});
}

void MainGateway::Impl::on_open(Time now) {
  if (state_ != State::connecting) return;
  stats_.connects++;
  connect_failures_ = 0;
  sends_.reset();
  acked_ = true;
  beat_at_ = kNever;
  state_ = State::greeting;
  deadline_ = now + kHelloTimeout;
}

void MainGateway::Impl::on_hello(Time interval, Time now) {
  interval_ = std::max(interval, kMinInterval);
  acked_ = true;
  // Spread by chance, so that a restarted server does not get all first beats at once.
  beat_at_ = now + Time(static_cast<Time::rep>(static_cast<double>(interval_.count()) * random_()));
  if (state_ == State::greeting) authenticate(now);
}

void MainGateway::Impl::authenticate(Time now) {
  if (session_ && seq_ && resume_tries_ < kMaxResumeTries) {
    resume_tries_++;
    state_ = State::resuming;
    deadline_ = now + kReadyTimeout;
    send(main_msg::resume(config_.token, session_->id, *seq_), now);
    return;
  }
  forget_session();
  const Time at = identify_at(now);
  if (at > now) {
    state_ = State::holding;
    deadline_ = at;
    return;
  }
  send_identify(now);
}

void MainGateway::Impl::send_identify(Time now) {
  config_.budget->spend(now);
  stats_.identifies++;
  state_ = State::identifying;
  deadline_ = now + kReadyTimeout;
  send(main_msg::identify(config_.token), now);
}

void MainGateway::Impl::beat(Time now) { send(main_msg::heartbeat(seq_), now); }

void MainGateway::Impl::on_text(std::string_view text, Time now) {
  if (!socket_open()) return;
  auto message = main_msg::parse(text);
  if (!message || message->damaged) stats_.bad_messages++;
  if (!message) return;
  // The number first: an answer to this very message must already carry it.
  if (message->seq) seq_ = message->seq;
  handle(message->body, now);
  flush(now);
}

void MainGateway::Impl::check_heartbeat(Time now) {
  if (!socket_open() || now < beat_at_) return;
  if (!acked_) {
    stats_.zombies++;
    lose_and_resume("the main gateway did not answer a heartbeat", now);
    return;
  }
  acked_ = false;
  beat_at_ = now + interval_;
  beat(now);
}

void MainGateway::Impl::check_deadline(Time now) {
  if (now < deadline_) return;
  switch (state_) {
    case State::connecting:
      drop(kCloseToResume);
      on_connect_failed({ConnectFailureKind::timeout, 0, ""}, now);
      break;
    case State::greeting:
      lose_and_resume("the main gateway did not say Hello", now);
      break;
    case State::holding:
      deadline_ = kNever;
      authenticate(now);
      break;
    case State::identifying:
      lose_and_resume("the main gateway did not answer the Identify", now);
      break;
    case State::resuming:
      lose_and_resume("the main gateway did not answer the Resume", now);
      break;
    default:
      deadline_ = kNever;
      break;
  }
}

void MainGateway::Impl::advance(Time now) {
  if (state_ == State::waiting && now >= connect_at_) connect(now);
  check_deadline(now);
  check_heartbeat(now);
  check_unlisted(now);
  flush(now);
  const bool startup = !ever_ready_ && state_ != State::idle && state_ != State::stopped;
  if (startup && !failed() && now >= started_ + config_.startup_timeout) {
    fail(MainFailed::Kind::connect,
         "No session with the main gateway within the timeout" +
             (last_failure_.empty() ? std::string() : ": " + last_failure_) +
             ". Check the network, the gateway URL and Discord's status page.");
  }
}

Time MainGateway::Impl::next_wakeup() const {
  if (state_ == State::idle || state_ == State::stopped || failed()) return kNever;
  Time next = std::min({deadline_, beat_at_, next_request()});
  if (state_ == State::waiting) next = std::min(next, connect_at_);
  if (!ever_ready_) next = std::min(next, started_ + config_.startup_timeout);
  for (const auto &[guild, watched] : watched_) next = std::min(next, watched.unlisted_deadline);
  return next;
}

MainGateway::MainGateway(MainConfig config, Random random)
    : impl_(std::make_unique<Impl>(std::move(config), std::move(random))) {}
MainGateway::~MainGateway() = default;

void MainGateway::start(Time now) { impl_->start(now); }
void MainGateway::stop(Time) { impl_->stop(); }
void MainGateway::on_open(Time now) { impl_->on_open(now); }
void MainGateway::on_text(std::string_view text, Time now) { impl_->on_text(text, now); }
void MainGateway::on_closed(CloseCode code, std::string_view, Time now) {
  impl_->on_closed(code, now);
}
void MainGateway::on_connect_failed(const ConnectFailure &failure, Time now) {
  impl_->on_connect_failed(failure, now);
}
void MainGateway::attach(GuildId guild, ChannelId channel, Time now) {
  impl_->attach(guild, channel, now);
}
void MainGateway::detach(GuildId guild, Time) { impl_->detach(guild); }
bool MainGateway::attached(GuildId guild) const { return impl_->attached(guild); }
void MainGateway::join(GuildId guild, ChannelId channel, bool self_mute, bool self_deaf, Time now) {
  impl_->join(guild, channel, self_mute, self_deaf, now);
}
void MainGateway::leave(GuildId guild, Time now) { impl_->leave(guild, now); }
void MainGateway::request_members(GuildId guild, const std::vector<UserId> &users, Time now) {
  impl_->request_members(guild, users, now);
}
void MainGateway::advance(Time now) { impl_->advance(now); }
Time MainGateway::next_wakeup() const { return impl_->next_wakeup(); }
std::vector<MainAction> MainGateway::take_actions() { return std::exchange(impl_->actions_, {}); }
UserId MainGateway::self() const { return impl_->self_; }
bool MainGateway::failed() const { return impl_->failed(); }
MainStats MainGateway::stats() const { return impl_->stats_; }

}  // namespace dv::voice
