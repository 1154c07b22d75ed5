// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "ext/chain/receive_chain.hpp"
#include "ext/decrypt/pool/engine.hpp"
#include "ext/worker/link.hpp"

namespace dv::worker {

ChainConfig chain_config(const OpenClient &open);

/** One client of the pool (one element) in this worker: its chain, and the way of its results. */
class Client final : private ChainSink {
 public:
  Client(const OpenClient &open, Link &link, chain::DecoderBudget &decoders)
      : id_(open.client),
        link_(link),
        clock_(open.live, start_of(open)),
        chain_(chain_config(open), *this, &decoders) {}

  void apply(const KeyUpdate &update) { chain_.apply(update, clock_.now()); }
  void handle(const Request &request, ByteView data);
  /** kNever when nothing waits for time, and always for recorded input. */
  Time next_wakeup() const { return clock_.live() ? chain_.next_wakeup() : kNever; }
  void advance() { chain_.advance(clock_.now()); }

 private:
  static Time start_of(const OpenClient &open) {
    return open.live ? Time(0) : Time(static_cast<Time::rep>(open.clock));
  }
  void frame(const FrameOut &frame) override;
  void verdict(SessionId session, Ssrc ssrc, std::uint64_t tag, Verdict verdict) override;
  void lost(SessionId session, Ssrc ssrc, std::uint64_t first_seq, std::uint64_t count,
            std::uint64_t concealed) override;

  std::uint32_t id_;
  std::uint32_t epoch_ = 0;
  Link &link_;
  EngineClock clock_;
  Reply last_;
  bool frame_open_ = false;  // the reply written last is a frame that has no verdict yet
  ReceiveChain chain_;
};

}  // namespace dv::worker
