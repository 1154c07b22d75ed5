// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "tests/server/loop.hpp"
#include "tests/server/room.hpp"
#include "tests/server/speaker.hpp"
#include "tests/server/voice_gateway.hpp"

namespace dv::server {

/** What is going on in one channel: real clients, virtual speakers, and media from all to all. */
class Call {
 public:
  Call(Core &core, GuildId guild, ChannelId channel);
  ~Call();
  Call(const Call &) = delete;
  Call &operator=(const Call &) = delete;

  // Virtual speakers
  Speaker *add_speaker(UserId user);
  bool remove_speaker(UserId user);
  Speaker *speaker(UserId user);
  const std::vector<std::unique_ptr<Speaker>> &speakers() const { return speakers_; }
  void start_speaking(Speaker &speaker, Time delay);
  /** SSRC changes as after a leave and rejoin: op 13, op 11, then op 5 before the next packet. */
  void change_ssrc(Speaker &speaker, Ssrc ssrc, bool rejoin);

  // Real clients
  void session_joined(VoiceSession &session);
  void session_described(VoiceSession &session);
  void session_speaking(VoiceSession &session, int flags);
  void session_left(VoiceSession &session);
  void client_rtp(VoiceSession &from, ByteView datagram);
  /** Binary messages: ops 26 and 28. */
  void client_binary(VoiceSession &session, std::uint8_t op, ByteView payload);
  /** Ops 23 and 31. */
  void client_transition(VoiceSession &session, int op, int transition);
  /** What op 4 tells: 0 if the call is not end-to-end encrypted now. */
  int dave_version(const VoiceSession &session) const;
  /** The delivery service; none if calls here are never end-to-end encrypted. */
  Room *room() { return room_.get(); }
  void send_json_to(UserId user, int op, const nlohmann::json &data);
  void send_binary_to(UserId user, std::uint8_t op, ByteView payload);
  /** Somebody got keys: some may be ready now. */
  void keys_changed();
  const std::vector<VoiceSession *> &sessions() const { return sessions_; }
  std::vector<UserId> present(UserId except) const;

  // Faults of the media port
  /** `kind`: as docs/test-server.md lists them. Gives the number sent. */
  std::size_t garbage(const std::string &kind, std::size_t count, std::uint64_t seed);
  void announce_video(Speaker &speaker, bool on);

 private:
  struct Packet;
  std::optional<Bytes> bad_datagram(const std::string &kind, VoiceSession &session, std::size_t n,
                                    std::mt19937_64 &random);
  void tick();
  void announce(const Speaker &speaker);
  void spoken(Speaker &speaker, const SpeakerFrame &frame, Time now);
  void release(Speaker &speaker, Time now);
  void send_packet(Speaker &speaker, const Packet &packet, Time now);
  void send_rtcp();
  void broadcast(int op, const nlohmann::json &data);
  void greet(VoiceSession &session);
  void tell_speaking(VoiceSession &session);
  void check_ready(VoiceSession &session);
  nlohmann::json speaking_json(UserId user, Ssrc ssrc) const;

  Core &core_;
  GuildId guild_;
  ChannelId channel_;
  std::unique_ptr<Room> room_;
  std::vector<VoiceSession *> sessions_;
  std::vector<std::unique_ptr<Speaker>> speakers_;
  std::map<UserId, std::deque<Packet>> held_;  // on their way, in order of speaking
  std::map<UserId, Ssrc> announced_;           // op 5 is out for these
  std::map<UserId, int> ahead_;                // packets sent before it
  std::map<UserId, bool> video_;
  std::map<UserId, Bytes> last_frame_;  // what the last packet of a speaker carried
  std::mt19937_64 random_;
  Loop::TimerId timer_ = 0, rtcp_timer_ = 0;
  bool started_ = false;
};

}  // namespace dv::server
