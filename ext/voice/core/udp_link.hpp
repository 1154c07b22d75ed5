// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ext/wire/bytes.hpp"
#include "ext/wire/ids.hpp"

namespace dv::voice {

/**
 * The control traffic of the voice server's UDP port: IP discovery (one request a second, six
 * tries), then a ping at once and every 5 s, which keeps NAT and server sending and tells whether
 * the path is alive.
 */
class UdpLink {
 public:
  enum class Event : std::uint8_t { none, discovered, discovery_failed, pong, path_dead };
  struct Address {
    std::string ip;
    std::uint16_t port = 0;
  };

  void discover(Ssrc ssrc, Time now);
  void start_pings(Time now);
  /** Out of turn, for the watchdog. */
  void ping(Time now);
  void stop();

  Event on_datagram(ByteView datagram, Time now);
  /** `path_dead`: three pings in a row unanswered by a server that has answered before; told once.
   */
  Event advance(Time now);
  Time next_wakeup() const { return next_; }
  std::vector<Bytes> take_datagrams() { return std::exchange(out_, {}); }

  const Address &address() const { return address_; }
  Time rtt() const { return rtt_; }
  bool answers() const { return answered_; }
  std::uint64_t pings() const { return pings_; }
  std::uint64_t pongs() const { return pongs_; }

 private:
  enum class Phase : std::uint8_t { stopped, discovering, discovered, pinging };
  void request();

  Phase phase_ = Phase::stopped;
  Ssrc ssrc_ = 0;
  std::uint32_t tries_ = 0;
  Address address_;
  std::uint32_t sequence_ = 0;
  std::array<Time, 8> sent_at_{};  // of the newest pings, by sequence
  std::uint32_t unanswered_ = 0;
  bool answered_ = false;
  Time rtt_{};
  Time next_ = kNever;
  std::uint64_t pings_ = 0;  // over all sessions
  std::uint64_t pongs_ = 0;
  std::vector<Bytes> out_;
};

}  // namespace dv::voice
