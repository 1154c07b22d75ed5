// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <deque>
#include <list>
#include <memory>
#include <unordered_map>

#include "ext/chain/stream.hpp"
#include "ext/wire/rtp.hpp"

namespace dv {

struct ReceiveChain::Impl {
 public:
  Impl(const ChainConfig &config, ChainSink &sink, chain::DecoderBudget *budget);

  void apply(const KeyUpdate &update, Time now);
  void receive(const PacketIn &in, Time now);
  Time next_wakeup() const;
  void advance(Time now);
  void drain(Time now);
  void flush();
  void forget(SessionId session, Ssrc ssrc, Time now);

 private:
  using Stream = chain::Stream;
  using Session = chain::Session;
  using PacketRef = chain::PacketRef;
  using Actions = chain::Order::Actions;
  enum class Attempt : std::uint8_t { opened, plain, not_yet };

  static std::uint64_t key_of(SessionId session, Ssrc ssrc) {
    return std::uint64_t{session} << 32 | ssrc;
  }
  Time tick(Time now) { return now_ = std::max(now_, now); }

  // Keys: receive_chain.cpp
  void apply_one(const TransportKeyUpdate &update);
  void apply_one(const SsrcUpdate &update);
  void apply_one(const DaveUpdate &update);
  void apply_one(const OldEpochsEndUpdate &) {}  // the session's own clock has wiped them
  void apply_one(const SessionEndUpdate &update);
  Session &session_at(SessionId id);
  template <class F>
  void for_streams_of(SessionId session, F f);
  void drain_stream(Stream &stream);
  void drop_stream(std::uint64_t key);
  /** Packets that waited in a stream that ended go on waiting, with their time, in the next one. */
  void wait_anew(Session &session, Ssrc ssrc, std::deque<PacketRef> packets);
  void rearm(Stream &stream) { timers_.set(stream, stream.next_due()); }

  // Datagrams: datagrams.cpp
  void open_datagram(Session &session, const PacketIn &in);
  void open_rtcp(Session &session, const PacketIn &in, Ssrc ssrc);
  void open_rtp(Session &session, const PacketIn &in, const RtpHeader &header);
  void wait_for_transport(Session &session, const PacketIn &in, Ssrc ssrc);
  void retry_keyless(Session &session);
  void expire_keyless(Session &session, Time until);
  Stream *stream_at(Session &session, Ssrc ssrc);
  bool make_room();
  void settle(const PacketIn &in, Ssrc ssrc, Verdict verdict);

  // Frames: frames.cpp
  void take_payload(Stream &stream, PacketRef packet, ByteView payload);
  Attempt attempt(Stream &stream, chain::Packet &packet, ByteView payload);
  void wait_for_key(Stream &stream, PacketRef packet, ByteView payload);
  void retry_waiting(Stream &stream);
  void conclude_overtaken(Stream &stream);
  void release_plain(Stream &stream);
  void expire_waiting(Stream &stream, Time until);
  void give_up(Stream &stream, PacketRef packet, Verdict verdict);
  Verdict reason_of(const Stream &stream, const chain::Packet &packet) const;
  void bind_user(Stream &stream);

  // Order and output: output.cpp
  void submit(Stream &stream, PacketRef packet);
  void submit_ordered(Stream &stream, PacketRef packet);
  void perform(Stream &stream);
  void hand_on(Stream &stream, chain::Packet &packet, std::uint64_t number, bool restart);
  void forward_rtp(Stream &stream, chain::Packet &packet);
  void settle(const Stream &stream, chain::Packet &packet, Verdict verdict);
  bool ordered() const { return config_.decode && config_.latency > Time::zero(); }

  ChainConfig config_;
  ChainSink &sink_;
  chain::DecoderBudget own_budget_;
  chain::PacketPool pool_;
  chain::DecodeShared decode_;
  std::unordered_map<SessionId, std::unique_ptr<Session>> sessions_;
  std::unordered_map<std::uint64_t, std::unique_ptr<Stream>> streams_;
  std::list<Stream *> by_use_;  // silent for longest first
  chain::TimerHeap<Stream> timers_;
  Actions actions_;
  Bytes transport_room_;
  Bytes retry_room_;
  Time now_ = Time::min();
};

}  // namespace dv
