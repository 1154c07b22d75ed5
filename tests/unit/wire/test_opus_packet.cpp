// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>
#include <opus.h>

#include <cmath>
#include <random>
#include <string>

#include "ext/wire/opus_packet.hpp"
#include "tests/support/hex.hpp"

using namespace dv;
using dv::test::from_hex;

TEST_CASE("durations come from the packet") {
  struct Case {
    const char *hex;
    std::uint32_t samples;  // 0: not a packet
  };
  const Case cases[] = {
      {"f8fffe", 960},             // CELT 20 ms
      {"fcfffe", 960},             // stereo
      {"f8", 960},                 // DTX: TOC alone
      {"e0", 120},                 // 2.5 ms
      {"18", 2880},                // SILK 60 ms
      {"fb03aabbcc", 2880},        // three equal frames
      {"fb03aabb", 0},             // not divisible
      {"fb00aabb", 0},             // no frames
      {"fb3100", 0},               // 49 frames
      {"fb06000000000000", 5760},  // 120 ms
      {"fb0700000000000000", 0},   // 140 ms
      {"1b03aabbcc", 0},           // 180 ms
      {"f9aabb", 1920},            // two equal
      {"f9aabbcc", 0},             // odd length
      {"fa01aabb", 1920},          // two variable
      {"fa05aabb", 0},             // longer than what follows
      {"fa", 0},                   // length missing
      {"fafc", 0},                 // second byte of it missing
      {"fb41030102", 0},           // more padding than bytes
      {"fb410100", 960},           // one frame of nothing, padding 1
      {"fb41ff", 0},               // padding length without end
      {"fb8301aabbcc", 0},         // variable: second length missing
      {"fb830101aabbcc", 2880},    // variable
      {"fb", 0},
      {"", 0},
  };
  for (const Case &c : cases) {
    CAPTURE(std::string(c.hex));
    const auto packet = parse_opus(from_hex(c.hex));
    CHECK((packet ? packet->samples : 0) == c.samples);
  }
  Bytes big(1277, 0);
  big[0] = 0xf8;
  CHECK_FALSE(parse_opus(big));
  big.pop_back();
  CHECK(parse_opus(big));
}

TEST_CASE("only the two silence packets are silence") {
  CHECK(is_opus_silence(from_hex("f8fffe")));
  CHECK(is_opus_silence(from_hex("fcfffe")));
  CHECK_FALSE(is_opus_silence(from_hex("f8ffff")));
  CHECK_FALSE(is_opus_silence(from_hex("f8fffe00")));
  CHECK_FALSE(is_opus_silence(from_hex("f8")));
}

TEST_CASE("random packets are accepted exactly where libopus accepts them") {
  std::mt19937 random(6716);
  for (int i = 0; i < 300000; ++i) {
    Bytes packet(1 + random() % (i % 10 == 0 ? 1500 : 12));
    for (auto &b : packet) b = static_cast<std::uint8_t>(random());
    if (i % 2 == 0) packet[0] |= 3;
    const unsigned char *frames[48];
    opus_int16 sizes[48];
    const int n = opus_packet_parse(packet.data(), static_cast<opus_int32>(packet.size()), nullptr,
                                    frames, sizes, nullptr);
    const auto own = parse_opus(packet);
    REQUIRE(own.has_value() == (n > 0));
    if (!own) continue;
    REQUIRE(own->frames == n);
    REQUIRE(own->samples == static_cast<std::uint32_t>(opus_packet_get_nb_samples(
                                packet.data(), static_cast<opus_int32>(packet.size()), 48000)));
  }
}

TEST_CASE("the FEC flag shows what the encoder put in") {
  int error = 0;
  OpusEncoder *encoder = opus_encoder_create(48000, 1, OPUS_APPLICATION_VOIP, &error);
  REQUIRE(error == OPUS_OK);
  opus_encoder_ctl(encoder, OPUS_SET_SIGNAL(OPUS_SIGNAL_VOICE));
  opus_encoder_ctl(encoder, OPUS_SET_BITRATE(24000));
  for (int fec : {0, 1}) {
    opus_encoder_ctl(encoder, OPUS_SET_INBAND_FEC(fec));
    opus_encoder_ctl(encoder, OPUS_SET_PACKET_LOSS_PERC(fec != 0 ? 30 : 0));
    int with = 0;
    for (int n = 0; n < 100; ++n) {
      opus_int16 pcm[960];
      for (int i = 0; i < 960; ++i)
        pcm[i] = static_cast<opus_int16>(8000 * std::sin((n * 960 + i) * 0.02) *
                                         (1 + std::sin((n * 960 + i) * 0.0007)));
      Bytes packet(1500);
      const int size = opus_encode(encoder, pcm, 960, packet.data(), 1500);
      REQUIRE(size > 0);
      packet.resize(static_cast<std::size_t>(size));
      const auto own = parse_opus(packet);
      REQUIRE(own);
      with += own->has_fec ? 1 : 0;
    }
    CHECK((fec != 0 ? with > 50 : with <= 1));
  }
  opus_encoder_destroy(encoder);
}
