// SPDX-License-Identifier: LGPL-2.1-or-later
#include <utility>

#include "ext/chain/chain_impl.hpp"
#include "ext/wire/opus_packet.hpp"

namespace dv {

void ReceiveChain::Impl::settle(const Stream &stream, chain::Packet &packet, Verdict verdict) {
  if (!packet.prime && !packet.settled)
    sink_.verdict(stream.session.id, stream.ssrc, packet.tag, verdict);
  packet.settled = true;
}

/** Takes a packet whose content is known. */
void ReceiveChain::Impl::submit(Stream &stream, PacketRef packet) {
  if (packet->content == chain::Content::audio) {
    const auto opus = parse_opus(packet->payload());
    if (opus) {
      packet->samples = opus->samples;
      packet->has_fec = opus->has_fec;
      packet->silence = is_opus_silence(packet->payload());
    } else {
      settle(stream, *packet, Verdict::bad_opus);
      packet->content = chain::Content::missing;
    }
  }
  if (!config_.decode) return forward_rtp(stream, *packet);
  if (ordered()) return submit_ordered(stream, std::move(packet));
  const std::uint64_t number = stream.numbers.extend(packet->seq);
  if (packet->content == chain::Content::audio) hand_on(stream, *packet, number, false);
}

void ReceiveChain::Impl::submit_ordered(Stream &stream, PacketRef packet) {
  const std::uint16_t seq = packet->seq;
  const std::uint32_t rtp_time = packet->rtp_time;
  const std::uint32_t samples = packet->samples;
  // What brings a decoder up to date was in order once: there is nothing to wait for.
  const std::uint8_t flags = packet->prime ? kSequenceFinal : kSequencePlain;
  stream.order.push(std::move(packet), seq, rtp_time, samples, now_, actions_, flags);
  perform(stream);
}

/** Carries out what the sequence rules have decided. */
void ReceiveChain::Impl::perform(Stream &stream) {
  using Kind = chain::Order::Action::Kind;
  for (auto &action : actions_) {
    switch (action.kind) {
      case Kind::deliver:
        hand_on(stream, *action.item, action.extended_seq, action.restart);
        break;
      case Kind::lost:
        stream.decode->lost(action.extended_seq, action.count);
        break;
      case Kind::drop_late:
        settle(stream, *action.item, Verdict::late);
        break;
      case Kind::drop_duplicate:
        settle(stream, *action.item, Verdict::duplicate);
        break;
    }
  }
  actions_.clear();
}

void ReceiveChain::Impl::hand_on(Stream &stream, chain::Packet &packet, std::uint64_t number,
                                 bool restart) {
  const bool good = stream.decode->packet(packet, number, restart);
  settle(stream, packet, good ? Verdict::delivered : Verdict::bad_opus);
}

void ReceiveChain::Impl::forward_rtp(Stream &stream, chain::Packet &packet) {
  const std::uint64_t number = stream.numbers.extend(packet.seq);
  if (packet.content != chain::Content::audio || packet.prime) return;
  const auto data = packet.with_header();
  write_rtp_header(data.first<kRtpFixedHeader>(), packet.marker, kOpusPayloadType, packet.seq,
                   packet.rtp_time, stream.ssrc);
  FrameOut frame;
  frame.kind = FrameKind::rtp;
  if (packet.silence) frame.flags = kFrameSilence;
  frame.session = stream.session.id;
  frame.ssrc = stream.ssrc;
  frame.user = stream.user;
  frame.extended_seq = number;
  frame.rtp_time = packet.rtp_time;
  frame.samples = packet.samples;
  frame.arrival = packet.arrival;
  frame.data = data;
  sink_.frame(frame);
  settle(stream, packet, Verdict::delivered);
}

}  // namespace dv
