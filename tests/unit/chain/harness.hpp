// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <doctest/doctest.h>

#include <string>

#include "ext/chain/receive_chain.hpp"
#include "tests/support/opus_source.hpp"
#include "tests/support/recording_sink.hpp"
#include "tests/support/sealed_stream.hpp"

namespace doctest {
template <>
struct StringMaker<dv::Verdict> {
  static String convert(dv::Verdict verdict) { return dv::stats_name(verdict); }
};
}  // namespace doctest

namespace dv::test {

/** A chain, its sink, a session, and time that moves when told. */
struct Harness {
  explicit Harness(const ChainConfig &config = {}, bool with_keys = true)
      : chain(config, sink), session(1) {
    if (!with_keys) return;
    apply(session.transport_key());
    apply(plain_session(1));
  }

  void apply(const KeyUpdate &update) { chain.apply(update, now); }
  /** Gives it a tag, and returns that. */
  std::uint64_t receive(ByteView datagram, bool prime = false, SessionId to = 1) {
    PacketIn in;
    in.session = to;
    in.tag = next_tag++;
    in.arrival = now.count();
    in.prime = prime;
    in.data = datagram;
    if (!prime) ++sink.account.received;
    chain.receive(in, now);
    return in.tag;
  }
  /** Lets time pass, and wakes the chain when it wants to be woken. */
  void pass(Time time) {
    const Time end = now + time;
    while (chain.next_wakeup() <= end) {
      now = std::max(now, chain.next_wakeup());
      chain.advance(now);
    }
    now = end;
  }
  bool judged(std::uint64_t tag) const { return sink.of_tag.contains(tag); }
  Verdict verdict(std::uint64_t tag) const {
    REQUIRE(judged(tag));
    return sink.of_tag.at(tag);
  }
  /** Low bits of the numbers of all frames. */
  std::vector<unsigned> numbers() const {
    std::vector<unsigned> out;
    for (const auto &f : sink.frames) out.push_back(f.facts.extended_seq & 0xffff);
    return out;
  }
  void check_closed() {
    chain.drain(now);
    CHECK(sink.account.pending() == 0);
    for (const auto &[tag, times] : sink.times_judged) CHECK(times == 1);
  }

  RecordingSink sink;
  ReceiveChain chain;
  SealedSession session;
  Time now = 1000s;
  std::uint64_t next_tag = 1;
};

}  // namespace dv::test
