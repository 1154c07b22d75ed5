// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>

#include "ext/voice/core/close_codes.hpp"
#include "ext/voice/core/guild_cache.hpp"
#include "ext/voice/core/main_gateway.hpp"
#include "ext/voice/core/main_messages.hpp"
#include "ext/voice/core/pacing.hpp"

namespace dv::voice {

/**
 * main_gateway.cpp: the socket's life and time; main_recovery.cpp: what to do after a loss;
 * main_dispatch.cpp: events; main_requests.cpp: ops 4 and 8.
 */
class MainGateway::Impl {
 public:
  Impl(MainConfig config, Random random);

  void start(Time now);
  void stop();
  void on_open(Time now);
  void on_text(std::string_view text, Time now);
  void on_closed(CloseCode code, Time now);
  void on_connect_failed(const ConnectFailure &failure, Time now);
  void attach(GuildId guild, ChannelId channel, Time now);
  void detach(GuildId guild);
  void join(GuildId guild, ChannelId channel, bool self_mute, bool self_deaf, Time now);
  void leave(GuildId guild, Time now);
  void request_members(GuildId guild, const std::vector<UserId> &users, Time now);
  void advance(Time now);
  Time next_wakeup() const;

  MainConfig config_;
  Random random_;
  std::vector<MainAction> actions_;
  MainStats stats_;
  UserId self_ = 0;
  bool attached(GuildId guild) const { return watched_.count(guild) != 0; }
  bool failed() const { return state_ == State::failed; }

 private:
  enum class State : std::uint8_t {
    idle,
    waiting,     ///< for `connect_at_`
    connecting,  ///< socket asked for
    greeting,    ///< open, Hello is due
    holding,     ///< Hello came, the Identify budget makes us wait
    identifying,
    resuming,
    ready,
    stopped,
    failed,
  };
  struct Session {
    Secret id;
    std::string resume_url;
  };
  struct Join {
    ChannelId channel = 0;
    bool self_mute = true;
    bool self_deaf = false;
  };
  /** What is still to be sent for a guild: a leave, a join, or one after the other. */
  struct Pending {
    bool leave = false;
    std::optional<Join> join;
  };
  struct Watched {
    ChannelId channel = 0;
    bool told_ready = false;
    Time unlisted_deadline = kNever;  ///< for a guild that READY did not name
    std::set<UserId> unnamed;         ///< to be asked for by op 8
    Time members_at{};                ///< no earlier than this
  };

  // The socket.
  void connect(Time now);
  void send(Secret text, Time now);
  void beat(Time now);
  void drop(std::uint16_t code);
  bool socket_open() const;
  void on_hello(Time interval, Time now);
  Time identify_at(Time now) const;
  void authenticate(Time now);
  void send_identify(Time now);
  void check_deadline(Time now);
  void check_heartbeat(Time now);

  // Recovery.
  void lost(const std::string &why, Time now);
  void retry(Time delay, Time now);
  void forget_session();
  void lose_and_resume(const std::string &why, Time now);
  void on_invalid_session(bool resumable, Time now);
  void fail(MainFailed::Kind kind, const std::string &text);
  MainFailed::Kind startup_failure(const ConnectFailure &failure) const;

  // Events.
  void handle(main_msg::Body &body, Time now);
  void on_ready(main_msg::Ready &ready, Time now);
  void on_resumed(Time now);
  void on_guild_create(const main_msg::GuildCreate &guild);
  void on_guild_delete(const main_msg::GuildDelete &guild);
  void on_voice_state(main_msg::VoiceStateUpdate &update);
  void on_voice_server(main_msg::VoiceServerUpdate &update);
  void on_members(const main_msg::Members &members);
  void tell_ready(GuildId guild, Watched &watched, bool new_session);
  void tell_names(GuildId guild);
  void check_unlisted(Time now);
  void notify(GuildId guild, GuildEvent event);
  void notify_all(const std::function<GuildEvent()> &make);

  // Requests.
  void flush(Time now);
  void send_pending(GuildId guild, Pending &pending, Time now);
  void send_member_requests(Time now);
  Time next_request() const;

  State state_ = State::idle;
  std::optional<Session> session_;
  std::optional<std::uint64_t> seq_;
  GuildCache cache_;
  std::map<GuildId, Watched> watched_;
  std::map<GuildId, Pending> pending_;
  std::deque<GuildId> pending_order_;
  Backoff backoff_;
  SendBudget sends_;
  std::string last_failure_;
  std::optional<MainFailed> failure_;

  Time started_{};
  bool ever_ready_ = false;
  bool told_lost_ = false;
  bool own_ids_match_ = false;  ///< own voice states carry the id of this session, as they should
  std::uint32_t resume_tries_ = 0;
  std::uint32_t connect_failures_ = 0;  ///< in a row
  Time connect_at_ = kNever;
  Time deadline_ = kNever;  ///< of the state: connect, Hello, READY, RESUMED

  Time interval_{};
  Time beat_at_ = kNever;
  bool acked_ = true;
};

}  // namespace dv::voice
