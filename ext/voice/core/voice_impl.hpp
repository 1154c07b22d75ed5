// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <map>
#include <memory>

#include "ext/voice/core/close_codes.hpp"
#include "ext/voice/core/dave_link.hpp"
#include "ext/voice/core/endpoint.hpp"
#include "ext/voice/core/heartbeat.hpp"
#include "ext/voice/core/pacing.hpp"
#include "ext/voice/core/roster.hpp"
#include "ext/voice/core/ssrc_table.hpp"
#include "ext/voice/core/udp_link.hpp"
#include "ext/voice/core/voice_connection.hpp"
#include "ext/voice/core/voice_messages.hpp"
#include "ext/voice/core/watchdog.hpp"

namespace dv::voice {

/**
 * voice_connection.cpp: the interface, time and ends; voice_join.cpp: what the main gateway tells;
 * voice_session.cpp: one voice session's socket and handshake; voice_events.cpp: its messages;
 * voice_recovery.cpp: what to do after a loss.
 */
class VoiceConnection::Impl {
 public:
  enum class State : std::uint8_t {
    idle,
    guild_wait,  ///< for `GuildReady`
    joining,     ///< for the own state and a server
    connecting,  ///< handshake
    ready,
    resuming,
    verdict,  ///< after 4014 or 4022: the main gateway tells what it meant
    backoff,
    leaving,  ///< op 4 null is out, its confirmation is due
    ended,
  };

  Impl(VoiceConfig config, Random random);

  // voice_connection.cpp
  void start(Time now);
  void leave();
  void advance(Time now);
  Time next_wakeup() const;
  void end(EndReason reason, bool fatal, std::string text);
  void on_udp_open(Time now);
  void on_udp_failed(std::string_view text, Time now);
  void on_udp_control(ByteView datagram, Time now);
  void on_rtp_received(Time now);
  void on_media_broken(Time now);
  std::vector<SessionId> unfinished_sessions() const;

  // voice_join.cpp
  void on_guild_event(GuildEvent &event, Time now);
  void on_hand_over(HandOver &update, Time now);

  // voice_session.cpp
  void on_open(Time now);
  void on_connect_failed(const ConnectFailure &failure, Time now);

  // voice_events.cpp
  void on_text(std::string_view text, Time now);
  void on_binary(ByteView frame, Time now);

  // voice_recovery.cpp
  void on_closed(CloseCode code, Time now);

  State state_ = State::idle;
  VoiceConfig config_;
  Roster roster_;
  Watchdog watchdog_;
  std::vector<VoiceAction> actions_;
  VoiceStats stats_;
  ChannelId channel_ = 0;
  SessionId session_ = 0;

 private:
  enum class Socket : std::uint8_t { closed, connecting, open };
  struct Server {
    Secret token;
    HostPort endpoint;
  };

  // voice_connection.cpp
  template <class R>
  void tell(R report) {
    actions_.push_back(Tell{std::move(report)});
  }
  void send_udp();
  void on_udp_event(UdpLink::Event event, Time now);
  void check_session_ends(Time now);
  void check_old_epochs(Time now);
  void check_deadline(Time now);
  void check_watchdog(Time now);
  void check_roster(Time now);
  std::string channel_text() const;

  // voice_join.cpp
  void begin_join(Time now);
  void await_answer(Time now);
  void join_unanswered(Time now);
  std::string unanswered_text() const;
  void on_guild_ready(const GuildReady &ready, Time now);
  void on_own_state(OwnVoiceState &state, Time now);
  void on_leave_sent(Time now);
  void on_own_null(Time now);
  void on_moved(ChannelId to, bool new_id, Time now);
  void on_server(VoiceServer &server, Time now);
  void on_server_gone(Time now);
  void on_main_back(Time now);
  void on_main_failed(const MainFailed &failed);
  void on_member(const Member &member);
  void connect_if_paired(Time now);

  // voice_session.cpp
  void begin_connect(Time now);
  void open_socket(Time now);
  void send(Secret text);
  void drop_socket(std::uint16_t code);
  void drop_link(Time now);
  voice_msg::Credentials credentials() const;
  void make_dave();
  void on_hello(Time interval, Time now);
  void on_ready(const voice_msg::Ready &ready, Time now);
  void on_discovered(Time now);
  void on_description(voice_msg::SessionDescription &description, Time now);
  void on_resumed(Time now);

  // voice_events.cpp
  void handle(voice_msg::Body &body, Time now);
  void on_speaking(const voice_msg::Speaking &speaking, Time now);
  void on_clients(const std::vector<UserId> &users, Time now);
  void on_video(const voice_msg::Video &video, Time now);
  void on_client_gone(UserId user, Time now);
  void enter(const std::vector<UserId> &users);
  void apply(const SsrcTable::Changes &changes);
  void apply(dave::Actions actions, Time now);
  bool session_live() const;

  // voice_recovery.cpp
  void begin_resume(const std::string &why, Time now);
  void retry_resume(const std::string &why, Time now);
  void begin_backoff(const std::string &why, Time now, bool reached = true);
  void begin_verdict(CloseCode code, const char *meaning, Time now);
  void verdict_expired(Time now);
  void leave_and_rejoin(Time now);
  void on_address_changed(Time now);
  void protocol_failure(const std::string &why, Time now);
  void note_service(Time now);
  bool spend_chance(unsigned chances, Time now);

  Random random_;
  Backoff backoff_;

  // Towards the main gateway.
  UserId self_ = 0;
  bool main_up_ = false;
  bool in_voice_ = false;   ///< op 4 is out: a leave is owed
  bool got_state_ = false;  ///< since the join
  bool got_server_ = false;
  bool asked_ = false;  ///< this wait began with an op 4 of ours
  /** Before that a null state can not be its confirmation. */
  bool leave_sent_ = false;
  /** Until then the state update that belongs to a server update unasked for may still follow. */
  Time server_ahead_until_{};
  Secret own_session_id_;
  std::optional<Server> server_;
  ChannelFacts facts_;
  bool deaf_ = false;
  std::uint32_t unanswered_ = 0;
  bool last_chance_ = false;  ///< the rejoin after a 4014 without explanation
  CloseCode verdict_code_;

  // The voice session.
  Socket socket_ = Socket::closed;
  bool udp_open_ = false;
  bool identified_ = false;
  bool described_ = false;
  bool ever_connected_ = false;
  Ssrc ssrc_ = 0;
  std::optional<TransportMode> mode_;
  std::optional<std::pair<std::string, std::uint16_t>> udp_address_;
  voice_msg::SeqAck seq_ack_ = -1;
  Secret used_session_id_;
  Heartbeat heartbeat_;
  UdpLink udp_;
  SsrcTable ssrcs_;
  std::unique_ptr<DaveLink> dave_;

  // Time.
  Time deadline_ = kNever;          ///< of the state
  Time retry_at_ = kNever;          ///< the socket is to be opened again
  Time attempt_deadline_ = kNever;  ///< of one Resume
  Time lost_since_{};
  Time roster_at_ = kNever;  ///< suspects have gone
  std::uint32_t resume_tries_ = 0;
  Time ready_since_ = kNever;
  unsigned spent_chances_ = 0;
  Time address_kept_until_{};  ///< a change of the own address before it is one of many
  /** A session that was replaced, and who was heard in it. */
  struct Ending {
    Time at{};
    SsrcTable::Changes sources;
  };
  std::map<SessionId, Ending> session_ends_;
  Time old_epochs_end_ = kNever;  ///< their keys are not wanted any more
};

}  // namespace dv::voice
