// SPDX-License-Identifier: LGPL-2.1-or-later
// The server's own parts: what a test relies on must itself be right.
#include <doctest/doctest.h>

#include <set>

#include "tests/server/json_util.hpp"
#include "tests/server/options.hpp"
#include "tests/server/rtp_build.hpp"
#include "tests/server/server.hpp"
#include "tests/server/speaker.hpp"
#include "tests/server/transport.hpp"

using namespace dv;
using namespace dv::server;

namespace {

std::array<std::uint8_t, 32> counting_key() {
  std::array<std::uint8_t, 32> key;
  for (std::size_t i = 0; i < key.size(); i++) key[i] = static_cast<std::uint8_t>(i);
  return key;
}

constexpr auto kGcm = TransportMode::aes256_gcm_rtpsize;
constexpr auto kXChaCha = TransportMode::xchacha20_poly1305_rtpsize;

/** Two spurts of 3 and 2 packets, a loop of 960 * 20 samples. */
std::shared_ptr<const Speech> short_speech() {
  auto speech = std::make_shared<Speech>();
  speech->samples = 960 * 20;
  for (std::uint8_t n = 0; n < 5; n++) speech->packets.push_back({0xfc, n});
  speech->spurts = {{.first = 0, .count = 3, .start = 0},
                    {.first = 3, .count = 2, .start = 960 * 12}};
  return speech;
}

std::vector<SpeakerFrame> frames_until(Speaker &speaker, Time until) {
  std::vector<SpeakerFrame> frames;
  while (auto frame = speaker.next(until)) frames.push_back(*frame);
  return frames;
}

}  // namespace

TEST_CASE("transport: opens the vectors of discord-voice.md 4.9, and nothing else") {
  struct Case {
    TransportMode mode;
    bool rtcp;
    const char *datagram;
    const char *plain;
  };
  const Case cases[] = {
      {kGcm, false, "80781234000654320001a2b31ad37c6ee3916b8ab348104cb3da3bd3d80e5301000000",
       "80781234000654320001a2b3f8fffe"},
      {kGcm, false,
       "b078123600065bb20001a2b3bede0001802fc89b25d6e126f462948aab9e51af5a5753667b2b1d3ecb97494f1e4"
       "bd01a"
       "b25a985a8c59e64c2bc8e9a1b7c1b06403000000",
       "b078123600065bb20001a2b3bede000110a390027c87d3fe0c5a1b2e3948576675849302a1b0cfde00000000000"
       "00008"},
      {kGcm, false,
       "92f8fffffffffc400001a2b31111111122222222bede00021f24346afae608b78be1152d3263c644c124ebb4b95"
       "e93a66c6aa504"
       "030201",
       "92f8fffffffffc400001a2b31111111122222222bede0002107f510001900300f8fffe"},
      {kGcm, true,
       "81c900070001a2b381e66bf67d2ffc19352a3ba8323ab19d8da15e23a0fee1927abaae77af19fc894ec700a5bce"
       "e4be500000080",
       "81c900070001a2b30002bbcc050000110001ffff0000002a1234567800010000"},
      {kXChaCha, false, "80781234000654320001a2b342fc85ffdb34f2150547e2bb3da00f17b57b3f01000000",
       "80781234000654320001a2b3f8fffe"},
      {kXChaCha, true,
       "81c900070001a2b35fa5e653fc60f52bddd1d4fa0f68d973055ef5227e504e6430f6d25e0aa82079994ea5e17c1"
       "03ed700000080",
       "81c900070001a2b30002bbcc050000110001ffff0000002a1234567800010000"},
  };
  for (const Case &c : cases) {
    Transport transport(c.mode, counting_key());
    Bytes datagram = *unhex(c.datagram);
    const auto open = [&] {
      return c.rtcp ? transport.open_rtcp(datagram) : transport.open_rtp(datagram);
    };
    CHECK(open() == unhex(c.plain));
    for (std::size_t i = 1; i < datagram.size(); i += 3) {
      datagram[i] ^= 1;
      CHECK_FALSE(open());
      datagram[i] ^= 1;
    }
    datagram.resize(19);
    CHECK_FALSE(open());
  }
}

TEST_CASE("transport: what is sealed opens, and the first nonces are 1 and 0x80000000") {
  for (const TransportMode mode : {kGcm, kXChaCha}) {
    Transport transport(mode, counting_key());
    const Bytes rtp = build_rtp({.seq = 7, .rtp = 9, .marker = true}, 11,
                                {.extension = true, .csrc = true, .padding = 5}, Bytes{1, 2, 3});
    const Bytes sealed = transport.seal_rtp(rtp);
    CHECK(hex(ByteView(sealed).last(4)) == "01000000");
    CHECK(transport.open_rtp(sealed) == rtp);
    CHECK(hex(rtp_payload(rtp)) == "010203");
    const Bytes report = build_sender_report({.sender = 11});
    const Bytes sealed_report = transport.seal_rtcp(report);
    CHECK(hex(ByteView(sealed_report).last(4)) == "00000080");
    CHECK(transport.open_rtcp(sealed_report) == report);
  }
}

TEST_CASE("speaker: spurts end with five silence frames, and the clock runs through pauses") {
  Speaker speaker(1, 1000, short_speech(), 3);
  speaker.set_profile({.start_seq = 65534, .start_rtp = 0xfffffc40}, speaker.shared_speech());
  CHECK(speaker.next_due() == kNever);
  speaker.start(1s);
  CHECK_FALSE(speaker.next(1s - 1ms));
  const auto frames = frames_until(speaker, 1s + 399ms);
  REQUIRE(frames.size() == 8 + 7);
  for (std::size_t i = 0; i < frames.size(); i++) {
    const std::uint32_t sample = static_cast<std::uint32_t>(i < 8 ? i : i + 4) * 960;
    CHECK(frames[i].seq == static_cast<std::uint16_t>(65534 + i));
    CHECK(frames[i].rtp == 0xfffffc40 + sample);
    CHECK(frames[i].marker == (i == 0 || i == 8));
    CHECK(frames[i].silence == ((i >= 3 && i < 8) || i >= 10));
    CHECK(frames[i].due == 1s + sample / 960 * 20ms);
  }
  CHECK(speaker.next_due() == 1s + 400ms);  // the loop starts over
}

TEST_CASE("speaker: a client that keeps no clock goes on by the length of its packets") {
  Speaker speaker(1, 1000, short_speech(), 3);
  speaker.set_profile({.advance = false, .start_rtp = 100}, speaker.shared_speech());
  speaker.start(0s);
  const auto frames = frames_until(speaker, 399ms);
  for (std::size_t i = 0; i < frames.size(); i++)
    CHECK(frames[i].rtp == 100 + static_cast<std::uint32_t>(i) * 960);
}

TEST_CASE("speaker: stopped in a spurt it closes it, restarted it continues its clock") {
  Speaker speaker(1, 1000, short_speech(), 3);
  speaker.set_profile({.start_seq = 0, .start_rtp = 0}, speaker.shared_speech());
  speaker.start(0s);
  CHECK(frames_until(speaker, 25ms).size() == 2);
  speaker.stop(25ms);
  const auto closing = frames_until(speaker, 10s);
  REQUIRE(closing.size() == 5);
  CHECK(closing[0].silence);
  CHECK_FALSE(speaker.talking());
  speaker.start(1s);
  const auto again = frames_until(speaker, 1s);
  REQUIRE(again.size() == 1);
  CHECK(again[0].rtp == 48000);
  CHECK(again[0].seq == 7);
  CHECK(again[0].marker);
}

TEST_CASE("speaker: stopped when the next frame was due already it leaves out whole frames") {
  Speaker speaker(1, 1000, short_speech(), 3);
  speaker.set_profile({.start_seq = 0, .start_rtp = 0}, speaker.shared_speech());
  speaker.start(0s);
  CHECK(frames_until(speaker, 25ms).size() == 2);
  speaker.stop(45ms);
  const auto closing = frames_until(speaker, 10s);
  REQUIRE(closing.size() == 5);
  CHECK(closing[0].seq == 2);
  CHECK(closing[0].rtp == 3 * 960);
  CHECK(closing[0].due == 60ms);
}

TEST_CASE("faults: the same seed draws the same fates, and one rate does not move another") {
  FaultPlan a(5), b(5), c(5);
  a.set({.loss = 5, .reorder = 5, .seed = 9});
  b.set({.loss = 5, .reorder = 5, .seed = 9});
  c.set({.loss = 5, .reorder = 0, .padding = 50, .seed = 9});
  int lost = 0;
  std::set<unsigned> displacements;
  for (int n = 0; n < 10000; n++) {
    const Fate x = a.next(), y = b.next(), z = c.next();
    CHECK(x.drop == y.drop);
    CHECK(x.overtaken_by == y.overtaken_by);
    CHECK(x.drop == z.drop);
    CHECK(z.overtaken_by == 0);
    lost += x.drop;
    displacements.insert(x.overtaken_by);
  }
  CHECK(lost > 400);
  CHECK(lost < 600);
  CHECK(displacements == std::set<unsigned>{0, 1, 2, 3});
}

TEST_CASE("options: known names with fitting values only") {
  Options options;
  CHECK(set_option(options, "voice-heartbeat-ms", "500"));
  CHECK(options.voice_heartbeat_ms == 500);
  CHECK(set_option(options, "udp", "false"));
  CHECK_FALSE(options.udp);
  CHECK_FALSE(set_option(options, "udp", "maybe"));
  CHECK_FALSE(set_option(options, "voice-heartbeat-ms", "-1"));
  CHECK_FALSE(set_option(options, "no-such-option", "1"));
  for (const auto &name : option_names()) CHECK_FALSE(name.empty());
}

TEST_CASE("server: starts and ends in process, answers commands, refuses nonsense") {
  std::string error;
  auto server = Server::start({.speakers = 2, .dave = true}, &error);
  REQUIRE_MESSAGE(server, error);
  CHECK(server->speakers().size() == 2);
  REQUIRE(server->wait_for("transition"));
  const auto before = server->last_event();
  const std::string reply = server->command(R"({"cmd":"add-user","name":"Guest","id":5})");
  CHECK(reply.find("\"id\":5") != std::string::npos);
  CHECK(reply.find("\"ok\":true") != std::string::npos);
  CHECK(server->wait_for("epoch", before));
  CHECK(server->speakers().size() == 3);
  for (const char *bad :
       {"", "[]", "{", R"({"cmd":7})", R"({"cmd":"no-such"})", R"({"cmd":"fault","loss":"x"})",
        R"({"cmd":"kick"})", R"({"cmd":"fault","user":"1"})"})
    CHECK(server->command(bad).find("\"ok\":false") != std::string::npos);
  CHECK(server->counters().identifies == 0);
}
