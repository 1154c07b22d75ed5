// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "ext/decrypt/pool/engine.hpp"

namespace dv {

/** The chain in this process (`max-workers=0`). */
class LocalEngine final : public Engine {
 public:
  LocalEngine(const ChainConfig &config, bool live, EngineSink &sink)
      : clock_(live), sink_(sink), chain_(config, sink) {}

  void apply(const KeyUpdate &update) override { chain_.apply(update, clock_.now()); }
  void submit(std::span<const PacketIn> packets) override {
    for (const PacketIn &packet : packets) {
      clock_.arrived(packet.arrival);
      chain_.receive(packet, clock_.now());
    }
    // In time with the stamps holes run out between packets, not only at the next wake-up.
    if (chain_.next_wakeup() <= clock_.now()) chain_.advance(clock_.now());
  }
  void drain(std::uint64_t barrier) override {
    chain_.drain(clock_.now());
    sink_.barrier(barrier);
  }
  void forget(SessionId session, Ssrc ssrc, std::uint64_t barrier) override {
    chain_.forget(session, ssrc, clock_.now());
    sink_.barrier(barrier);
  }
  void flush() override { chain_.flush(); }
  /** Recorded streams have no time of their own to wait for. */
  Time next_wakeup() const override { return clock_.live() ? chain_.next_wakeup() : kNever; }
  void advance() override { chain_.advance(clock_.now()); }

 private:
  EngineClock clock_;
  EngineSink &sink_;
  ReceiveChain chain_;
};

}  // namespace dv
