// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ext/wire/bytes.hpp"
#include "ext/wire/ids.hpp"

namespace dv::voice {

/**
 * The control traffic of the voice server's UDP port: IP discovery (a request every half second,
 * twelve tries), then a ping at once, every 5 s, and when packets stop coming. It keeps NAT and
 * server sending and tells whether the path is alive. Each ping comes with another discovery
 * request: a NAT that has changed its mind lets pings through, while the server goes on sending to
 * the old address.
 */
class UdpLink {
 public:
  enum class Event : std::uint8_t {
    none,
    discovered,
    discovery_failed,
    pong,
    path_dead,
    address_changed,
  };
  struct Address {
    std::string ip;
    std::uint16_t port = 0;
    bool operator==(const Address &) const = default;
  };

  void discover(Ssrc ssrc, Time now);
  void start_pings(Time now);
  /** Out of turn, for the watchdog. */
  void ping(Time now);
  void stop();

  /**
   * `address_changed`: two answers half a second apart name the same other address, and no packet
   * came in between.
   */
  Event on_datagram(ByteView datagram, Time now);
  /** Packets arrive: a sign of life. */
  void on_media(Time now);
  /** `path_dead`: three pings in a row unanswered by a server that has answered before, and no
   * packets; told with each further ping. */
  Event advance(Time now);
  Time next_wakeup() const { return std::min(next_, probe_at_); }
  std::vector<Bytes> take_datagrams() { return std::exchange(out_, {}); }

  const Address &address() const { return address_; }
  Time rtt() const { return rtt_; }
  bool answers() const { return answered_; }
  std::uint64_t pings() const { return pings_; }
  std::uint64_t pongs() const { return pongs_; }
  /** Datagrams that answered nothing that was asked. */
  std::uint64_t unexpected() const { return unexpected_; }

 private:
  enum class Phase : std::uint8_t { stopped, discovering, discovered, pinging };
  void request();
  Event on_address(Address address, Time now);
  /** Nothing: it answers nothing that was asked. */
  std::optional<Event> answer(ByteView datagram, Time now);

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
  Time probe_at_ = kNever;  // a ping out of turn
  Time media_at_{};
  bool asked_ = false;            // for the address, while pinging
  std::optional<Address> other_;  // it may have become this one
  Time other_since_{};
  std::uint64_t pings_ = 0;  // over all sessions
  std::uint64_t pongs_ = 0;
  std::uint64_t unexpected_ = 0;
  std::vector<Bytes> out_;
};

}  // namespace dv::voice
