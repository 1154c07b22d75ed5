// SPDX-License-Identifier: LGPL-2.1-or-later
// One case per row of the table of edge cases (Discord docs: Voice Connections; observed
// behaviour).
#include <doctest/doctest.h>

#include "ext/voice/core/pacing.hpp"
#include "tests/unit/voice/fake_discord.hpp"

using namespace dv;
using namespace dv::voice;
using namespace dv::voice::test;

TEST_CASE("join accepted: state and server may come in any order") {
  for (const bool server_first : {false, true}) {
    FakeDiscord discord;
    discord.server_before_state = server_first;
    discord.start();
    CHECK(discord.ready());
    CHECK(discord.voice_urls.size() == 1);
  }
}

TEST_CASE("a join that is not answered is a clear error, and the bot does not slip in later") {
  FakeDiscord discord;
  discord.answer_join = false;
  SUBCASE("permission") {
    discord.start();
    discord.run(25s);
    REQUIRE(discord.end() != nullptr);
    CHECK(discord.end()->text.find("permission") != std::string::npos);
  }
  SUBCASE("full") {
    discord.user_limit = 1;
    discord.start();
    discord.run(25s);
    REQUIRE(discord.end() != nullptr);
    CHECK(discord.end()->text.find("full (1 of 1)") != std::string::npos);
  }
  CHECK(discord.end()->reason == EndReason::no_answer);
  CHECK(discord.end()->fatal);
  CHECK(discord.leaves == 1);
}

TEST_CASE("the timeout of a join begins when it goes out, not before") {
  FakeDiscord discord;
  discord.start();
  discord.voice->leave(discord.now);
  VoiceConnection voice(FakeDiscord::default_config(), [] { return 0.5; });
  voice.start(0s);
  voice.on_guild_event(GuildReady{kSelf, true, true}, 1s);
  CHECK(voice.next_wakeup() == kNever);
  voice.on_guild_event(JoinSent{}, 50s);
  CHECK(voice.next_wakeup() == 70s);
}

TEST_CASE("endpoint null: the connection is dropped, no op 4, the next server is taken") {
  FakeDiscord discord;
  discord.start();
  discord.server_update(std::nullopt);
  discord.pump();
  CHECK_FALSE(discord.udp_up);
  CHECK_FALSE(discord.ended());
  discord.run(10s);
  CHECK(discord.joins == 1);
  CHECK(discord.leaves == 0);
  discord.server_update("brazil9999.discord.media:2096");
  discord.pump();
  CHECK(discord.ready());
  CHECK(discord.voice_urls.back() == "wss://brazil9999.discord.media:2096/?v=8");
  CHECK(discord.told<Connected>().back()->again);
}

TEST_CASE("endpoint null during the join waits for the next server as well") {
  FakeDiscord discord;
  discord.answer_join = false;
  discord.start();
  discord.own_state(kChannel);
  discord.server_update(std::nullopt);
  discord.pump();
  discord.run(15s);
  CHECK_FALSE(discord.ended());
  discord.server_update("late.discord.media");
  discord.pump();
  CHECK(discord.ready());
}

TEST_CASE("same endpoint, new token: a whole new session") {
  FakeDiscord discord;
  discord.start();
  const SessionId before = discord.voice->session();
  discord.server_update(discord.endpoint);
  discord.pump();
  CHECK(discord.ready());
  CHECK(discord.voice->session() != before);
  CHECK(discord.voice_sent.back()["op"] == 5);
  CHECK(discord.voice_urls.size() == 2);
  CHECK(discord.joins == 1);
}

TEST_CASE("the same credentials again change nothing") {
  FakeDiscord discord;
  discord.start();
  discord.dispatch("VOICE_SERVER_UPDATE", {{"guild_id", std::to_string(kGuild)},
                                           {"token", discord.voice_token},
                                           {"endpoint", discord.endpoint}});
  discord.pump();
  CHECK(discord.voice_urls.size() == 1);
  CHECK(discord.ready());
}

TEST_CASE("moved by a moderator: goes on there, in any order of the two updates") {
  for (const bool server_first : {false, true}) {
    CAPTURE(server_first);
    FakeDiscord discord;
    discord.start();
    if (server_first) discord.server_update("next.discord.media");
    discord.own_state(kOtherChannel);
    if (!server_first) discord.server_update("next.discord.media");
    discord.pump();
    discord.close_voice(4014);
    discord.run(100ms);
    discord.run_until([&] { return discord.ready(); }, 30s);
    CHECK(discord.ready());
    CHECK(discord.voice->channel() == kOtherChannel);
    const auto moved = discord.told<Moved>();
    REQUIRE(moved.size() == 1);
    CHECK(moved[0]->from == kChannel);
    CHECK(moved[0]->to == kOtherChannel);
    CHECK(discord.told<Connected>().back()->channel == kOtherChannel);
  }
}

TEST_CASE("moved by a moderator with follow off: leaves and ends without an error") {
  VoiceConfig config = FakeDiscord::default_config();
  config.follow = false;
  FakeDiscord discord(std::move(config));
  discord.start();
  discord.own_state(kOtherChannel);
  discord.pump();
  REQUIRE(discord.end() != nullptr);
  CHECK(discord.end()->reason == EndReason::moved_away);
  CHECK_FALSE(discord.end()->fatal);
  CHECK(discord.leaves == 1);
}

TEST_CASE("moved, and no server follows: leaves and joins again, in the new channel") {
  FakeDiscord discord;
  discord.start();
  discord.own_state(kOtherChannel);
  discord.pump();
  discord.run(25s);
  CHECK(discord.ready());
  CHECK(discord.joins == 2);
  CHECK(discord.in_channel == kOtherChannel);
}

TEST_CASE("kicked, alone or not: stops and does not rejoin unasked") {
  for (const std::uint16_t code : {4014, 4022}) {
    FakeDiscord discord;
    discord.start();
    discord.close_voice(code);
    discord.own_state(std::nullopt);
    discord.pump();
    discord.run(120s);
    REQUIRE(discord.end() != nullptr);
    CHECK(discord.end()->reason == EndReason::kicked);
    CHECK_FALSE(discord.end()->fatal);
    CHECK(discord.joins == 1);
  }
}

TEST_CASE("kicked while an own leave is not out yet: no confirmation, so no rejoin") {
  FakeDiscord discord;
  discord.start();
  // Heartbeats are not held back but counted: afterwards everything else has to wait.
  for (std::size_t i = 0; i < SendBudget::kPerMinute; i++) discord.main_sends(1, nullptr);
  discord.pump();
  discord.close_voice(4006);
  discord.run(10s);
  REQUIRE_FALSE(discord.ended());
  CHECK(discord.leaves == 0);
  SUBCASE("kicked") {
    discord.own_state(std::nullopt);
    discord.pump();
    REQUIRE(discord.end() != nullptr);
    CHECK(discord.end()->reason == EndReason::kicked);
    discord.run(120s);
    CHECK(discord.joins == 1);
  }
  SUBCASE("not kicked") {
    discord.run(70s);
    CHECK(discord.leaves == 1);
    CHECK(discord.joins == 2);
    CHECK(discord.ready());
  }
}

TEST_CASE("another channel's deletion is nobody's business") {
  FakeDiscord discord;
  discord.start();
  discord.dispatch(
      "CHANNEL_DELETE",
      {{"guild_id", std::to_string(kGuild)}, {"id", std::to_string(kOtherChannel)}, {"type", 2}});
  discord.pump();
  CHECK(discord.ready());
}

TEST_CASE("a server update that nobody asked for is followed before the old socket dies") {
  FakeDiscord discord;
  discord.start();
  discord.server_update("rotterdam1.discord.media");
  discord.pump();
  CHECK(discord.ready());
  CHECK(discord.voice_urls.back() == "wss://rotterdam1.discord.media/?v=8");
  CHECK(discord.joins == 1);
  // The old session's keys stay in force for what is under way, then go.
  discord.run(11s);
  REQUIRE(std::get_if<SessionEndUpdate>(&discord.keys.back()) != nullptr);
  CHECK(session_of(discord.keys.back()) == discord.udp_opened[0].session);
}

TEST_CASE("fresh credentials are forced by leaving, waiting for the null state, joining") {
  FakeDiscord discord;
  discord.start();
  discord.close_voice(4006);
  discord.run(5s);
  std::vector<bool> joins;
  for (const auto &message : discord.main_sent) {
    if (message["op"] == 4) joins.push_back(!message["d"]["channel_id"].is_null());
  }
  CHECK(joins == std::vector<bool>{true, false, true});
  CHECK(discord.ready());
}

TEST_CASE("the bot joins muted and not deafened") {
  FakeDiscord discord;
  discord.start();
  for (const auto &message : discord.main_sent) {
    if (message["op"] != 4) continue;
    CHECK(message["d"]["self_mute"] == true);
    CHECK(message["d"]["self_deaf"] == false);
  }
}

TEST_CASE("deafened by a moderator: told, and told again when it is over") {
  FakeDiscord discord;
  discord.start();
  discord.own_state(kChannel, true);
  discord.own_state(kChannel, true);
  discord.own_state(kChannel, false);
  discord.pump();
  const auto told = discord.told<Deafened>();
  REQUIRE(told.size() == 2);
  CHECK(told[0]->deaf);
  CHECK_FALSE(told[1]->deaf);
  CHECK(discord.ready());
}

TEST_CASE("another process with this token: its states are not ours") {
  FakeDiscord discord;
  discord.start();
  for (const Json &channel : {Json(std::to_string(kOtherChannel)), Json()}) {
    discord.dispatch("VOICE_STATE_UPDATE", {{"guild_id", std::to_string(kGuild)},
                                            {"channel_id", channel},
                                            {"user_id", std::to_string(kSelf)},
                                            {"session_id", "of-somebody-else"}});
  }
  discord.pump();
  CHECK(discord.ready());
  CHECK(discord.told<Moved>().empty());
}

TEST_CASE("a late confirmation of an old leave does not end the new join") {
  FakeDiscord discord;
  discord.answer_join = false;
  discord.start();
  discord.own_state(std::nullopt);
  discord.pump();
  CHECK_FALSE(discord.ended());
  discord.own_state(kChannel);
  discord.server_update(discord.endpoint);
  discord.pump();
  CHECK(discord.ready());
}

TEST_CASE("while a leave is not confirmed nothing of the old session counts") {
  FakeDiscord discord;
  discord.start();
  discord.in_channel.reset();  // so that the peer does not confirm
  discord.close_voice(4006);
  REQUIRE(discord.run_until([&] { return discord.leaves == 1; }, 5s));
  discord.server_update("stale.discord.media");
  discord.pump();
  CHECK(discord.voice_urls.size() == 1);
  discord.run(6s);
  CHECK(discord.joins == 2);
  CHECK(discord.ready());
}

TEST_CASE("an outage of the guild is a warning, its end gives the names again") {
  FakeDiscord discord;
  discord.start();
  discord.dispatch("GUILD_DELETE", {{"id", std::to_string(kGuild)}, {"unavailable", true}});
  discord.pump();
  CHECK(discord.told<Warning>().size() == 1);
  CHECK(discord.ready());
}

TEST_CASE("an endpoint with a bad address ends the session before anything is sent to it") {
  for (const char *endpoint :
       {"https://evil.example", "127.0.0.1:443", "localhost", "evil.example/x", "user@evil.example",
        "evil.example:0", "10.1.2.3", "[::1]:443"}) {
    CAPTURE(endpoint);
    FakeDiscord discord;
    discord.endpoint = endpoint;
    discord.start();
    REQUIRE(discord.end() != nullptr);
    CHECK(discord.end()->reason == EndReason::bad_endpoint);
    CHECK(discord.voice_urls.empty());
  }
  VoiceConfig config = FakeDiscord::default_config();
  config.loopback = true;
  FakeDiscord local(std::move(config));
  local.endpoint = "localhost:7443";
  local.start();
  CHECK(local.ready());
}

TEST_CASE("a voice server whose certificate is refused at the start is an error, later an outage") {
  FakeDiscord discord;
  SUBCASE("start") {
    discord.voice_reachable = false;
    discord.failure_kind = ConnectFailureKind::tls;
    discord.start();
    REQUIRE(discord.end() != nullptr);
    CHECK(discord.end()->reason == EndReason::tls_failed);
    CHECK(discord.voice_sent.empty());
  }
  SUBCASE("later") {
    discord.start();
    discord.voice_reachable = false;
    discord.failure_kind = ConnectFailureKind::tls;
    discord.close_voice(1006);
    discord.run(20s);
    CHECK_FALSE(discord.ended());
    discord.voice_reachable = true;
    CHECK(discord.run_until([&] { return discord.ready(); }, 2s));
  }
}

TEST_CASE("a main gateway that is refused for good ends the recording with its text") {
  FakeDiscord discord;
  discord.start();
  discord.close_on_identify = 4004;
  discord.close_main(4003);
  discord.run(30s);
  REQUIRE(discord.end() != nullptr);
  CHECK(discord.end()->reason == EndReason::bad_token);
  CHECK_FALSE(discord.udp_up);
}

TEST_CASE("who was heard in a session that was replaced is over with it, once") {
  FakeDiscord discord;
  discord.start();
  const SessionId first = discord.voice->session();
  discord.voice_sends(5, {{"speaking", 1}, {"ssrc", 21}, {"user_id", std::to_string(kAnna)}});
  discord.voice_sends(5, {{"speaking", 1}, {"ssrc", 22}, {"user_id", std::to_string(kBen)}});
  discord.voice_sends(13, {{"user_id", std::to_string(kBen)}});
  discord.pump();
  discord.close_voice(4006);
  discord.run(30s);
  REQUIRE(discord.ready());
  std::map<Ssrc, int> over;
  for (const Source *source : discord.told<Source>()) {
    CHECK(source->session == first);
    over[source->ssrc] += !source->present;
  }
  CHECK(over == std::map<Ssrc, int>{{21, 1}, {22, 1}});
}

TEST_CASE("people who left while the connection was away are told to have left") {
  FakeDiscord discord;
  discord.before_description.push_back([&] {
    Json users = Json::array({std::to_string(kAnna)});
    if (discord.joins == 1) users.push_back(std::to_string(kBen));
    discord.voice_sends(11, {{"user_ids", users}});
  });
  discord.start();
  CHECK(discord.told<SpeakerJoined>().size() == 2);
  discord.close_voice(4006);
  discord.run(10s);
  REQUIRE(discord.ready());
  CHECK(discord.told<SpeakerJoined>().size() == 2);
  REQUIRE(discord.told<SpeakerLeft>().size() == 1);
  CHECK(discord.told<SpeakerLeft>()[0]->member.user == kBen);
}
