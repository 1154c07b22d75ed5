// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/wire/rtp.hpp"

#include <algorithm>

#include "ext/wire/udp_control.hpp"

namespace dv {
namespace {

constexpr std::uint8_t kFirstRtcpType = 192;
constexpr std::uint8_t kLastRtcpType = 223;

bool version_two(std::uint8_t first) { return first >> 6 == 2; }

}  // namespace

DatagramKind classify(ByteView datagram) {
  const std::size_t n = datagram.size();
  if (n == kPingSize)
    return load_be32(datagram.data()) == kPingReplyMagic ? DatagramKind::ping_reply
                                                         : DatagramKind::keepalive_echo;
  if (n == kDiscoverySize && load_be16(datagram.data()) == kDiscoveryResponse)
    return DatagramKind::discovery;
  if (n < kRtpFixedHeader || !version_two(datagram[0])) return DatagramKind::garbage;
  // The packet type is the whole byte; without its top bit it would be a payload type.
  const std::uint8_t type = datagram[1];
  return type >= kFirstRtcpType && type <= kLastRtcpType ? DatagramKind::rtcp : DatagramKind::rtp;
}

std::optional<RtpHeader> parse_rtp(ByteView datagram) {
  if (datagram.size() < kRtpFixedHeader || !version_two(datagram[0])) return std::nullopt;
  const std::uint8_t *p = datagram.data();
  RtpHeader h;
  h.padding = (p[0] & 0x20) != 0;
  h.extension = (p[0] & 0x10) != 0;
  h.csrc_count = p[0] & 0x0f;
  h.marker = (p[1] & 0x80) != 0;
  h.payload_type = p[1] & 0x7f;
  h.seq = load_be16(p + 2);
  h.timestamp = load_be32(p + 4);
  h.ssrc = load_be32(p + 8);
  h.clear_size = kRtpFixedHeader + std::size_t{4} * h.csrc_count;
  if (h.extension) {
    if (datagram.size() < h.clear_size + 4) return std::nullopt;
    h.extension_size = std::size_t{4} * load_be16(p + h.clear_size + 2);
    h.clear_size += 4;
  }
  if (datagram.size() < h.clear_size) return std::nullopt;
  return h;
}

std::optional<ByteView> rtp_payload(const RtpHeader &header, ByteView plain) {
  if (plain.size() < header.extension_size) return std::nullopt;
  plain = plain.subspan(header.extension_size);
  if (header.padding) {
    if (plain.empty()) return std::nullopt;
    const std::size_t padding = plain.back();
    if (padding == 0 || padding > plain.size()) return std::nullopt;
    plain = plain.first(plain.size() - padding);
  }
  return plain;
}

std::optional<RtcpHeader> parse_rtcp(ByteView datagram) {
  if (datagram.size() < kRtcpClearHeader || !version_two(datagram[0])) return std::nullopt;
  if (datagram[1] < kFirstRtcpType || datagram[1] > kLastRtcpType) return std::nullopt;
  return RtcpHeader{static_cast<std::uint8_t>(datagram[0] & 0x1f), datagram[1],
                    load_be32(datagram.data() + 4)};
}

bool valid_rtcp_compound(ByteView compound) {
  if (compound.empty()) return false;
  while (!compound.empty()) {
    if (compound.size() < 4 || !version_two(compound[0])) return false;
    const std::size_t size = std::size_t{4} * (std::size_t{load_be16(compound.data() + 2)} + 1);
    if (size > compound.size()) return false;
    compound = compound.subspan(size);
  }
  return true;
}

void write_rtp_header(std::span<std::uint8_t, kRtpFixedHeader> out, bool marker,
                      std::uint8_t payload_type, std::uint16_t seq, std::uint32_t timestamp,
                      Ssrc ssrc) {
  out[0] = 0x80;
  out[1] = static_cast<std::uint8_t>((marker ? 0x80 : 0) | (payload_type & 0x7f));
  store_be16(out.data() + 2, seq);
  store_be32(out.data() + 4, timestamp);
  store_be32(out.data() + 8, ssrc);
}

Bytes build_rtp(const RtpPacketSpec &spec, ByteView payload) {
  if (spec.csrcs.size() > 15 || spec.extension_body.size() % 4 != 0 ||
      spec.extension_body.size() / 4 > 0xffff)
    return {};
  Bytes out(kRtpFixedHeader);
  write_rtp_header(std::span<std::uint8_t, kRtpFixedHeader>(out.data(), kRtpFixedHeader),
                   spec.marker, spec.payload_type, spec.seq, spec.timestamp, spec.ssrc);
  out[0] = static_cast<std::uint8_t>(0x80 | (spec.padding != 0 ? 0x20 : 0) |
                                     (spec.extension ? 0x10 : 0) | spec.csrcs.size());
  Writer rest;
  for (Ssrc csrc : spec.csrcs) rest.u32(csrc);
  if (spec.extension)
    rest.u16(spec.extension_profile)
        .u16(static_cast<std::uint16_t>(spec.extension_body.size() / 4))
        .put(spec.extension_body);
  rest.put(payload);
  const Bytes &tail = rest.bytes();
  out.insert(out.end(), tail.begin(), tail.end());
  if (spec.padding != 0) {
    out.insert(out.end(), spec.padding, std::uint8_t{0});
    out.back() = spec.padding;
  }
  return out;
}

std::uint64_t extend16(std::uint64_t reference, std::uint16_t value) {
  const auto step = distance16(static_cast<std::uint16_t>(reference), value);
  return reference + static_cast<std::uint64_t>(static_cast<std::int64_t>(step));
}

std::uint64_t extend32(std::uint64_t reference, std::uint32_t value) {
  const auto step = distance32(static_cast<std::uint32_t>(reference), value);
  return reference + static_cast<std::uint64_t>(static_cast<std::int64_t>(step));
}

}  // namespace dv
