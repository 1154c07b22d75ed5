// SPDX-License-Identifier: LGPL-2.1-or-later
// The input is a list of operations on a chain whose keys are known: good packets, packets that are
// authentic but hostile inside, damaged ones, raw ones, key changes, time.
#include <array>
#include <map>
#include <memory>

#include "ext/chain/receive_chain.hpp"
#include "tests/fuzz/require.hpp"
#include "tests/support/sealed_stream.hpp"

using namespace dv;
using namespace dv::test;

namespace {

constexpr std::size_t kMaxOperations = 48;
constexpr std::array<UserId, 3> kUsers{70, 71, 72};

class Judge : public ChainSink {
 public:
  void frame(const FrameOut &frame) override {
    FUZZ_REQUIRE(!frame.data.empty());
    FUZZ_REQUIRE(frame.samples <= 5760);
  }
  void verdict(SessionId, Ssrc, std::uint64_t tag, Verdict) override {
    FUZZ_REQUIRE(open_.erase(tag) == 1);
  }
  void lost(SessionId, Ssrc, std::uint64_t, std::uint64_t count, std::uint64_t concealed) override {
    FUZZ_REQUIRE(count > 0 && concealed <= count);
  }
  void expect(std::uint64_t tag) { open_.emplace(tag, true); }
  bool all_judged() const { return open_.empty(); }

 private:
  std::map<std::uint64_t, bool> open_;
};

class Script {
 public:
  Script(ByteView input) : in_(input), session_(1), chain_(config(), judge_) {
    for (std::size_t i = 0; i < kUsers.size(); ++i)
      speakers_.emplace_back(session_, static_cast<Ssrc>(100 + i), kUsers[i],
                             static_cast<std::uint16_t>(65530 + i));
  }

  void run() {
    for (std::size_t n = 0; n < kMaxOperations && !in_.at_end(); ++n) step(in_.u8());
    chain_.drain(now_);
    FUZZ_REQUIRE(judge_.all_judged());
  }

 private:
  ChainConfig config() {
    const std::uint8_t bits = in_.u8();
    ChainConfig config;
    config.rate = 8000;
    config.channels = 1;
    config.decode = (bits & 1) == 0;
    config.latency = (bits & 2) == 0 ? Time{120ms} : Time{0};
    config.max_waiting = (bits & 4) == 0 ? 256 : 3;
    config.format = (bits & 8) == 0 ? SampleFormat::s16 : SampleFormat::f32;
    config.max_streams = (bits & 16) == 0 ? 100 : 2;
    return config;
  }

  SealedStream &speaker() { return speakers_[in_.u8() % speakers_.size()]; }
  ByteView some() { return in_.take(std::min<std::size_t>(in_.u8(), in_.remaining())); }

  void receive(ByteView datagram, bool prime = false) {
    PacketIn packet;
    packet.session = 1;
    packet.tag = next_tag_++;
    packet.prime = prime;
    packet.data = datagram;
    if (!prime) judge_.expect(packet.tag);
    chain_.receive(packet, now_);
  }

  void step(std::uint8_t operation) {
    switch (operation % 12) {
      case 0: {
        SealOptions options;
        options.padding = in_.u8();
        options.extension_words = in_.u8() % 4;
        SealedStream &from = speaker();
        receive(from.send(some(), 960, options), operation >= 240);
        break;
      }
      case 1:
        receive(speaker().send_frame(some()));
        break;
      case 2: {
        Bytes d = speaker().send(some());
        d[in_.u16() % d.size()] ^= in_.u8();
        receive(d);
        break;
      }
      case 3:
        receive(some());
        break;
      case 4:
        authentic(operation);
        break;
      case 5:
        time(in_.u8() * 10ms);
        break;
      case 6:
        speaker().set_seq(in_.u16());
        break;
      case 7:
        speaker().pause(in_.u32());
        break;
      default:
        keys(operation);
        break;
    }
  }

  /** Any bytes, so long as they have an RTP or RTCP header, with a good tag. */
  void authentic(std::uint8_t operation) {
    const ByteView bytes = some();
    const Bytes d = operation & 0x80 ? session_.seal_rtcp(bytes) : session_.seal_rtp(bytes);
    if (!d.empty()) receive(d);
  }

  void time(Time passed) {
    const Time end = now_ + passed;
    for (int i = 0; i < 1000 && chain_.next_wakeup() <= end; ++i) {
      now_ = std::max(now_, chain_.next_wakeup());
      chain_.advance(now_);
    }
    now_ = end;
    chain_.advance(now_);
  }

  void keys(std::uint8_t operation) {
    SealedStream &one = speaker();
    switch (operation % 12 * 2 + (operation & 0x80 ? 1 : 0)) {
      case 16:
        return chain_.apply(session_.transport_key(), now_);
      case 17:
        return chain_.apply(one.binding(), now_);
      case 18:
        return chain_.apply(dave_epoch(1, ++epoch_, {kUsers.begin(), kUsers.end()}), now_);
      case 19:
        return one.frames().set_key(base_secret(one.user(), epoch_ + in_.u8() % 2));
      case 20:
        chain_.apply(plain_session(1), now_);
        return one.frames().set_plain();
      case 21:
        return chain_.apply(SsrcUpdate{1, one.ssrc(), in_.u8() % 3U * 35,
                                       static_cast<StreamKind>(1 + in_.u8() % 3)},
                            now_);
      case 22:
        return in_.u8() % 4 == 0 ? chain_.apply(SessionEndUpdate{1}, now_)
                                 : chain_.forget(1, one.ssrc(), now_);
      default:
        return in_.u8() % 2 == 0 ? chain_.flush() : chain_.drain(now_);
    }
  }

  Reader in_;
  Judge judge_;
  SealedSession session_;
  ReceiveChain chain_;
  std::vector<SealedStream> speakers_;
  Time now_ = 1000s;
  std::uint64_t next_tag_ = 1;
  std::uint64_t epoch_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  Script({data, size}).run();
  return 0;
}
