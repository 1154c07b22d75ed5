// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ext/wire/bytes.hpp"
#include "ext/wire/ids.hpp"

namespace dv {

inline constexpr std::size_t kPingSize = 8;
inline constexpr std::uint32_t kPingMagic = 0x1337cafe;
inline constexpr std::uint32_t kPingReplyMagic = 0x1337f00d;

/** The official client's ping: keeps the NAT mapping and measures the round trip. */
std::array<std::uint8_t, kPingSize> encode_ping(std::uint32_t sequence);
std::array<std::uint8_t, kPingSize> encode_ping_reply(std::uint32_t sequence);
std::optional<std::uint32_t> decode_ping(ByteView datagram);
std::optional<std::uint32_t> decode_ping_reply(ByteView datagram);

inline constexpr std::size_t kDiscoverySize = 74;
inline constexpr std::uint16_t kDiscoveryRequest = 1;
inline constexpr std::uint16_t kDiscoveryResponse = 2;

struct IpDiscovery {
  Ssrc ssrc = 0;
  std::string address;  ///< a literal IPv4 or IPv6 address
  std::uint16_t port = 0;
};

std::array<std::uint8_t, kDiscoverySize> encode_discovery_request(Ssrc ssrc);
/** Own SSRC of a request; nullopt if the datagram is none. */
std::optional<Ssrc> decode_discovery_request(ByteView datagram);
/** An address of more than 63 characters is cut. */
std::array<std::uint8_t, kDiscoverySize> encode_discovery_response(const IpDiscovery &answer);
/** nullopt: wrong size or type, an address without end, or one that is no IP literal. */
std::optional<IpDiscovery> decode_discovery_response(ByteView datagram);

}  // namespace dv
