// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/worker/client.hpp"

namespace dv::worker {

ChainConfig chain_config(const OpenClient &m) {
  ChainConfig c;
  c.decode = m.decode;
  c.format = m.format == 0 ? SampleFormat::s16 : SampleFormat::f32;
  c.rate = m.rate;
  c.channels = m.channels;
  c.latency = Time(static_cast<Time::rep>(m.latency));
  c.fec = m.fec;
  c.plc = m.plc;
  c.plc_limit = Time(static_cast<Time::rep>(m.plc_limit));
  c.key_wait = Time(static_cast<Time::rep>(m.key_wait));
  c.max_waiting = m.max_waiting;
  c.max_streams = m.max_streams;
  return c;
}

void Client::handle(const Request &request, ByteView data) {
  if (request.epoch != epoch_) {
    // The host has answered for everything older itself.
    chain_.flush();
    epoch_ = request.epoch;
  }
  switch (request.kind) {
    case Request::Kind::packet:
    case Request::Kind::prime: {
      clock_.arrived(request.arrival);
      PacketIn packet{request.session, request.ticket, request.arrival,
                      request.kind == Request::Kind::prime, data};
      chain_.receive(packet, clock_.now());
      if (!clock_.live() && chain_.next_wakeup() <= clock_.now()) chain_.advance(clock_.now());
      return;
    }
    case Request::Kind::drain:
    case Request::Kind::forget: {
      if (request.kind == Request::Kind::drain) {
        chain_.drain(clock_.now());
      } else {
        chain_.forget(request.session, request.ssrc, clock_.now());
      }
      Reply barrier;
      barrier.kind = Reply::Kind::barrier;
      barrier.client = id_;
      barrier.epoch = epoch_;
      barrier.ticket = request.ticket;
      link_.reply(barrier, {});
      link_.ring().complete();
      frame_open_ = false;
      return;
    }
    case Request::Kind::flush:
      return;
  }
}

void Client::frame(const FrameOut &f) {
  last_ = Reply{};
  last_.kind = Reply::Kind::frame;
  last_.frame_kind = static_cast<std::uint8_t>(f.kind);
  last_.flags = f.flags;
  last_.client = id_;
  last_.session = f.session;
  last_.ssrc = f.ssrc;
  last_.epoch = epoch_;
  last_.size = static_cast<std::uint32_t>(f.data.size());
  last_.samples = f.samples;
  last_.rtp_time = f.rtp_time;
  last_.sequence = f.extended_seq;
  last_.count = f.user;
  last_.arrival = f.arrival;
  link_.reply(last_, f.data);
  frame_open_ = true;
}

void Client::verdict(SessionId session, Ssrc ssrc, std::uint64_t tag, Verdict verdict) {
  if (frame_open_ && verdict == Verdict::delivered && last_.session == session &&
      last_.ssrc == ssrc) {
    last_.verdict = static_cast<std::uint8_t>(verdict);
    last_.ticket = tag;
    write_reply_header(link_.ring().last(), last_);
  } else {
    Reply reply;
    reply.kind = Reply::Kind::verdict;
    reply.verdict = static_cast<std::uint8_t>(verdict);
    reply.client = id_;
    reply.session = session;
    reply.ssrc = ssrc;
    reply.epoch = epoch_;
    reply.ticket = tag;
    link_.reply(reply, {});
  }
  frame_open_ = false;
  link_.ring().complete();
}

void Client::lost(SessionId session, Ssrc ssrc, std::uint64_t first_seq, std::uint64_t count,
                  std::uint64_t concealed) {
  Reply reply;
  reply.kind = Reply::Kind::lost;
  reply.client = id_;
  reply.session = session;
  reply.ssrc = ssrc;
  reply.epoch = epoch_;
  reply.sequence = first_seq;
  reply.count = count;
  reply.arrival = static_cast<std::int64_t>(concealed);
  link_.reply(reply, {});
  frame_open_ = false;
}

}  // namespace dv::worker
