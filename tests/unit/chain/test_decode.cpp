// SPDX-License-Identifier: LGPL-2.1-or-later
#include <opus.h>

#include <limits>

#include "ext/chain/pcm_convert.hpp"
#include "ext/wire/opus_packet.hpp"
#include "tests/unit/chain/harness.hpp"

using namespace dv;
using namespace dv::test;

namespace {

/** What libopus makes of the same packets. */
class Reference {
 public:
  explicit Reference(const ChainConfig &config) : config_(config) {
    int error = 0;
    decoder_ = opus_decoder_create(static_cast<opus_int32>(config.rate), config.channels, &error);
    REQUIRE(error == OPUS_OK);
  }
  ~Reference() { opus_decoder_destroy(decoder_); }

  Bytes decode(ByteView packet) { return run(packet, 5760, 0); }
  Bytes fec(ByteView packet, int samples) { return run(packet, samples, 1); }
  Bytes plc(int samples) { return run({}, samples, 0); }

 private:
  Bytes run(ByteView packet, int samples, int fec) {
    const auto frame = samples * static_cast<int>(config_.rate) / 48000;
    const auto *data = packet.empty() ? nullptr : packet.data();
    const auto size = static_cast<opus_int32>(packet.size());
    const bool s16 = config_.format == SampleFormat::s16;
    Bytes out(static_cast<std::size_t>(frame) * config_.channels * (s16 ? 2 : 4));
    const int n = s16 ? opus_decode(decoder_, data, size,
                                    reinterpret_cast<opus_int16 *>(out.data()), frame, fec)
                      : opus_decode_float(decoder_, data, size,
                                          reinterpret_cast<float *>(out.data()), frame, fec);
    REQUIRE(n > 0);
    out.resize(static_cast<std::size_t>(n) * config_.channels * (s16 ? 2 : 4));
    return out;
  }
  ChainConfig config_;
  OpusDecoder *decoder_;
};

}  // namespace

TEST_CASE("what the chain decodes is what libopus decodes, bit by bit") {
  for (SampleFormat format : {SampleFormat::s16, SampleFormat::f32})
    for (std::uint32_t rate : {48000U, 16000U})
      for (std::uint8_t channels : {std::uint8_t{1}, std::uint8_t{2}})
        for (Time latency : {Time{0}, Time{120ms}}) {
          ChainConfig config;
          config.format = format;
          config.rate = rate;
          config.channels = channels;
          config.latency = latency;
          Harness h(config);
          SealedStream speaker(h.session, 11, 7, 65500);
          h.apply(speaker.binding());
          OpusSource source;
          Reference reference(config);
          std::vector<Bytes> expected;
          for (int i = 0; i < 60; ++i) {
            const Bytes opus = source.next();
            expected.push_back(reference.decode(opus));
            SealOptions options;
            options.padding = i % 3 == 0 ? 7 : 0;
            options.extension_words = i % 2 == 0 ? 2 : 0;
            options.csrcs = i % 5 == 0 ? 2 : 0;
            h.receive(speaker.send(opus, 960, options));
            h.pass(20ms);
          }
          h.check_closed();
          REQUIRE(h.sink.frames.size() == expected.size());
          for (std::size_t i = 0; i < expected.size(); ++i) {
            const auto &frame = h.sink.frames[i];
            REQUIRE(frame.data == expected[i]);
            REQUIRE(frame.facts.extended_seq == 65536 + 65500 + i);
            REQUIRE(frame.facts.rtp_time == 50000 + 960 * i);
            REQUIRE(frame.facts.samples == 960);
            REQUIRE(frame.facts.user == 7);
            REQUIRE(frame.facts.ssrc == 11);
            REQUIRE(frame.facts.session == 1);
          }
          CHECK(h.sink.account[Verdict::delivered] == expected.size());
        }
}

TEST_CASE("overdriven voices, too, are what libopus makes of them") {
  for (bool voice : {true, false})
    for (std::uint8_t channels : {std::uint8_t{1}, std::uint8_t{2}}) {
      ChainConfig config;
      config.channels = channels;
      Harness h(config);
      SealedStream speaker(h.session, 11, 7);
      h.apply(speaker.binding());
      OpusSource source({.bitrate = 24000, .voice = voice, .loudness = 12});
      Reference reference(config);
      std::vector<Bytes> expected;
      int beyond = 0;
      for (int i = 0; i < 150; ++i) {
        const Bytes opus = source.next();
        const Bytes datagram = speaker.send(opus);
        // From time to time one is lost, and made up either way.
        if (i % 20 == 15) continue;
        if (i % 20 == 16)
          expected.push_back(parse_opus(opus)->has_fec ? reference.fec(opus, 960)
                                                       : reference.plc(960));
        expected.push_back(reference.decode(opus));
        const auto *pcm = reinterpret_cast<const std::int16_t *>(expected.back().data());
        for (std::size_t n = 0; n < expected.back().size() / 2; ++n)
          beyond += pcm[n] == 32767 || pcm[n] == -32768 ? 1 : 0;
        h.receive(datagram);
        h.pass(20ms);
      }
      h.pass(200ms);
      h.check_closed();
      CHECK(beyond > 0);
      REQUIRE(h.sink.frames.size() == expected.size());
      for (std::size_t i = 0; i < expected.size(); ++i)
        REQUIRE(h.sink.frames[i].data == expected[i]);
    }
}

TEST_CASE("conversion to 16 bit limits, rounds half to even, and survives what is no number") {
  const float in[] = {0.0f,
                      1.0f,
                      -1.0f,
                      2.0f,
                      -2.0f,
                      0.5f / 32768,
                      1.5f / 32768,
                      -2.5f / 32768,
                      std::numeric_limits<float>::quiet_NaN(),
                      std::numeric_limits<float>::infinity(),
                      -std::numeric_limits<float>::infinity(),
                      1e30f};
  const std::int16_t expected[] = {0, 32767, -32768, 32767, -32768, 0,
                                   2, -2,    -32768, 32767, -32768, 32767};
  for (std::size_t from = 0; from < 12; ++from) {
    std::int16_t out[12];
    chain::to_s16(in + from, out, 12 - from);
    for (std::size_t i = from; i < 12; ++i) CHECK(out[i - from] == expected[i]);
  }
  CHECK(chain::within_full_scale(in, 3));
  for (std::size_t at = 0; at < 35; ++at) {
    float quiet[35] = {};
    CHECK(chain::within_full_scale(quiet, 35));
    quiet[at] = at % 2 == 0 ? 1.01f : -1.01f;
    CHECK_FALSE(chain::within_full_scale(quiet, 35));
  }
}

TEST_CASE("without loss or disorder nothing waits, but the first frame") {
  Harness h;
  SealedStream speaker(h.session, 11, 7);
  h.apply(speaker.binding());
  OpusSource source;
  h.receive(speaker.send(source.next()));
  CHECK(h.sink.frames.empty());
  h.pass(120ms);
  CHECK(h.sink.frames.size() == 1);
  for (std::size_t i = 0; i < 10; ++i) {
    h.receive(speaker.send(source.next()));
    CHECK(h.sink.frames.size() == 2 + i);
  }
  CHECK(h.chain.next_wakeup() == kNever);
}

TEST_CASE("a frame that was overtaken is put in its place before it is decoded") {
  Harness h;
  SealedStream speaker(h.session, 11, 7, 100);
  h.apply(speaker.binding());
  OpusSource source;
  Reference reference({});
  std::vector<Bytes> datagrams, expected;
  for (int i = 0; i < 6; ++i) {
    const Bytes opus = source.next();
    expected.push_back(reference.decode(opus));
    datagrams.push_back(speaker.send(opus));
  }
  for (int i : {0, 2, 1, 3, 5, 4}) {
    h.receive(datagrams[static_cast<std::size_t>(i)]);
    h.pass(20ms);
  }
  h.check_closed();
  REQUIRE(h.numbers() == std::vector<unsigned>{100, 101, 102, 103, 104, 105});
  for (std::size_t i = 0; i < 6; ++i) CHECK(h.sink.frames[i].data == expected[i]);
}

TEST_CASE("a lost packet is made up from the copy in the next one") {
  Harness h;
  SealedStream speaker(h.session, 11, 7, 100);
  h.apply(speaker.binding());
  OpusSource source;
  Reference reference({});
  std::vector<Bytes> expected;
  for (int i = 0; i < 20; ++i) {
    const Bytes opus = source.next();
    const Bytes datagram = speaker.send(opus);
    if (i == 15) continue;
    if (i == 16) {
      REQUIRE(parse_opus(opus)->has_fec);
      expected.push_back(reference.fec(opus, 960));
    }
    expected.push_back(reference.decode(opus));
    h.receive(datagram);
    h.pass(20ms);
  }
  h.pass(200ms);
  h.check_closed();
  REQUIRE(h.sink.frames.size() == 20);
  for (std::size_t i = 0; i < 20; ++i) {
    const auto &frame = h.sink.frames[i];
    CHECK(frame.data == expected[i]);
    CHECK(frame.facts.extended_seq == 65636 + i);
    CHECK(frame.facts.rtp_time == 50000 + 960 * i);
    CHECK((frame.facts.flags & kFrameConcealed) == (i == 15 ? kFrameConcealed : 0));
    CHECK((frame.facts.flags & kFrameAfterGap) == (i == 0 ? kFrameAfterGap : 0));
  }
  REQUIRE(h.sink.losses.size() == 1);
  CHECK(h.sink.losses[0].first == 65651);
  CHECK(h.sink.losses[0].count == 1);
  CHECK(h.sink.losses[0].concealed == 1);
}

TEST_CASE("a long loss is made up to its limit, and the rest is told as a gap") {
  ChainConfig config;
  config.plc_limit = 60ms;
  config.fec = false;
  Harness h(config);
  SealedStream speaker(h.session, 11, 7, 100);
  h.apply(speaker.binding());
  OpusSource source;
  Reference reference(config);
  std::vector<Bytes> expected;
  for (int i = 0; i < 30; ++i) {
    const Bytes opus = source.next();
    const Bytes datagram = speaker.send(opus);
    if (i >= 10 && i < 20) continue;
    if (i == 20)
      for (int n = 0; n < 3; ++n) expected.push_back(reference.plc(960));
    expected.push_back(reference.decode(opus));
    h.receive(datagram);
    h.pass(20ms);
  }
  h.pass(200ms);
  h.check_closed();
  REQUIRE(h.sink.frames.size() == 23);
  for (std::size_t i = 0; i < 23; ++i) {
    CHECK(h.sink.frames[i].data == expected[i]);
    const bool gap = (h.sink.frames[i].facts.flags & kFrameAfterGap) != 0;
    CHECK(gap == (i == 0 || i == 13));
  }
  CHECK(h.sink.frames[12].facts.rtp_time == 50000 + 12 * 960);
  CHECK(h.sink.frames[13].facts.rtp_time == 50000 + 20 * 960);
  REQUIRE(h.sink.losses.size() == 1);
  CHECK(h.sink.losses[0].count == 10);
  CHECK(h.sink.losses[0].concealed == 3);
}

TEST_CASE("a pause of the speaker is not loss") {
  Harness h;
  SealedStream speaker(h.session, 11, 7);
  h.apply(speaker.binding());
  OpusSource source;
  for (int i = 0; i < 10; ++i) {
    if (i == 5) speaker.pause(480000);
    h.receive(speaker.send(source.next()));
    h.pass(20ms);
  }
  h.pass(200ms);
  h.check_closed();
  CHECK(h.sink.frames.size() == 10);
  CHECK(h.sink.losses.empty());
}

TEST_CASE("a frame that came after it was given up is late, a second copy is a duplicate") {
  Harness h;
  SealedStream speaker(h.session, 11, 7, 100);
  h.apply(speaker.binding());
  OpusSource source;
  std::vector<Bytes> d;
  for (int i = 0; i < 5; ++i) d.push_back(speaker.send(source.next()));
  h.receive(d[0]);
  h.pass(120ms);
  h.receive(d[2]);
  const auto again = h.receive(d[2]);
  CHECK(h.verdict(again) == Verdict::duplicate);
  h.pass(121ms);
  CHECK(h.verdict(h.receive(d[1])) == Verdict::late);
  CHECK(h.verdict(h.receive(d[0])) == Verdict::duplicate);
  h.check_closed();
}

TEST_CASE("a new numbering starts the decoder anew and is told") {
  Harness h;
  SealedStream speaker(h.session, 11, 7, 40000);
  h.apply(speaker.binding());
  OpusSource source;
  Reference before({}), after({});
  std::vector<Bytes> expected;
  for (int i = 0; i < 10; ++i) {
    if (i == 5) speaker.set_seq(100);
    const Bytes opus = source.next();
    expected.push_back((i < 5 ? before : after).decode(opus));
    h.receive(speaker.send(opus));
    h.pass(20ms);
  }
  h.pass(200ms);
  h.check_closed();
  REQUIRE(h.sink.frames.size() == 10);
  for (std::size_t i = 0; i < 10; ++i) {
    CHECK(h.sink.frames[i].data == expected[i]);
    CHECK((h.sink.frames[i].facts.flags & kFrameRestart) == (i == 5 ? kFrameRestart : 0));
  }
  CHECK(h.sink.losses.empty());
}

TEST_CASE("an authentic packet that is no Opus is counted and made up") {
  Harness h;
  SealedStream speaker(h.session, 11, 7, 100);
  h.apply(speaker.binding());
  OpusSource source;
  std::uint64_t bad = 0;
  for (int i = 0; i < 10; ++i) {
    const Bytes opus = source.next();
    if (i == 5)
      bad = h.receive(speaker.send(Bytes{0xfb, 0x00, 0x11}));
    else
      h.receive(speaker.send(opus));
    h.pass(20ms);
  }
  h.pass(200ms);
  CHECK(h.verdict(bad) == Verdict::bad_opus);
  h.check_closed();
  REQUIRE(h.sink.frames.size() == 10);
  CHECK((h.sink.frames[5].facts.flags & kFrameConcealed) != 0);
  CHECK(h.sink.account[Verdict::delivered] == 9);
}

TEST_CASE("a packet of padding alone uses its number and delays nothing") {
  Harness h;
  SealedStream speaker(h.session, 11, 7, 100);
  h.apply(speaker.binding());
  OpusSource source;
  for (int i = 0; i < 6; ++i) {
    SealOptions padding;
    padding.padding = 20;
    const auto tag =
        i == 3 ? h.receive(speaker.send({}, 0, padding)) : h.receive(speaker.send(source.next()));
    if (i == 3) CHECK(h.verdict(tag) == Verdict::padding_only);
    h.pass(20ms);
  }
  h.pass(100ms);
  CHECK(h.numbers() == std::vector<unsigned>{100, 101, 102, 104, 105});
  CHECK(h.sink.losses.empty());
  h.check_closed();
}

TEST_CASE("silence is marked, frames of 60 ms and of DTX keep their length") {
  Harness h;
  SealedStream speaker(h.session, 11, 7, 100);
  h.apply(speaker.binding());
  OpusSource::Config config;
  config.samples = 2880;
  OpusSource source(config);
  h.receive(speaker.send(source.next(), 2880));
  h.receive(speaker.send(Bytes{0xf8, 0xff, 0xfe}));
  h.receive(speaker.send(Bytes{0xf8}));
  h.pass(200ms);
  h.check_closed();
  REQUIRE(h.sink.frames.size() == 3);
  CHECK(h.sink.frames[0].facts.samples == 2880);
  CHECK(h.sink.frames[0].data.size() == 2880 * 4);
  CHECK((h.sink.frames[1].facts.flags & kFrameSilence) != 0);
  CHECK((h.sink.frames[2].facts.flags & kFrameSilence) == 0);
  CHECK(h.sink.frames[2].data.size() == 960 * 4);
}

TEST_CASE("primed packets leave no trace but the decoder's state") {
  OpusSource source;
  SealedSession sender(1);
  SealedStream speaker(sender, 11, 7, 100);
  std::vector<Bytes> datagrams;
  for (int i = 0; i < 40; ++i) datagrams.push_back(speaker.send(source.next()));
  Harness whole, second;
  whole.apply(speaker.binding());
  second.apply(speaker.binding());
  for (std::size_t i = 0; i < 40; ++i) {
    whole.receive(datagrams[i]);
    if (i != 5 && i < 30) second.receive(datagrams[i], true);
  }
  CHECK(second.sink.frames.empty());
  CHECK(second.sink.of_tag.empty());
  CHECK(second.chain.next_wakeup() == kNever);
  for (std::size_t i = 30; i < 40; ++i) {
    second.receive(datagrams[i]);
    // The stream is known already: its first real packet waits for nothing.
    CHECK(second.sink.frames.size() == i - 29);
  }
  second.check_closed();
  whole.check_closed();
  CHECK(second.sink.losses.empty());
  for (std::size_t i = 0; i < 10; ++i) {
    const auto &a = whole.sink.frames[30 + i].data, &b = second.sink.frames[i].data;
    REQUIRE(a.size() == b.size());
    double signal = 0, noise = 0;
    for (std::size_t n = 0; n + 1 < a.size(); n += 2) {
      const double x = static_cast<std::int16_t>(a[n] | a[n + 1] << 8);
      const double y = static_cast<std::int16_t>(b[n] | b[n + 1] << 8);
      signal += x * x;
      noise += (x - y) * (x - y);
    }
    CHECK(noise * 100 < signal);  // 20 dB: one packet was missing among the primed ones
  }
}
