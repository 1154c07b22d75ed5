// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>
#include <utility>

#include "ext/chain/chain_impl.hpp"

namespace dv {

void ReceiveChain::Impl::settle(const PacketIn &in, Ssrc ssrc, Verdict verdict) {
  if (!in.prime) sink_.verdict(in.session, ssrc, in.tag, verdict);
}

void ReceiveChain::Impl::receive(const PacketIn &in, Time now) {
  tick(now);
  open_datagram(session_at(in.session), in);
}

void ReceiveChain::Impl::open_datagram(Session &session, const PacketIn &in) {
  switch (classify(in.data)) {
    case DatagramKind::rtp: {
      const auto header = parse_rtp(in.data);
      if (!header || in.data.size() < header->clear_size + kTransportOverhead)
        return settle(in, header ? header->ssrc : 0, Verdict::malformed);
      return open_rtp(session, in, *header);
    }
    case DatagramKind::rtcp: {
      const auto header = parse_rtcp(in.data);
      if (!header || in.data.size() < kRtcpClearHeader + kTransportOverhead)
        return settle(in, header ? header->ssrc : 0, Verdict::malformed);
      return open_rtcp(session, in, header->ssrc);
    }
    default:
      return settle(in, 0, Verdict::malformed);
  }
}

void ReceiveChain::Impl::open_rtcp(Session &session, const PacketIn &in, Ssrc ssrc) {
  if (!session.has_transport_key()) return wait_for_transport(session, in, ssrc);
  if (transport_room_.size() < in.data.size()) transport_room_.resize(in.data.size());
  const auto plain = session.open_transport(in.data, kRtcpClearHeader, transport_room_);
  if (!plain) return settle(in, ssrc, Verdict::transport_auth);
  Bytes &compound = retry_room_;
  const ByteView clear = in.data.first(kRtcpClearHeader);
  compound.assign(clear.begin(), clear.end());
  compound.insert(compound.end(), plain->begin(), plain->end());
  if (!valid_rtcp_compound(compound)) return settle(in, ssrc, Verdict::malformed);
  if (in.prime) return;
  const chain::Binding *binding = session.binding(ssrc);
  FrameOut frame;
  frame.kind = FrameKind::rtcp;
  frame.session = in.session;
  frame.ssrc = ssrc;
  frame.user = binding != nullptr ? binding->user : 0;
  frame.arrival = in.arrival;
  frame.data = compound;
  sink_.frame(frame);
  settle(in, ssrc, Verdict::delivered);
}

void ReceiveChain::Impl::open_rtp(Session &session, const PacketIn &in, const RtpHeader &header) {
  if (header.payload_type != kOpusPayloadType) return settle(in, header.ssrc, Verdict::not_audio);
  const chain::Binding *binding = session.binding(header.ssrc);
  if (binding != nullptr && binding->kind != StreamKind::audio)
    return settle(in, header.ssrc, Verdict::not_audio);
  if (!session.has_transport_key()) return wait_for_transport(session, in, header.ssrc);

  if (transport_room_.size() < in.data.size()) transport_room_.resize(in.data.size());
  const auto plain = session.open_transport(in.data, header.clear_size, transport_room_);
  if (!plain) return settle(in, header.ssrc, Verdict::transport_auth);
  const auto payload = rtp_payload(header, *plain);
  if (!payload) return settle(in, header.ssrc, Verdict::malformed);

  Stream *stream = stream_at(session, header.ssrc);
  if (stream == nullptr) return settle(in, header.ssrc, Verdict::overload);
  if (!stream->seen.insert(header.seq, header.timestamp))
    return settle(in, header.ssrc, Verdict::duplicate);
  PacketRef packet = pool_.get();
  packet->tag = in.tag;
  packet->arrival = in.arrival;
  packet->rtp_time = header.timestamp;
  packet->seq = header.seq;
  packet->marker = header.marker;
  packet->prime = in.prime;
  take_payload(*stream, std::move(packet), *payload);
  rearm(*stream);
}

ReceiveChain::Impl::Stream *ReceiveChain::Impl::stream_at(Session &session, Ssrc ssrc) {
  const std::uint64_t key = key_of(session.id, ssrc);
  const auto found = streams_.find(key);
  if (found != streams_.end()) {
    by_use_.splice(by_use_.end(), by_use_, found->second->use);
    return found->second.get();
  }
  if (streams_.size() >= config_.max_streams && !make_room()) return nullptr;
  SequenceConfig rules;
  rules.latency = config_.latency;
  auto stream = std::make_unique<Stream>(session, ssrc, rules);
  if (config_.decode)
    stream->decode.emplace(decode_, chain::StreamNames{session.id, ssrc, 0}, ordered());
  bind_user(*stream);
  stream->use = by_use_.insert(by_use_.end(), stream.get());
  return streams_.emplace(key, std::move(stream)).first->second.get();
}

/** The stream that was silent for longest goes, of those that hold nothing. */
bool ReceiveChain::Impl::make_room() {
  const auto idle = std::find_if(by_use_.begin(), by_use_.end(),
                                 [](const Stream *s) { return s->next_due() == kNever; });
  if (idle == by_use_.end()) return false;
  drain_stream(**idle);
  drop_stream(key_of((*idle)->session.id, (*idle)->ssrc));
  return true;
}

void ReceiveChain::Impl::wait_for_transport(Session &session, const PacketIn &in, Ssrc ssrc) {
  if (in.prime) return;
  if (session.keyless.size() >= config_.max_waiting) {
    if (session.keyless.empty()) return settle(in, ssrc, Verdict::waiting_overflow);
    const chain::KeylessDatagram &oldest = session.keyless.front();
    sink_.verdict(session.id, oldest.ssrc, oldest.tag, Verdict::waiting_overflow);
    session.keyless.pop_front();
  }
  session.keyless.push_back(
      {Bytes(in.data.begin(), in.data.end()), ssrc, in.tag, in.arrival, now_ + config_.key_wait});
}

void ReceiveChain::Impl::retry_keyless(Session &session) {
  while (!session.keyless.empty()) {
    const chain::KeylessDatagram raw = std::move(session.keyless.front());
    session.keyless.pop_front();
    PacketIn in;
    in.session = session.id;
    in.tag = raw.tag;
    in.arrival = raw.arrival;
    in.data = raw.data;
    open_datagram(session, in);
  }
}

void ReceiveChain::Impl::expire_keyless(Session &session, Time until) {
  while (!session.keyless.empty() && session.keyless.front().deadline <= until) {
    const chain::KeylessDatagram &raw = session.keyless.front();
    sink_.verdict(session.id, raw.ssrc, raw.tag, Verdict::no_transport_key);
    session.keyless.pop_front();
  }
}

}  // namespace dv
