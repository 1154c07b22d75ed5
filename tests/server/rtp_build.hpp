// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "ext/wire/bytes.hpp"
#include "tests/server/faults.hpp"
#include "tests/server/speaker.hpp"

namespace dv::server {

inline constexpr std::uint8_t kOpusPayloadType = 120;
inline constexpr std::uint8_t kVideoPayloadType = 105;

/** An RTP packet as a client sends it, before transport encryption; `payload` is what it carries.
 */
Bytes build_rtp(const SpeakerFrame &frame, Ssrc ssrc, const Fate &fate, ByteView payload);

/** What an RTP packet carries, without header extension and padding. */
ByteView rtp_payload(ByteView packet);

struct RtcpFacts {
  Ssrc sender = 0;
  Ssrc about = 0;  ///< of the report block; 0: none
  std::uint32_t rtp = 0;
  std::uint32_t packets = 0;
  std::uint32_t octets = 0;
  std::uint16_t highest_seq = 0;
};

/** Sender report and SDES with an empty CNAME, as desktop clients send it. */
Bytes build_sender_report(const RtcpFacts &facts);
/** Receiver report with one block. */
Bytes build_receiver_report(const RtcpFacts &facts);
/** Receiver report without blocks, SDES, BYE and APP in one compound. */
Bytes build_farewell(const RtcpFacts &facts);

}  // namespace dv::server
