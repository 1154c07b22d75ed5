// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/wire/udp_control.hpp"

#include <arpa/inet.h>

#include <algorithm>

namespace dv {
namespace {

constexpr std::size_t kAddressOffset = 8;
constexpr std::size_t kAddressSize = 64;
constexpr std::size_t kPortOffset = 72;
constexpr std::uint16_t kDiscoveryLength = 70;

std::array<std::uint8_t, kPingSize> eight(std::uint32_t magic, std::uint32_t sequence) {
  std::array<std::uint8_t, kPingSize> out{};
  store_be32(out.data(), magic);
  store_be32(out.data() + 4, sequence);
  return out;
}

std::optional<std::uint32_t> eight(ByteView datagram, std::uint32_t magic) {
  if (datagram.size() != kPingSize || load_be32(datagram.data()) != magic) return std::nullopt;
  return load_be32(datagram.data() + 4);
}

bool discovery(ByteView datagram, std::uint16_t type) {
  return datagram.size() == kDiscoverySize && load_be16(datagram.data()) == type &&
         load_be16(datagram.data() + 2) == kDiscoveryLength;
}

std::array<std::uint8_t, kDiscoverySize> discovery_head(std::uint16_t type, Ssrc ssrc) {
  std::array<std::uint8_t, kDiscoverySize> out{};
  store_be16(out.data(), type);
  store_be16(out.data() + 2, kDiscoveryLength);
  store_be32(out.data() + 4, ssrc);
  return out;
}

bool is_ip_literal(const std::string &text) {
  in6_addr room;
  return inet_pton(AF_INET, text.c_str(), &room) == 1 ||
         inet_pton(AF_INET6, text.c_str(), &room) == 1;
}

}  // namespace

std::array<std::uint8_t, kPingSize> encode_ping(std::uint32_t sequence) {
  return eight(kPingMagic, sequence);
}
std::array<std::uint8_t, kPingSize> encode_ping_reply(std::uint32_t sequence) {
  return eight(kPingReplyMagic, sequence);
}
std::optional<std::uint32_t> decode_ping(ByteView datagram) { return eight(datagram, kPingMagic); }
std::optional<std::uint32_t> decode_ping_reply(ByteView datagram) {
  return eight(datagram, kPingReplyMagic);
}

std::array<std::uint8_t, kDiscoverySize> encode_discovery_request(Ssrc ssrc) {
  return discovery_head(kDiscoveryRequest, ssrc);
}

std::optional<Ssrc> decode_discovery_request(ByteView datagram) {
  if (!discovery(datagram, kDiscoveryRequest)) return std::nullopt;
  return load_be32(datagram.data() + 4);
}

std::array<std::uint8_t, kDiscoverySize> encode_discovery_response(const IpDiscovery &answer) {
  auto out = discovery_head(kDiscoveryResponse, answer.ssrc);
  const std::size_t n = std::min(answer.address.size(), kAddressSize - 1);
  std::copy_n(answer.address.begin(), n, out.begin() + kAddressOffset);
  store_be16(out.data() + kPortOffset, answer.port);
  return out;
}

std::optional<IpDiscovery> decode_discovery_response(ByteView datagram) {
  if (!discovery(datagram, kDiscoveryResponse)) return std::nullopt;
  const auto field = datagram.subspan(kAddressOffset, kAddressSize);
  const auto end = std::find(field.begin(), field.end(), std::uint8_t{0});
  if (end == field.end()) return std::nullopt;
  IpDiscovery result{load_be32(datagram.data() + 4), std::string(field.begin(), end),
                     load_be16(datagram.data() + kPortOffset)};
  if (!is_ip_literal(result.address)) return std::nullopt;
  return result;
}

}  // namespace dv
