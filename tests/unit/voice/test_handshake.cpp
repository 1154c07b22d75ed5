// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>

#include "ext/voice/core/endpoint.hpp"
#include "tests/unit/voice/fake_discord.hpp"

using namespace dv;
using namespace dv::voice;
using namespace dv::voice::test;

TEST_CASE("a join leads through both handshakes to a session that receives") {
  FakeDiscord discord;
  discord.start();
  REQUIRE(discord.ready());
  CHECK(discord.main_urls ==
        std::vector<std::string>{"wss://gateway.discord.gg/?v=10&encoding=json"});
  CHECK(discord.voice_urls ==
        std::vector<std::string>{"wss://c-waw05-3976556b.discord.media:8443/?v=8"});
  CHECK(discord.identifies.size() == 1);
  CHECK(discord.main_sent[0]["d"]["token"] == kToken);
  CHECK(discord.main_sent[0]["d"]["intents"] == 129);
  REQUIRE(discord.voice_sent.size() == 3);
  CHECK(discord.voice_sent[0]["op"] == 0);
  CHECK(discord.voice_sent[0]["d"]["server_id"] == std::to_string(kGuild));
  CHECK(discord.voice_sent[1]["op"] == 1);
  CHECK(discord.voice_sent[1]["d"]["data"]["address"] == "198.51.100.9");
  CHECK(discord.voice_sent[1]["d"]["data"]["port"] == 40000);
  CHECK(discord.voice_sent[2] ==
        Json::parse(R"({"op":5,"d":{"speaking":0,"delay":0,"ssrc":1000}})"));
  CHECK(discord.pings == 1);
  REQUIRE(discord.told<Connected>().size() == 1);
  CHECK_FALSE(discord.told<Connected>()[0]->again);
  REQUIRE(discord.udp_opened.size() == 1);
  CHECK(discord.udp_opened[0].session == discord.voice->session());
  REQUIRE(!discord.keys.empty());
  const auto *key = std::get_if<TransportKeyUpdate>(&discord.keys[0]);
  REQUIRE(key != nullptr);
  CHECK(key->key.view()[31] == 231);
}

TEST_CASE("keepalive, heartbeats and their answers go on by themselves") {
  FakeDiscord discord;
  discord.start();
  discord.run(60s);
  CHECK(discord.ready());
  CHECK(discord.pings == 13);
  CHECK(discord.voice_beats == 12);
  CHECK(discord.main_beats >= 1);
  CHECK(discord.told<PingRtt>().size() == 13);
}

TEST_CASE("leaving is op 4 null, close 1000, closed UDP and one report") {
  FakeDiscord discord;
  discord.start();
  discord.voice->leave(discord.now);
  discord.pump();
  CHECK(discord.leaves == 1);
  CHECK(discord.voice_closes == std::vector<std::uint16_t>{1000});
  CHECK_FALSE(discord.udp_up);
  REQUIRE(discord.end() != nullptr);
  CHECK(discord.end()->reason == EndReason::left);
  CHECK_FALSE(discord.end()->fatal);
  CHECK(discord.voice->next_wakeup() == kNever);
  CHECK(discord.voice->unfinished_sessions().size() == 1);
}

TEST_CASE("the order of the first messages does not matter") {
  const auto speaking = [](FakeDiscord &discord) {
    discord.voice_sends(5, {{"speaking", 1}, {"ssrc", 4711}, {"user_id", std::to_string(kAnna)}});
  };
  const auto clients = [](FakeDiscord &discord) {
    discord.voice_sends(11, {{"user_ids", {std::to_string(kAnna), std::to_string(kBen)}}});
  };
  const auto external_sender = [](FakeDiscord &discord) {
    discord.voice_sends_binary(25, {0x40, 0x41, 0x04});
  };
  for (unsigned bits = 0; bits < 32; bits++) {
    CAPTURE(bits);
    FakeDiscord discord;
    discord.server_before_state = (bits & 1) != 0;
    discord.hello_after_ready = (bits & 2) != 0;
    auto &first = (bits & 4) != 0 ? discord.before_ready : discord.before_description;
    auto &second = (bits & 8) != 0 ? discord.before_ready : discord.before_description;
    const std::function<void()> acts[] = {[&] { speaking(discord); }, [&] { clients(discord); },
                                          [&] { external_sender(discord); }};
    first.push_back(acts[(bits & 16) != 0 ? 0 : 1]);
    second.push_back(acts[(bits & 16) != 0 ? 1 : 0]);
    second.push_back(acts[2]);
    discord.start();
    REQUIRE(discord.ready());
    CHECK(discord.told<SpeakerJoined>().size() == 2);
    bool bound = false;
    for (const auto &update : discord.keys) {
      const auto *ssrc = std::get_if<SsrcUpdate>(&update);
      bound = bound || (ssrc != nullptr && ssrc->ssrc == 4711 && ssrc->user == kAnna &&
                        ssrc->session == discord.voice->session());
    }
    CHECK(bound);
    discord.run(30s);
    CHECK(discord.voice_beats >= 5);
    CHECK(discord.ready());
  }
}

TEST_CASE("the preferred encryption mode is taken where it is offered, else the other one") {
  struct Row {
    std::vector<std::string> offered;
    TransportMode preferred;
    const char *chosen;
  };
  const char *gcm = "aead_aes256_gcm_rtpsize";
  const char *xchacha = "aead_xchacha20_poly1305_rtpsize";
  const Row rows[] = {
      {{gcm, xchacha}, TransportMode::aes256_gcm_rtpsize, gcm},
      {{gcm, xchacha}, TransportMode::xchacha20_poly1305_rtpsize, xchacha},
      {{xchacha}, TransportMode::aes256_gcm_rtpsize, xchacha},
      {{"xsalsa20_poly1305", gcm}, TransportMode::xchacha20_poly1305_rtpsize, gcm},
      {{"xsalsa20_poly1305", "aead_aes256_gcm"}, TransportMode::aes256_gcm_rtpsize, nullptr},
      {{}, TransportMode::aes256_gcm_rtpsize, nullptr},
  };
  for (const Row &row : rows) {
    VoiceConfig config = FakeDiscord::default_config();
    config.preferred_mode = row.preferred;
    FakeDiscord discord(std::move(config));
    discord.modes = row.offered;
    discord.start();
    if (row.chosen != nullptr) {
      REQUIRE(discord.ready());
      CHECK(discord.voice_sent[1]["d"]["data"]["mode"] == row.chosen);
    } else {
      REQUIRE(discord.end() != nullptr);
      CHECK(discord.end()->reason == EndReason::no_encryption_mode);
      CHECK(discord.udp_opened.empty());
    }
  }
}

TEST_CASE("discovery is tried twelve times, half a second apart, then the session is begun anew") {
  FakeDiscord discord;
  discord.udp_answers = false;
  discord.start();
  discord.run(5750ms);
  CHECK(discord.discoveries == 12);
  CHECK(discord.joins == 1);
  discord.run(2500ms);
  CHECK(discord.joins == 2);
  discord.udp_answers = true;
  CHECK(discord.run_until([&] { return discord.ready(); }, 5s));
}

TEST_CASE("a handshake that hangs is begun anew after the timeout") {
  FakeDiscord discord;
  discord.answer_voice_identify = false;
  discord.start();
  discord.run(19s);
  CHECK(discord.voice_urls.size() == 1);
  discord.answer_voice_identify = true;
  CHECK(discord.run_until([&] { return discord.ready(); }, 10s));
  CHECK(discord.joins == 2);
}

TEST_CASE("a second op 4 in a session replaces the key and nothing else") {
  FakeDiscord discord;
  discord.start();
  const std::size_t reports = discord.reports.size();
  discord.voice_sends(4, {{"mode", "aead_aes256_gcm_rtpsize"},
                          {"secret_key", Json(std::vector<int>(32, 7))},
                          {"dave_protocol_version", 0}});
  discord.pump();
  bool replaced = false;
  for (const auto &update : discord.keys) {
    const auto *key = std::get_if<TransportKeyUpdate>(&update);
    replaced = key != nullptr && key->key.view()[0] == 7;
    if (replaced) break;
  }
  CHECK(replaced);
  CHECK(discord.reports.size() == reports);
  CHECK(discord.ready());
}

TEST_CASE("a path that stops answering pings gets a new session, not a Resume") {
  FakeDiscord discord;
  discord.start();
  discord.run(20s);
  discord.udp_answers = false;
  discord.run(19s);
  CHECK(discord.joins == 1);
  discord.run(2s);
  CHECK(discord.joins == 2);
  discord.udp_answers = true;
  CHECK(discord.run_until([&] { return discord.ready(); }, 3s));
}

TEST_CASE("a path that dies while the voice gateway is away gets a new session after the Resume") {
  FakeDiscord discord;
  discord.start();
  discord.run(20s);
  discord.udp_answers = false;
  discord.voice_reachable = false;
  discord.close_voice(std::nullopt);
  discord.run(30s);
  CHECK(discord.joins == 1);
  discord.voice_reachable = true;
  CHECK(discord.run_until([&] { return discord.joins == 2; }, 10s));
  CHECK(discord.voice->stats().resumes == 1);
  discord.udp_answers = true;
  CHECK(discord.run_until([&] { return discord.ready(); }, 2s));
}

TEST_CASE("packets are a sign of life, whatever becomes of the pings") {
  FakeDiscord discord;
  discord.start();
  discord.run(20s);
  discord.udp_answers = false;
  for (int i = 0; i < 200; i++) {
    discord.run(250ms);
    discord.voice->on_rtp_received(discord.now);
    discord.pump();
  }
  CHECK(discord.ready());
  CHECK(discord.joins == 1);
}

TEST_CASE("a discovery request that is answered late is over within 2 s of the server's return") {
  for (const Time away : {5400ms, 5600ms, 5900ms, 6100ms, 6500ms}) {
    CAPTURE(away.count());
    FakeDiscord discord;
    discord.start();
    discord.udp_answers = false;
    discord.close_voice(4006);
    discord.run_until([&] { return discord.joins == 2; });
    discord.run(away);
    discord.udp_answers = true;
    CHECK(discord.run_until([&] { return discord.ready(); }, 2s));
  }
}

TEST_CASE("another own address: a new session at once") {
  FakeDiscord discord;
  discord.start();
  discord.run(20s);
  SUBCASE("in the middle of speech") {
    discord.voice->on_rtp_received(discord.now);
    discord.pump();
    discord.external_port++;
    CHECK(discord.run_until([&] { return discord.joins == 2; }, 1100ms));
  }
  SUBCASE("together with the gateway's connection") {
    discord.external_port++;
    discord.close_voice(std::nullopt);
    CHECK(discord.run_until([&] { return discord.joins == 2; }, 1100ms));
    CHECK(discord.voice->stats().resumes == 1);
  }
  SUBCASE("while nobody speaks") {
    discord.external_port++;
    CHECK(discord.run_until([&] { return discord.joins == 2; }, 6s));
  }
  CHECK(discord.run_until([&] { return discord.ready(); }, 1s));
  CHECK_FALSE(discord.told<Reconnecting>().back()->resume);
  discord.run(60s);
  CHECK(discord.joins == 2);
}

TEST_CASE("a server that never answers pings is believed to be alive") {
  FakeDiscord discord;
  discord.start();
  FakeDiscord mute;
  mute.before_description.push_back([&] { mute.udp_answers = false; });
  mute.start();
  mute.run(600s);
  CHECK(mute.ready());
  CHECK(mute.joins == 1);
  CHECK(mute.voice->stats().pongs == 0);
}

TEST_CASE("a UDP address that can not be a voice server's is refused") {
  for (const char *ip : {"127.0.0.1", "0.0.0.0", "239.1.2.3", "localhost", "example.org", ""}) {
    CHECK_MESSAGE(!is_usable_udp_address(ip, false), ip);
  }
  CHECK(is_usable_udp_address("127.0.0.1", true));
  CHECK(is_usable_udp_address("203.0.113.7", false));
}
