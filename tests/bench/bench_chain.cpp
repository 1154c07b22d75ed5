// SPDX-License-Identifier: LGPL-2.1-or-later
// What the receive chain costs per packet on one thread, beside a bare loop over the same calls of
// the libraries. CPU time of the thread, so that other load disturbs little; the best of several
// runs. Usage: bench_chain [PACKETS]
#include <opus.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>

#include "ext/chain/receive_chain.hpp"
#include "tests/support/opus_source.hpp"
#include "tests/support/sealed_stream.hpp"

using namespace dv;
using namespace dv::test;

namespace {

constexpr std::size_t kSpeakers = 25;
constexpr Ssrc kFirstSsrc = 100;
constexpr UserId kFirstUser = 700;
constexpr int kRepeats = 5;

struct Setup {
  TransportMode mode;
  bool dave;
  bool decode;
};

class CountingSink : public ChainSink {
 public:
  void frame(const FrameOut &) override {}
  void verdict(SessionId, Ssrc, std::uint64_t, Verdict verdict) override {
    if (verdict != Verdict::delivered) ++bad;
  }
  void lost(SessionId, Ssrc, std::uint64_t, std::uint64_t, std::uint64_t) override { ++bad; }
  std::size_t bad = 0;
};

double cpu_seconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

struct Traffic {
  KeyUpdate transport;
  Bytes transport_key;
  std::vector<KeyUpdate> updates;
  std::vector<Bytes> datagrams;
};

Traffic make_traffic(const Setup &setup, std::size_t packets) {
  SealedSession session(1, setup.mode);
  Traffic traffic{session.transport_key(), {}, {}, {}};
  const auto &key = std::get<TransportKeyUpdate>(traffic.transport).key.view();
  traffic.transport_key.assign(key.begin(), key.end());
  std::vector<SealedStream> speakers;
  std::vector<UserId> users;
  for (std::size_t i = 0; i < kSpeakers; ++i) {
    users.push_back(kFirstUser + i);
    speakers.emplace_back(session, static_cast<Ssrc>(kFirstSsrc + i), users.back());
    if (setup.dave) speakers.back().frames().set_key(base_secret(users.back(), 1));
    traffic.updates.push_back(speakers.back().binding());
  }
  traffic.updates.push_back(setup.dave ? dave_epoch(1, 1, users) : plain_session(1));
  OpusSource source;
  std::vector<Bytes> opus;
  for (int i = 0; i < 500; ++i) opus.push_back(source.next());
  for (std::size_t i = 0; i < packets; ++i)
    traffic.datagrams.push_back(speakers[i % kSpeakers].send(opus[i / kSpeakers % opus.size()]));
  return traffic;
}

double chain_seconds(const Setup &setup, const Traffic &traffic) {
  ChainConfig config;
  config.decode = setup.decode;
  CountingSink sink;
  ReceiveChain chain(config, sink);
  Time now = 1s;
  chain.apply(traffic.transport, now);
  for (const KeyUpdate &update : traffic.updates) chain.apply(update, now);
  const double start = cpu_seconds();
  PacketIn in;
  in.session = 1;
  for (const Bytes &datagram : traffic.datagrams) {
    ++in.tag;
    in.data = datagram;
    chain.receive(in, now);
    if (in.tag % kSpeakers == 0) {
      now += 20ms;
      if (chain.next_wakeup() <= now) chain.advance(now);
    }
  }
  chain.drain(now);
  const double seconds = cpu_seconds() - start;
  if (sink.bad != 0) std::printf("%zu packets not delivered\n", sink.bad);
  return seconds;
}

/** The same packets through the libraries, without a thought about order, loss or accounts. */
double bare_seconds(const Setup &setup, const Traffic &traffic) {
  auto cipher = *TransportCipher::create(setup.mode, traffic.transport_key);
  using Decoder = std::unique_ptr<OpusDecoder, decltype(&opus_decoder_destroy)>;
  std::vector<Decoder> decoders;
  std::vector<dave::KeyChain> chains;
  for (std::size_t i = 0; i < kSpeakers; ++i) {
    int error = 0;
    decoders.emplace_back(opus_decoder_create(48000, 2, &error), opus_decoder_destroy);
    chains.emplace_back(base_secret(kFirstUser + i, 1));
  }
  Bytes plain(2048), media(2048);
  std::vector<opus_int16> pcm(5760 * 2);
  std::int64_t samples = 0;
  const double start = cpu_seconds();
  for (std::size_t i = 0; i < traffic.datagrams.size(); ++i) {
    ByteView opus = *cipher.open(traffic.datagrams[i], kRtpFixedHeader, plain);
    if (setup.dave) {
      const auto frame = dave::parse_frame(opus);
      const auto size = chains[i % kSpeakers].key(0)->open(*frame, media);
      opus = ByteView(media).first(*size);
    }
    if (setup.decode)
      samples += opus_decode(decoders[i % kSpeakers].get(), opus.data(),
                             static_cast<opus_int32>(opus.size()), pcm.data(), 5760, 0);
  }
  const double seconds = cpu_seconds() - start;
  if (setup.decode && samples != static_cast<std::int64_t>(traffic.datagrams.size()) * 960)
    std::printf("the bare loop lost samples\n");
  return seconds;
}

void measure(const Setup &setup, std::size_t packets) {
  const Traffic traffic = make_traffic(setup, packets);
  double chain = 1e9, bare = 1e9;
  for (int i = 0; i < kRepeats; ++i) {
    chain = std::min(chain, chain_seconds(setup, traffic));
    bare = std::min(bare, bare_seconds(setup, traffic));
  }
  const auto n = static_cast<double>(packets);
  std::printf("%-12s %-5s %-7s %10.0f packets/s  %6.2f us  bare %6.2f us  chain/bare speed %.2f\n",
              setup.mode == TransportMode::aes256_gcm_rtpsize ? "aes256-gcm" : "xchacha20",
              setup.dave ? "dave" : "-", setup.decode ? "decode" : "open", n / chain,
              chain / n * 1e6, bare / n * 1e6, bare / chain);
}

}  // namespace

int main(int argc, char **argv) {
  const std::size_t packets = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 20000;
  for (bool decode : {false, true})
    for (auto mode : {TransportMode::aes256_gcm_rtpsize, TransportMode::xchacha20_poly1305_rtpsize})
      for (bool dave : {false, true}) measure({mode, dave, decode}, packets);
  return 0;
}
