// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ext/crypto/key_store.hpp"
#include "ext/voice/core/guild_events.hpp"
#include "ext/voice/core/reports.hpp"
#include "ext/voice/core/types.hpp"

namespace dv::dave {
struct SessionConfig;
}

namespace dv::voice {

class DaveLink;

struct VoiceConfig {
  GuildId guild = 0;
  ChannelId channel = 0;
  UserId self = 0;  ///< needed in hand-over mode, otherwise it comes with `GuildReady`
  bool self_mute = true;
  bool self_deaf = false;
  bool follow = true;      ///< go on in the channel a moderator moves the bot to
  bool hand_over = false;  ///< credentials come from outside; there is no main gateway here
  bool loopback = false;   ///< `is_loopback_url(gateway url)`: loopback endpoints are allowed
  /** Taken where the server offers it, else the other one. */
  TransportMode preferred_mode = TransportMode::aes256_gcm_rtpsize;
  std::uint16_t max_dave_version = 1;
  /** For the answer to a join, and again for the whole handshake. */
  Time timeout = 20s;
  /** The shell reports opened packets with `on_rtp_opened`, so that their absence means something.
   */
  bool watch_opened = false;
  /** Nothing: the real DAVE session. */
  std::function<std::unique_ptr<DaveLink>(dave::SessionConfig)> dave_factory;
};

/**
 * What the shell has to do, in order. After `CloseVoice` or `ConnectVoice` nothing of the WebSocket
 * of before may be reported, after `CloseUdp` or `OpenUdp` nothing of the UDP socket of before.
 */
struct ConnectVoice {
  std::string url;
};
struct SendText {
  Secret text;
};
struct SendBinary {
  Bytes payload;
};
struct CloseVoice {
  std::uint16_t code = kCloseForGood;
};
/** A connected UDP socket; its datagrams belong to `session`. Answer: on_udp_open / on_udp_failed.
 */
struct OpenUdp {
  SessionId session = 0;
  std::string ip;
  std::uint16_t port = 0;
};
struct SendUdp {
  Bytes datagram;
};
struct CloseUdp {};
/** Op 4 on the main gateway (or the payload for the bot in hand-over mode). */
struct JoinChannel {
  ChannelId channel = 0;
  bool self_mute = true;
  bool self_deaf = false;
};
struct LeaveChannel {};
struct WantNames {
  std::vector<UserId> users;
};
/** To be published in the key store, in order with the datagrams. */
struct Keys {
  KeyUpdate update;
};
struct Tell {
  Report report;
};
using VoiceAction = std::variant<ConnectVoice, SendText, SendBinary, CloseVoice, OpenUdp, SendUdp,
                                 CloseUdp, JoinChannel, LeaveChannel, WantNames, Keys, Tell>;

struct VoiceStats {
  std::uint64_t sessions = 0;  ///< voice Identify answered with a Session Description
  std::uint64_t resumes = 0;   ///< accepted
  std::uint64_t resume_failures = 0;
  std::uint64_t connect_failures = 0;
  std::uint64_t missed_acks = 0;
  std::uint64_t bad_messages = 0;
  std::uint64_t unknown_opcodes = 0;
  std::uint64_t pings = 0;
  std::uint64_t pongs = 0;
  std::uint64_t udp_unexpected = 0;  ///< control datagrams that answered nothing that was asked
  std::uint64_t heal_pings = 0;
  std::uint64_t heal_resumes = 0;
  std::uint64_t heal_sessions = 0;
  std::uint64_t dave_transitions = 0;
  std::uint64_t dave_invalid = 0;  ///< op 31 sent
  Time rtt{};                      ///< of the last answered UDP ping
  Time gateway_rtt{};              ///< of the last heartbeat of the voice gateway
};

/**
 * The voice session of one guild, from the join to the end, over any number of losses. Plain state
 * machine: no socket, clock or thread. All calls come from one thread, with a `now` that never goes
 * back; after each call the shell drains `take_actions()` and looks at `next_wakeup()`. The last
 * action ever is `Tell{Ended}`.
 */
class VoiceConnection {
 public:
  VoiceConnection(VoiceConfig config, Random random);
  ~VoiceConnection();
  VoiceConnection(const VoiceConnection &) = delete;
  VoiceConnection &operator=(const VoiceConnection &) = delete;

  /** Waits for `GuildReady`, then joins. In hand-over mode waits for the credentials. */
  void start(Time now);
  /** Leaves the channel: op 4 null, close 1000, UDP closed, `Ended{left}`. All within this call. */
  void leave(Time now);

  void on_guild_event(GuildEvent event, Time now);
  void on_hand_over(HandOver update, Time now);

  void on_voice_open(Time now);
  void on_voice_text(std::string_view text, Time now);
  void on_voice_binary(ByteView frame, Time now);
  void on_voice_closed(CloseCode code, std::string_view reason, Time now);
  void on_voice_connect_failed(const ConnectFailure &failure, Time now);

  void on_udp_open(Time now);
  void on_udp_failed(std::string_view text, Time now);
  /** Datagrams that are neither RTP nor RTCP (`is_control_datagram`). */
  void on_udp_control(ByteView datagram, Time now);

  /** Hints for the watchdog; cheap, once per batch is enough. */
  void on_rtp_received(Time now);  ///< payload type 120 only: video never opens
  void on_rtp_opened(Time now);
  /** As `VoiceConfig::watch_opened`, once it turns out. */
  void watch_opened();
  /** More than 36 packets of members in a row failed to open: the DAVE group is broken. */
  void on_media_broken(Time now);

  void advance(Time now);
  Time next_wakeup() const;
  std::vector<VoiceAction> take_actions();

  bool ended() const;
  /** Kebab-case: "idle", "joining", "connecting", "ready", "resuming", "waiting", "back-off",
   * "ended". */
  const char *state_name() const;
  ChannelId channel() const;
  SessionId session() const;
  /** As of now; empty name when not known. */
  Member member(UserId user) const;
  VoiceStats stats() const;
  /**
   * Voice sessions whose `SessionEndUpdate` has not been given out. An old one ends by itself 10 s
   * after it was replaced; after `Ended` the shell publishes the rest, once the data has drained.
   */
  std::vector<SessionId> unfinished_sessions() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/** Keepalive answers and discovery answers; never RTP or RTCP. */
bool is_control_datagram(ByteView datagram);

}  // namespace dv::voice
