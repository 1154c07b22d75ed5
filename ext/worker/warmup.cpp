// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/worker/warmup.hpp"

#include <utility>

#include "ext/chain/receive_chain.hpp"
#include "ext/crypto/dave/media_encryptor.hpp"
#include "ext/crypto/transport.hpp"

namespace dv::worker {
namespace {

struct Counter final : ChainSink {
  int delivered = 0;
  void frame(const FrameOut &) override {}
  void verdict(SessionId, Ssrc, std::uint64_t, Verdict v) override {
    delivered += v == Verdict::delivered;
  }
  void lost(SessionId, Ssrc, std::uint64_t, std::uint64_t, std::uint64_t) override {}
};

constexpr std::uint8_t kSilence[] = {0xf8, 0xff, 0xfe};
constexpr UserId kUser = 1;

Bytes rtp(Ssrc ssrc, std::uint16_t sequence, ByteView payload) {
  return Writer()
      .u8(0x80)
      .u8(120)
      .u16(sequence)
      .u32(sequence * 960U)
      .u32(ssrc)
      .put(payload)
      .release();
}

// One session per transport mode; the second half of each with DAVE.
bool run_mode(ReceiveChain &chain, Counter &counter, TransportMode mode, SessionId session) {
  Bytes key(32, 7), secret(16, 9);
  auto cipher = TransportCipher::create(mode, key);
  if (!cipher) return false;
  chain.apply(TransportKeyUpdate{session, mode, Secret(key)}, Time(0));
  chain.apply(SsrcUpdate{session, 1, kUser, StreamKind::audio}, Time(0));
  const auto send = [&](std::uint16_t sequence, ByteView payload, Time now) {
    Bytes sealed;
    const TransportNonce nonce{0, 0, 0, static_cast<std::uint8_t>(sequence)};
    if (!seal_rtp(*cipher, rtp(1, sequence, payload), nonce, sealed)) return;
    chain.receive(PacketIn{session, sequence, 0, false, sealed}, now);
  };
  chain.apply(DaveUpdate{session, 0, 0, {}}, Time(0));
  for (std::uint16_t i = 1; i <= 3; ++i) send(i, kSilence, Time(i * 20ms));
  DaveUpdate dave{session, 1, 1, {}};
  dave.senders.push_back({kUser, Secret(secret)});
  chain.apply(std::move(dave), Time(100ms));
  dave::FrameEncryptor encryptor;
  encryptor.set_key(secret);
  for (std::uint16_t i = 4; i <= 6; ++i) {
    Bytes frame;
    if (encryptor.seal(kSilence, frame)) send(i, frame, Time(i * 20ms));
  }
  chain.drain(Time(1s));
  return counter.delivered != 0;
}

}  // namespace

bool warm_up() {
  Counter counter;
  ReceiveChain chain(ChainConfig{}, counter);
  return run_mode(chain, counter, TransportMode::aes256_gcm_rtpsize, 1) &&
         run_mode(chain, counter, TransportMode::xchacha20_poly1305_rtpsize, 2);
}

}  // namespace dv::worker
