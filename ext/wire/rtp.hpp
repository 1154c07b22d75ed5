// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "ext/wire/bytes.hpp"
#include "ext/wire/ids.hpp"

namespace dv {

inline constexpr std::size_t kRtpFixedHeader = 12;
inline constexpr std::size_t kRtcpClearHeader = 8;
/** RTP payload type of Opus in every Discord voice session. */
inline constexpr std::uint8_t kOpusPayloadType = 120;

/** What one datagram of the voice socket is. */
enum class DatagramKind : std::uint8_t {
  garbage,
  rtp,
  rtcp,
  ping_reply,
  keepalive_echo,
  discovery
};

/** Looks at length, version and packet type alone (RFC 5761, section 4): nothing is verified. */
DatagramKind classify(ByteView datagram);

/** The clear part of an RTP packet (RFC 3550, section 5.1). */
struct RtpHeader {
  bool padding = false;
  bool extension = false;
  bool marker = false;
  std::uint8_t csrc_count = 0;
  std::uint8_t payload_type = 0;
  std::uint16_t seq = 0;
  std::uint32_t timestamp = 0;
  Ssrc ssrc = 0;
  /** Fixed part, CSRCs and the four bytes that begin an extension: what is never encrypted. */
  std::size_t clear_size = 0;
  /** Body of the extension in bytes. In `*_rtpsize` modes it is inside the ciphertext. */
  std::size_t extension_size = 0;
};

/** nullopt: no version 2, or the datagram ends within the clear part. */
std::optional<RtpHeader> parse_rtp(ByteView datagram);

/**
 * Takes the extension body and the padding off what follows the clear part, once it is decrypted.
 * nullopt: lengths that do not fit. An empty view: a packet that carries padding alone.
 */
std::optional<ByteView> rtp_payload(const RtpHeader &header, ByteView plain);

/** First header of an RTCP compound (RFC 3550, section 6.1). */
struct RtcpHeader {
  std::uint8_t count = 0;
  std::uint8_t type = 0;
  Ssrc ssrc = 0;  ///< of the sender of the packet
};
std::optional<RtcpHeader> parse_rtcp(ByteView datagram);
/** Packets of version 2 whose length fields add up to exactly `compound`. */
bool valid_rtcp_compound(ByteView compound);

/** Input of `build_rtp`. Spans are read during the call only. */
struct RtpPacketSpec {
  bool marker = false;
  std::uint8_t payload_type = kOpusPayloadType;
  std::uint16_t seq = 0;
  std::uint32_t timestamp = 0;
  Ssrc ssrc = 0;
  std::span<const Ssrc> csrcs;  ///< at most 15
  bool extension = false;
  std::uint16_t extension_profile = 0xbede;
  ByteView extension_body;   ///< a multiple of four bytes
  std::uint8_t padding = 0;  ///< bytes of padding, its count included; 0: none
};

/** The fixed header without CSRCs, extension and padding. */
void write_rtp_header(std::span<std::uint8_t, kRtpFixedHeader> out, bool marker,
                      std::uint8_t payload_type, std::uint16_t seq, std::uint32_t timestamp,
                      Ssrc ssrc);
/** A whole plain RTP packet. An empty result means that `spec` can not be expressed. */
Bytes build_rtp(const RtpPacketSpec &spec, ByteView payload);

/** 64-bit number nearest to `reference` whose low 16 bits are `value`. */
std::uint64_t extend16(std::uint64_t reference, std::uint16_t value);
/** 64-bit number nearest to `reference` whose low 32 bits are `value`. */
std::uint64_t extend32(std::uint64_t reference, std::uint32_t value);
/** Signed distance from `from` to `to` on the 16-bit circle. */
inline std::int32_t distance16(std::uint16_t from, std::uint16_t to) {
  return static_cast<std::int16_t>(static_cast<std::uint16_t>(to - from));
}
/** Signed distance from `from` to `to` on the 32-bit circle. */
inline std::int32_t distance32(std::uint32_t from, std::uint32_t to) {
  return static_cast<std::int32_t>(to - from);
}

}  // namespace dv
