// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/voice/core/udp_link.hpp"

#include "ext/wire/udp_control.hpp"

namespace dv::voice {
namespace {

constexpr Time kDiscoveryTimeout = 500ms;
constexpr std::uint32_t kDiscoveryTries = 12;
/** People pause for longer than that, networks rarely lose so many packets in a row. */
constexpr Time kMediaPause = 500ms;
constexpr Time kConfirmAfter = 500ms;
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
  media_at_ = Time{};
  probe_at_ = kNever;
  other_.reset();
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
  request();
  asked_ = true;
}

void UdpLink::stop() {
  phase_ = Phase::stopped;
  next_ = probe_at_ = kNever;
}

void UdpLink::on_media(Time now) {
  if (phase_ != Phase::pinging) return;
  unanswered_ = 0;
  media_at_ = now;
  probe_at_ = now + kMediaPause;
}

UdpLink::Event UdpLink::on_address(Address address, Time now) {
  asked_ = false;
  if (address == address_) {
    other_.reset();
    return Event::none;
  }
  if (other_ != address) {
    other_ = std::move(address);
    other_since_ = now;
    probe_at_ = now + kConfirmAfter;
    return Event::none;
  }
  if (media_at_ <= other_since_) return Event::address_changed;
  // The server has followed by itself.
  address_ = std::move(address);
  other_.reset();
  return Event::none;
}

UdpLink::Event UdpLink::on_datagram(ByteView datagram, Time now) {
  const auto event = answer(datagram, now);
  if (!event) unexpected_++;
  return event.value_or(Event::none);
}

std::optional<UdpLink::Event> UdpLink::answer(ByteView datagram, Time now) {
  if (phase_ == Phase::discovering) {
    auto answer = decode_discovery_response(datagram);
    if (!answer || answer->ssrc != ssrc_ || answer->port == 0) return std::nullopt;
    address_ = {std::move(answer->address), answer->port};
    phase_ = Phase::discovered;
    next_ = kNever;
    return Event::discovered;
  }
  if (phase_ != Phase::pinging) return std::nullopt;
  if (auto answer = decode_discovery_response(datagram)) {
    if (!asked_ || answer->ssrc != ssrc_ || answer->port == 0) return std::nullopt;
    return on_address({std::move(answer->address), answer->port}, now);
  }
  const auto sequence = decode_ping_reply(datagram);
  if (!sequence) return std::nullopt;
  const std::uint32_t age = sequence_ - *sequence;
  if (age >= sent_at_.size() || *sequence == 0) return std::nullopt;
  rtt_ = now - sent_at_[*sequence % sent_at_.size()];
  unanswered_ = 0;
  answered_ = true;
  pongs_++;
  return Event::pong;
}

UdpLink::Event UdpLink::advance(Time now) {
  if (now >= probe_at_) {
    probe_at_ = kNever;
    ping(now);
  }
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
  ping(now);
  next_ = now + kPingInterval;
  return dead ? Event::path_dead : Event::none;
}

}  // namespace dv::voice
