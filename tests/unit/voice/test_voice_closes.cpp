// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>

#include <set>

#include "tests/unit/voice/fake_discord.hpp"

using namespace dv;
using namespace dv::voice;
using namespace dv::voice::test;

namespace {

enum class Want { resume, new_session, once, few, verdict, fatal };
struct Row {
  CloseCode code;
  Want want;
  EndReason reason = EndReason::left;
};
const Row kRows[] = {
    {std::nullopt, Want::resume},
    {1000, Want::resume},
    {1006, Want::resume},
    {1015, Want::resume},
    {4001, Want::once, EndReason::protocol_error},
    {4002, Want::once, EndReason::protocol_error},
    {4003, Want::new_session},
    {4004, Want::once, EndReason::voice_auth},
    {4005, Want::new_session},
    {4006, Want::new_session},
    {4009, Want::new_session},
    {4011, Want::new_session},
    {4012, Want::fatal, EndReason::protocol_error},
    {4013, Want::resume},
    {4014, Want::verdict},
    {4015, Want::resume},
    {4016, Want::fatal, EndReason::no_encryption_mode},
    {4017, Want::fatal, EndReason::dave_required},
    {4020, Want::once, EndReason::protocol_error},
    {4021, Want::fatal, EndReason::rate_limited},
    {4022, Want::verdict},
    {4999, Want::few, EndReason::protocol_error},
};

}  // namespace

TEST_CASE("every close code of the voice gateway gets its reaction while receiving") {
  std::set<std::string> texts;
  for (const Row &row : kRows) {
    CAPTURE(row.code.value_or(0));
    FakeDiscord discord;
    discord.start();
    REQUIRE(discord.ready());
    const SessionId session = discord.voice->session();
    discord.close_voice(row.code);
    if (row.want == Want::resume) CHECK(discord.udp_up);
    if (row.want == Want::verdict) {
      CHECK(std::string(discord.voice->state_name()) == "waiting");
      discord.server_update("other.discord.media");
      discord.pump();
      CHECK(discord.ready());
      CHECK(discord.voice_urls.back() == "wss://other.discord.media/?v=8");
      CHECK(discord.leaves == 0);
      continue;
    }
    discord.run(2s);
    switch (row.want) {
      case Want::resume:
        CHECK(count_op(discord.voice_sent, 7) == 1);
        CHECK(count_op(discord.voice_sent, 0) == 1);
        CHECK(discord.voice->session() == session);
        CHECK(discord.udp_opened.size() == 1);
        CHECK(discord.told<Reconnecting>().back()->resume);
        CHECK(discord.told<Resumed>().size() == 1);
        CHECK(discord.leaves == 0);
        CHECK(discord.ready());
        break;
      case Want::once:
      case Want::few:
      case Want::new_session:
        CHECK(count_op(discord.voice_sent, 7) == 0);
        CHECK(discord.leaves == 1);
        CHECK(discord.joins == 2);
        CHECK(discord.voice->session() != session);
        CHECK(discord.udp_opened.size() == 2);
        CHECK(discord.told<Connected>().back()->again);
        CHECK(discord.ready());
        break;
      case Want::fatal:
        REQUIRE(discord.end() != nullptr);
        CHECK(discord.end()->fatal);
        CHECK(discord.end()->reason == row.reason);
        texts.insert(discord.end()->text);
        CHECK(discord.voice_urls.size() == 1);
        CHECK(discord.leaves == 1);
        break;
      case Want::verdict:
        break;
    }
  }
  CHECK(texts.size() == 4);
}

TEST_CASE("a code that blames this client is forgiven once, and again after good service") {
  for (const Row &row : kRows) {
    if (row.want != Want::once) continue;
    CAPTURE(row.code.value_or(0));
    FakeDiscord discord;
    discord.start();
    discord.close_voice(row.code);
    REQUIRE(discord.run_until([&] { return discord.ready(); }, 10s));
    discord.run(70s);
    discord.close_voice(row.code);
    REQUIRE(discord.run_until([&] { return discord.ready(); }, 10s));
    discord.close_voice(row.code);
    REQUIRE(discord.end() != nullptr);
    CHECK(discord.end()->reason == row.reason);
    CHECK(discord.end()->fatal);
  }
}

TEST_CASE("every close code is survived or ended with its reason during the handshake as well") {
  for (const Row &row : kRows) {
    CAPTURE(row.code.value_or(0));
    FakeDiscord discord;
    discord.close_on_voice_identify = row.code ? row.code : CloseCode(1006);
    discord.start();
    if (row.want == Want::fatal) {
      REQUIRE(discord.end() != nullptr);
      CHECK(discord.end()->reason == row.reason);
      CHECK(discord.voice_urls.size() == 1);
      continue;
    }
    discord.run(row.want == Want::verdict ? 1s : 3s);
    if (row.want == Want::once) {
      REQUIRE(discord.end() != nullptr);
      CHECK(discord.end()->fatal);
      CHECK(count_op(discord.voice_sent, 0) == 2);
      continue;
    }
    CHECK_FALSE(discord.ended());
    CHECK(count_op(discord.voice_sent, 7) == 0);  // nothing to resume yet
    discord.close_on_voice_identify.reset();
    if (row.want == Want::verdict) discord.server_update("next.discord.media");
    CHECK(discord.run_until([&] { return discord.ready(); }, 60s));
  }
}

TEST_CASE("4017 is never tried again and says what to do") {
  FakeDiscord discord;
  discord.close_on_voice_identify = 4017;
  discord.start();
  discord.run(3600s);
  CHECK(discord.voice_urls.size() == 1);
  CHECK(discord.end()->text.find("max-dave-version") != std::string::npos);
}

TEST_CASE_TEMPLATE("after 4014 and 4022 the main gateway decides", Code,
                   std::integral_constant<std::uint16_t, 4014>,
                   std::integral_constant<std::uint16_t, 4022>) {
  constexpr std::uint16_t code = Code::value;
  FakeDiscord discord;
  discord.start();
  discord.close_voice(code);
  SUBCASE("own state null ends it") {
    discord.own_state(std::nullopt);
    discord.pump();
    REQUIRE(discord.end() != nullptr);
    CHECK(discord.end()->reason == EndReason::kicked);
    CHECK_FALSE(discord.end()->fatal);
    CHECK(discord.leaves == 0);
  }
  SUBCASE("endpoint null waits on, then the endpoint comes") {
    discord.server_update(std::nullopt);
    discord.pump();
    discord.run(15s);
    CHECK_FALSE(discord.ended());
    discord.server_update("next.discord.media:443");
    discord.pump();
    CHECK(discord.ready());
    CHECK(discord.joins == 1);
  }
  SUBCASE("channel deleted ends it") {
    discord.dispatch(
        "CHANNEL_DELETE",
        {{"guild_id", std::to_string(kGuild)}, {"id", std::to_string(kChannel)}, {"type", 2}});
    discord.pump();
    REQUIRE(discord.end() != nullptr);
    CHECK(discord.end()->reason == EndReason::channel_deleted);
  }
  SUBCASE("removed from the guild ends it") {
    discord.dispatch("GUILD_DELETE", {{"id", std::to_string(kGuild)}});
    discord.pump();
    REQUIRE(discord.end() != nullptr);
    CHECK(discord.end()->reason == EndReason::guild_removed);
  }
  SUBCASE("a new main session joins again") {
    discord.close_main(4003);
    discord.run(30s);
    CHECK(discord.ready());
    CHECK(discord.joins == 2);
  }
  SUBCASE("a main gateway that is away gets the time it needs") {
    discord.main_reachable = false;
    discord.close_main(1006);
    discord.run(40s);
    CHECK_FALSE(discord.ended());
    discord.main_reachable = true;
    discord.run(2s);
    discord.own_state(std::nullopt);
    discord.pump();
    REQUIRE(discord.end() != nullptr);
    CHECK(discord.end()->reason == EndReason::kicked);
  }
  SUBCASE("nothing: 4014 is tried once more, 4022 was the end") {
    discord.run(20s);
    if (code == 4014) {
      CHECK(discord.ready());
      CHECK(discord.joins == 2);
    } else {
      REQUIRE(discord.end() != nullptr);
      CHECK(discord.end()->reason == EndReason::call_terminated);
      CHECK_FALSE(discord.end()->fatal);
      CHECK(discord.joins == 1);
    }
  }
  SUBCASE("nothing, and the rejoin is not answered either") {
    discord.answer_join = false;
    discord.run(60s);
    REQUIRE(discord.end() != nullptr);
    CHECK(discord.end()->reason ==
          (code == 4014 ? EndReason::disconnected : EndReason::call_terminated));
  }
}

TEST_CASE("the answer before the question: state null or a new server before the socket closes") {
  FakeDiscord discord;
  discord.start();
  SUBCASE("kicked") {
    discord.own_state(std::nullopt);
    discord.close_voice(4014);
    REQUIRE(discord.end() != nullptr);
    CHECK(discord.end()->reason == EndReason::kicked);
  }
  SUBCASE("moved to another server") {
    discord.server_update("next.discord.media");
    discord.pump();
    discord.close_voice(4014);  // by the old socket: it is not listened to any more
    discord.run(1s);
    CHECK_FALSE(discord.ended());
  }
}

TEST_CASE("a voice session is resumed with the last number of text and binary messages") {
  FakeDiscord discord;
  discord.start();
  discord.voice_sends(20, {{"user_id", std::to_string(kAnna)}, {"platform", 0}});
  discord.voice_sends_binary(99, {1, 2, 3});
  discord.pump();
  const int last = discord.voice_seq;
  discord.run(6s);
  const Json beat = Json::parse(discord.sent_texts.back());
  CHECK(beat["op"] == 3);
  CHECK(beat["d"]["seq_ack"] == last);
  discord.voice_seq = 65534;
  discord.voice_sends(20, Json::object());
  discord.voice_sends(20, Json::object());
  discord.pump();
  discord.close_voice(1006);
  discord.run(2s);
  CHECK(discord.voice_sent.back()["op"] == 7);
  // The counter has wrapped: the newest counts, not the largest.
  CHECK(discord.voice_sent.back()["d"]["seq_ack"] == (discord.voice_seq & 0xFFFF));
}

TEST_CASE("three unanswered heartbeats resume, three failed resumes make a new session") {
  FakeDiscord discord;
  discord.start();
  discord.voice_acks = false;
  discord.accept_voice_resume = true;
  CHECK(discord.run_until([&] { return !discord.voice_closes.empty(); }, 30s));
  CHECK(discord.voice_closes.front() == 4000);
  discord.voice_acks = true;
  discord.run(2s);
  CHECK(discord.told<Resumed>().size() == 1);
  CHECK(discord.voice->stats().missed_acks == 1);

  discord.accept_voice_resume = false;  // answered with 4006
  discord.close_voice(1006);
  CHECK(discord.run_until([&] { return discord.ready(); }, 10s));
  CHECK(discord.joins == 2);
  CHECK(discord.voice->stats().resume_failures == 1);
}

TEST_CASE("a voice server that comes back within a minute is resumed within 2 s") {
  FakeDiscord discord;
  discord.start();
  discord.voice_reachable = false;
  discord.close_voice(1006);
  discord.run(30s);
  CHECK(discord.udp_up);
  discord.voice_reachable = true;
  CHECK(discord.run_until([&] { return discord.ready(); }, 2s));
  CHECK(discord.udp_opened.size() == 1);
  CHECK(discord.joins == 1);
}

TEST_CASE("a voice server that stays away is replaced") {
  FakeDiscord discord;
  discord.start();
  discord.voice_reachable = false;
  discord.close_voice(1006);
  CHECK(discord.run_until([&] { return discord.joins >= 2; }, 80s));
  discord.voice_reachable = true;
  CHECK(discord.run_until([&] { return discord.ready(); }, 5s));
}

TEST_CASE("a code that is not known is tried again five times without good service") {
  FakeDiscord discord;
  discord.start();
  discord.close_on_voice_identify = 4999;
  discord.close_voice(4999);
  discord.run(300s);
  REQUIRE(discord.end() != nullptr);
  CHECK(discord.end()->reason == EndReason::protocol_error);
  CHECK(count_op(discord.voice_sent, 0) == 6);
}
