// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>

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
