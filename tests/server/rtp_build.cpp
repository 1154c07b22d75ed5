// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/server/rtp_build.hpp"

namespace dv::server {

namespace {

constexpr std::uint16_t kOneByteProfile = 0xbede;
constexpr std::uint64_t kNtpEpoch = 2208988800;  // 1970 counted from 1900

void put_sdes(Writer &out, Ssrc ssrc) { out.u8(0x81).u8(202).u16(2).u32(ssrc).u8(1).u8(0).u16(0); }

}  // namespace

Bytes build_rtp(const SpeakerFrame &frame, Ssrc ssrc, const Fate &fate, ByteView payload) {
  Writer out;
  std::uint8_t first = 0x80;
  if (fate.padding > 0) first |= 0x20;
  if (fate.extension) first |= 0x10;
  if (fate.csrc) first |= 2;
  out.u8(first).u8(static_cast<std::uint8_t>(kOpusPayloadType | (frame.marker ? 0x80 : 0)));
  out.u16(frame.seq).u32(frame.rtp).u32(ssrc);
  if (fate.csrc) out.u32(0x11111111).u32(0x22222222);
  if (fate.extension) {
    const std::uint8_t level = frame.silence ? 0x7f : 0xa3;
    const std::uint8_t flags = frame.silence ? 0 : 2;
    out.u16(kOneByteProfile).u16(1).u8(0x10).u8(level).u8(0x90).u8(flags);
  }
  out.put(payload);
  for (unsigned i = 1; i < fate.padding; i++) out.u8(0);
  if (fate.padding > 0) out.u8(static_cast<std::uint8_t>(fate.padding));
  return out.release();
}

ByteView rtp_payload(ByteView packet) {
  std::size_t from = 12 + std::size_t{4} * (packet[0] & 15);
  if ((packet[0] & 0x10) != 0) {
    if (packet.size() < from + 4) return {};
    from += 4 + std::size_t{4} * load_be16(packet.data() + from + 2);
  }
  if (packet.size() < from) return {};
  ByteView payload = packet.subspan(from);
  const bool padded = (packet[0] & 0x20) != 0 && !payload.empty();
  if (padded && payload.back() <= payload.size())
    payload = payload.first(payload.size() - payload.back());
  return payload;
}

Bytes build_sender_report(const RtcpFacts &facts) {
  const auto wall = std::chrono::system_clock::now().time_since_epoch();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(wall);
  const auto rest = std::chrono::duration_cast<std::chrono::nanoseconds>(wall - seconds);
  Writer out;
  out.u8(0x80).u8(200).u16(6).u32(facts.sender);
  out.u32(static_cast<std::uint32_t>(static_cast<std::uint64_t>(seconds.count()) + kNtpEpoch));
  out.u32(
      static_cast<std::uint32_t>((static_cast<std::uint64_t>(rest.count()) << 32) / 1'000'000'000));
  out.u32(facts.rtp).u32(facts.packets).u32(facts.octets);
  put_sdes(out, facts.sender);
  return out.release();
}

Bytes build_receiver_report(const RtcpFacts &facts) {
  Writer out;
  out.u8(0x81).u8(201).u16(7).u32(facts.sender).u32(facts.about).u32(0);
  out.u32(facts.highest_seq).u32(0x2a).u32(0).u32(0);
  return out.release();
}

Bytes build_farewell(const RtcpFacts &facts) {
  Writer out;
  out.u8(0x80).u8(201).u16(1).u32(facts.sender);
  put_sdes(out, facts.sender);
  out.u8(0x81).u8(204).u16(3).u32(facts.sender).u32(0x74657374).u32(0x01020304);
  out.u8(0x81).u8(203).u16(1).u32(facts.sender);
  return out.release();
}

}  // namespace dv::server
