// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "ext/voice/core/voice_connection.hpp"
#include "ext/voice/net/main_session.hpp"
#include "ext/voice/net/udp.hpp"

namespace dv::voice {

struct SessionConfig {
  VoiceConfig voice;
  MainKey main;                              ///< not used in hand-over mode, but for the trust
  std::shared_ptr<MainSessions> sessions{};  ///< where the main session is looked for, likewise
  int udp_buffer_size = 0;                   ///< bytes; 0: the system's default
  std::shared_ptr<OpenProgress> progress{};  ///< told by whoever opens the packets, if anybody
};

/** Copied out after each event, so that a reader never waits for the loop. */
struct SessionSnapshot {
  VoiceStats voice;
  MainStats main;
  std::string state = "idle";
  ChannelId channel = 0;
  SessionId session = 0;
  std::uint64_t socket_drops = 0;
  std::uint64_t socket_errors = 0;
  std::uint64_t socket_buffer = 0;  ///< bytes
};

/**
 * What the session tells its owner. All but `media` on the loop, without a lock; none of them may
 * wait for the loop.
 */
class SessionOwner {
 public:
  virtual ~SessionOwner() = default;
  virtual void report(Report report) = 0;
  virtual void keys(KeyUpdate update) = 0;
  /** Hand-over mode: a payload that the bot should send on its main gateway. */
  virtual void gateway_payload(const std::string &json) = 0;
  /** On the receive thread: RTP and RTCP of one receive call. False: nobody wants them now. */
  virtual bool media(SessionId session, std::span<const Datagram> datagrams) = 0;
};

/**
 * The I/O around one VoiceConnection: voice gateway, UDP socket, timer, and the way to the main
 * gateway. Made, used and destroyed on the loop.
 */
class VoiceSession : public std::enable_shared_from_this<VoiceSession> {
 public:
  VoiceSession(NetLoop &loop, SessionConfig config, SessionOwner &owner);
  ~VoiceSession();

  /** What goes wrong is told by a report, also inside this call. */
  void start();
  /**
   * Leaves the channel; `done` is called on the loop when the goodbyes are answered, at the latest
   * after `limit`. Only the first call counts.
   */
  void leave(Time limit, std::function<void()> done);
  void hand_over(HandOver update);
  /** Sessions whose keys are still held; to be ended once the data has drained. */
  std::vector<SessionId> unfinished_sessions() const { return machine_.unfinished_sessions(); }

  /** Any thread. */
  SessionSnapshot snapshot() const;

 private:
  void settle();
  void perform(VoiceAction &action);
  void connect_voice(const std::string &url);
  void open_udp(const OpenUdp &wanted);
  void received(SessionId session, std::uint64_t generation, std::span<const Datagram> datagrams);
  void watch_media();
  void close_voice(std::uint16_t code);
  void join(const JoinChannel &wanted);
  void leave_channel();
  void tell(Report report);
  void detach();
  void goodbye_answered();
  void publish();
  /** A callback that finds the session gone does nothing. */
  template <class F>
  auto safely(F act);

  NetLoop &loop_;
  SessionConfig config_;
  SessionOwner &owner_;
  GTlsDatabase *trust_ = nullptr;
  std::string trust_error_;
  VoiceConnection machine_;
  LoopTimer timer_;
  std::shared_ptr<MainSession> main_;
  std::unique_ptr<WebSocket> socket_;
  std::unique_ptr<UdpSocket> udp_;
  const std::shared_ptr<UdpSocket::Counters> udp_counters_ =
      std::make_shared<UdpSocket::Counters>();
  std::vector<std::function<void()>> after_;  // answers to actions, once the rest of them is done
  std::uint64_t udp_generation_ = 0;
  Time last_hint_{};          // receive thread only
  std::uint64_t opened_ = 0;  // as of the last look
  bool leaving_ = false;
  Time limit_ = 1s;
  int goodbyes_ = 0;  // not answered yet
  std::function<void()> left_;

  mutable std::mutex mutex_;  // guards the snapshot only
  SessionSnapshot snapshot_;
};

}  // namespace dv::voice
