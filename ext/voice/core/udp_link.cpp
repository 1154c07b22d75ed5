// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/voice/core/udp_link.hpp"

#include "ext/wire/udp_control.hpp"

namespace dv::voice {
namespace {

constexpr Time kDiscoveryTimeout = 1s;
constexpr std::uint32_t kDiscoveryTries = 6;
constexpr Time kPingInterval = 5s;
constexpr std::uint32_t kDeadAfter = 3;

}  // namespace

void UdpLink::request() {
  const auto datagram = encode_discovery_request(ssrc_);
  out_.emplace_back(datagram.begin(), datagram.end());
  tries_++;
}

void UdpLink::discover(Ssrc ssrc, Time now) {
  phase_ = Phase::discovering;
  ssrc_ = ssrc;
  tries_ = 0;
  unanswered_ = 0;
  answered_ = false;
  request();
  next_ = now + kDiscoveryTimeout;
}

void UdpLink::start_pings(Time now) {
  phase_ = Phase::pinging;
  unanswered_ = 0;
  ping(now);
  next_ = now + kPingInterval;
}

void UdpLink::ping(Time now) {
  if (phase_ != Phase::pinging) return;
  sequence_++;
  sent_at_[sequence_ % sent_at_.size()] = now;
  const auto datagram = encode_ping(sequence_);
  out_.emplace_back(datagram.begin(), datagram.end());
  unanswered_++;
  pings_++;
}

void UdpLink::stop() {
  phase_ = Phase::stopped;
  next_ = kNever;
}

UdpLink::Event UdpLink::on_datagram(ByteView datagram, Time now) {
  if (phase_ == Phase::discovering) {
    auto answer = decode_discovery_response(datagram);
    if (!answer || answer->ssrc != ssrc_ || answer->port == 0) return Event::none;
    address_ = {std::move(answer->address), answer->port};
    phase_ = Phase::discovered;
    next_ = kNever;
    return Event::discovered;
  }
  const auto sequence = decode_ping_reply(datagram);
  if (phase_ != Phase::pinging || !sequence) return Event::none;
  const std::uint32_t age = sequence_ - *sequence;
  if (age >= sent_at_.size() || *sequence == 0) return Event::none;
  rtt_ = now - sent_at_[*sequence % sent_at_.size()];
  unanswered_ = 0;
  answered_ = true;
  pongs_++;
  return Event::pong;
}

UdpLink::Event UdpLink::advance(Time now) {
  if (now < next_) return Event::none;
  if (phase_ == Phase::discovering) {
    if (tries_ >= kDiscoveryTries) {
      stop();
      return Event::discovery_failed;
    }
    request();
    next_ = now + kDiscoveryTimeout;
    return Event::none;
  }
  if (phase_ != Phase::pinging) {
    next_ = kNever;
    return Event::none;
  }
  const bool dead = answered_ && unanswered_ >= kDeadAfter;
  if (dead) answered_ = false;
  ping(now);
  next_ = now + kPingInterval;
  return dead ? Event::path_dead : Event::none;
}

}  // namespace dv::voice
