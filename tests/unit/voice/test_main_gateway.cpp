// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>

#include "tests/unit/voice/fake_discord.hpp"

using namespace dv;
using namespace dv::voice;
using namespace dv::voice::test;

TEST_CASE("every close code of the main gateway gets its reaction") {
  enum class Want { resume, new_session, fatal };
  struct Row {
    CloseCode code;
    Want want;
    EndReason reason = EndReason::left;
  };
  const Row rows[] = {
      {std::nullopt, Want::resume},
      {1006, Want::resume},
      {1001, Want::resume},
      {1000, Want::new_session},
      {3999, Want::resume},
      {4000, Want::resume},
      {4001, Want::resume},
      {4002, Want::resume},
      {4003, Want::new_session},
      {4004, Want::fatal, EndReason::bad_token},
      {4005, Want::new_session},
      {4007, Want::new_session},
      {4008, Want::new_session},
      {4009, Want::new_session},
      {4010, Want::fatal, EndReason::main_refused},
      {4011, Want::fatal, EndReason::main_refused},
      {4012, Want::fatal, EndReason::main_refused},
      {4013, Want::fatal, EndReason::main_refused},
      {4014, Want::fatal, EndReason::main_refused},
      {4999, Want::resume},
  };
  std::vector<std::string> texts;
  for (const Row &row : rows) {
    CAPTURE(row.code.value_or(0));
    FakeDiscord discord;
    discord.start();
    REQUIRE(discord.ready());
    discord.close_main(row.code);
    discord.run(60s);
    const auto resumes = count_op(discord.main_sent, 6);
    switch (row.want) {
      case Want::resume:
        CHECK(resumes == 1);
        CHECK(discord.identifies.size() == 1);
        CHECK(discord.voice_urls.size() == 1);  // the voice session is not touched
        CHECK(discord.main_urls.back() ==
              "wss://gateway-us-east1-b.discord.gg/?v=10&encoding=json");
        CHECK(discord.ready());
        break;
      case Want::new_session:
        CHECK(resumes == 0);
        CHECK(discord.identifies.size() == 2);
        CHECK(discord.voice_urls.size() == 2);
        CHECK(discord.ready());
        CHECK(discord.told<Connected>().back()->again);
        break;
      case Want::fatal:
        CHECK(resumes == 0);
        CHECK(discord.identifies.size() == 1);
        CHECK(discord.main_urls.size() == 1);
        REQUIRE(discord.end() != nullptr);
        CHECK(discord.end()->fatal);
        CHECK(discord.end()->reason == row.reason);
        texts.push_back(discord.end()->text);
        break;
    }
  }
  std::sort(texts.begin(), texts.end());
  CHECK(std::unique(texts.begin(), texts.end()) == texts.end());
}

TEST_CASE("a wrong token makes exactly one Identify") {
  FakeDiscord discord;
  discord.close_on_identify = 4004;
  discord.start();
  discord.run(3600s);
  CHECK(discord.identifies.size() == 1);
  CHECK(discord.main_urls.size() == 1);
  REQUIRE(discord.end() != nullptr);
  CHECK(discord.end()->reason == EndReason::bad_token);
  CHECK(discord.end()->text.find(kToken) == std::string::npos);
}

TEST_CASE("a token that can be none is refused without a connection") {
  for (const char *token : {"", "with space", "new\nline", "Bot "}) {
    MainConfig config;
    config.token = Secret::from_text(token);
    MainGateway main(std::move(config), [] { return 0.5; });
    main.attach(1, 2, 0s);
    main.start(0s);
    CHECK(main.failed());
    const auto actions = main.take_actions();
    REQUIRE(actions.size() == 1);
    const auto &event = std::get<MainNotify>(actions[0]).event;
    CHECK(std::get<MainFailed>(event).kind == MainFailed::Kind::bad_token);
  }
}

TEST_CASE("op 7 resumes at the resume URL, and media runs on") {
  FakeDiscord discord;
  discord.start();
  discord.main_sends(7, nullptr);
  discord.pump();
  discord.run(10s);
  CHECK(discord.main_closes == std::vector<std::uint16_t>{4000});
  CHECK(count_op(discord.main_sent, 6) == 1);
  CHECK(discord.identifies.size() == 1);
  CHECK(discord.udp_opened.size() == 1);
  CHECK(discord.ready());
}

TEST_CASE("op 9 true resumes, op 9 false identifies after a second or more at the first URL") {
  for (const bool resumable : {true, false}) {
    CAPTURE(resumable);
    FakeDiscord discord;
    discord.start();
    const Time before = discord.now;
    discord.main_sends(9, resumable);
    discord.pump();
    CHECK(discord.run_until([&] { return discord.main_urls.size() == 2; }));
    CHECK(discord.now - before >= 1s);
    discord.run(20s);
    CHECK(discord.identifies.size() == (resumable ? 1 : 2));
    CHECK(discord.main_urls[1].starts_with(resumable ? "wss://gateway-us-east1-b"
                                                     : "wss://gateway.discord.gg"));
    CHECK(discord.ready());
  }
}

TEST_CASE("a session whose Resume is never accepted ends in an Identify after three tries") {
  FakeDiscord discord;
  discord.start();
  discord.invalid_on_resume = true;
  discord.close_main(1006);
  discord.run(120s);
  CHECK(count_op(discord.main_sent, 6) == 3);
  CHECK(discord.identifies.size() == 2);
  CHECK(discord.ready());
}

TEST_CASE("a heartbeat without an answer ends the connection with 4000 and resumes") {
  FakeDiscord discord;
  discord.start();
  discord.run(50s);
  discord.main_acks = false;
  CHECK(discord.run_until([&] { return !discord.main_closes.empty(); }, 100s));
  CHECK(discord.main_closes.front() == 4000);
  discord.main_acks = true;
  discord.run(5s);
  CHECK(count_op(discord.main_sent, 6) == 1);
  CHECK(discord.main->stats().zombies == 1);
  CHECK(discord.ready());
}

TEST_CASE("the first heartbeat is spread over the interval, the others come one interval apart") {
  MainConfig config;
  config.token = Secret::from_text(kToken);
  MainGateway main(std::move(config), [] { return 0.25; });
  main.start(0s);
  main.on_open(0s);
  main.on_text(R"({"op":10,"d":{"heartbeat_interval":40000}})", 0s);
  main.take_actions();
  CHECK(main.next_wakeup() == 10s);
  main.advance(10s);
  const auto actions = main.take_actions();
  REQUIRE(actions.size() == 1);
  CHECK(std::get<MainSend>(actions[0]).text.text() == R"({"op":1,"d":null})");
}

TEST_CASE("op 1 is answered at once with the newest sequence number") {
  FakeDiscord discord;
  discord.start();
  for (int i = 0; i < 50; i++) discord.dispatch("TYPING_START", Json::object());
  discord.main_sends(1, nullptr);
  discord.pump();
  const Json beat = Json::parse(discord.sent_texts.back());
  CHECK(beat["op"] == 1);
  CHECK(beat["d"] == discord.main_seq);
}

TEST_CASE("a gateway without Hello or READY is given up and tried again") {
  FakeDiscord discord;
  SUBCASE("no Hello") { discord.hello = false; }
  SUBCASE("no READY") { discord.answer_identify = false; }
  discord.start();
  discord.run(25s);
  CHECK(discord.main_urls.size() >= 2);
  CHECK(discord.main_closes.front() == 4000);
  discord.run(10s);
  REQUIRE(discord.end() != nullptr);
  CHECK(discord.end()->reason == EndReason::main_unreachable);
  CHECK(discord.identifies.size() <= 2);
}

TEST_CASE("at the start an unreachable gateway and a bad certificate are clear errors") {
  struct Row {
    ConnectFailureKind kind;
    EndReason reason;
    std::size_t attempts;
  };
  for (const Row &row : {Row{ConnectFailureKind::tls, EndReason::tls_failed, 1},
                         Row{ConnectFailureKind::dns, EndReason::main_unreachable, 3},
                         Row{ConnectFailureKind::refused, EndReason::main_unreachable, 3}}) {
    FakeDiscord discord;
    discord.main_reachable = false;
    discord.failure_kind = row.kind;
    discord.start();
    discord.run(30s);
    REQUIRE(discord.end() != nullptr);
    CHECK(discord.end()->reason == row.reason);
    CHECK(discord.end()->fatal);
    CHECK(discord.main_urls.size() == row.attempts);
    CHECK(discord.main_sent.empty());
  }
}

TEST_CASE("an outage of the network is over within 2 s of its end") {
  for (const auto kind : {ConnectFailureKind::dns, ConnectFailureKind::refused,
                          ConnectFailureKind::tls, ConnectFailureKind::timeout}) {
    FakeDiscord discord;
    discord.start();
    discord.main_reachable = false;
    discord.failure_kind = kind;
    discord.close_main(std::nullopt);
    discord.run(45s);
    CHECK_FALSE(discord.main_open);
    discord.main_reachable = true;
    CHECK(discord.run_until([&] { return !discord.told<Resumed>().empty(); }, 2s));
    CHECK(discord.identifies.size() == 1);
  }
}

TEST_CASE("sessions are at least 5 s apart, whatever the peer does") {
  FakeDiscord discord;
  discord.start();
  for (int i = 0; i < 20; i++) {
    discord.close_main(4003);
    discord.run_until([&] { return discord.ready(); });
  }
  for (std::size_t i = 1; i < discord.identifies.size(); i++) {
    CHECK(discord.identifies[i] - discord.identifies[i - 1] >= 5s);
  }
}

TEST_CASE("a peer that refuses every session can not make a thousand of them in a day") {
  FakeDiscord discord;
  discord.start();
  discord.close_on_identify = 4003;
  discord.close_main(4003);
  discord.run(std::chrono::hours(24));
  CHECK(discord.identifies.size() > 500);
  CHECK(discord.identifies.size() < 1000);
  discord.close_on_identify.reset();
  CHECK(discord.run_until([&] { return discord.ready(); }, 3700s));
}

TEST_CASE("a token whose day is used up is not used again") {
  auto budget = std::make_shared<IdentifyBudget>();
  for (std::size_t i = 0; i < IdentifyBudget::kPerDay; i++) budget->spend(Time(1s) * i);
  MainConfig config;
  config.token = Secret::from_text(kToken);
  config.budget = budget;
  MainGateway main(std::move(config), [] { return 0.5; });
  main.start(2000s);
  CHECK(main.failed());
}

TEST_CASE("joins of fifty guilds cost one Identify and keep to the rate limit") {
  MainConfig config;
  config.token = Secret::from_text(kToken);
  MainGateway main(std::move(config), [] { return 0.5; });
  constexpr int kGuilds = 150;
  for (int i = 1; i <= kGuilds; i++) main.attach(GuildId(i), 9, 0s);
  main.start(0s);
  main.on_open(0s);
  main.on_text(R"({"op":10,"d":{"heartbeat_interval":41250}})", 0s);
  Json guilds = Json::array();
  for (int i = 1; i <= kGuilds; i++) guilds.push_back({{"id", std::to_string(i)}});
  const Json ready{{"op", 0},
                   {"t", "READY"},
                   {"s", 1},
                   {"d", {{"user", {{"id", "5"}}}, {"session_id", "s"}, {"guilds", guilds}}}};
  main.on_text(ready.dump(), 0s);
  std::vector<Time> sends;
  std::size_t identifies = 0, joins = 0, beats = 0;
  Time now = 0s;
  const auto drain = [&] {
    for (auto &action : main.take_actions()) {
      const auto *send = std::get_if<MainSend>(&action);
      if (send == nullptr) continue;
      const int op = Json::parse(send->text.text())["op"];
      identifies += op == 2;
      joins += op == 4;
      beats += op == 1;
      sends.push_back(now);
      if (op == 1) main.on_text(R"({"op":11})", now);
    }
  };
  drain();
  for (int i = 1; i <= kGuilds; i++) {
    main.on_text(
        Json{{"op", 0}, {"t", "GUILD_CREATE"}, {"s", i + 1}, {"d", {{"id", std::to_string(i)}}}}
            .dump(),
        now);
    main.join(GuildId(i), 9, true, false, now);
    drain();
  }
  CHECK(joins < kGuilds);
  while (joins < kGuilds && now < 300s) {
    now = std::max(now, main.next_wakeup());
    main.advance(now);
    drain();
  }
  CHECK(joins == kGuilds);
  CHECK(identifies == 1);
  CHECK(beats >= 1);
  for (std::size_t i = 0; i + 120 < sends.size(); i++) CHECK(sends[i + 120] - sends[i] >= 60s);
}

TEST_CASE("names come from member data, in the order nick, global name, user name, and follow it") {
  FakeDiscord discord;
  discord.start();
  CHECK(discord.voice->member(kAnna).name == "anna");
  const auto say = [&](const Json &member) {
    discord.dispatch("VOICE_STATE_UPDATE", {{"guild_id", std::to_string(kGuild)},
                                            {"channel_id", std::to_string(kChannel)},
                                            {"user_id", std::to_string(kBen)},
                                            {"session_id", "other"},
                                            {"member", member}});
    discord.pump();
    return discord.voice->member(kBen);
  };
  Json user{{"id", std::to_string(kBen)}, {"username", "ben"}, {"global_name", nullptr}};
  CHECK(say({{"user", user}}).name == "ben");
  user["global_name"] = "Benjamin";
  CHECK(say({{"user", user}, {"nick", nullptr}}).name == "Benjamin");
  CHECK(say({{"user", user}, {"nick", "../../x"}}).name == "../../x");
  user["bot"] = true;
  const Member long_name = say({{"user", user}, {"nick", std::string(5000, 'x')}});
  CHECK(long_name.name.size() == 256);
  CHECK(long_name.bot);
}

TEST_CASE("unknown names are asked for with op 8, a hundred at a time, twice a minute") {
  FakeDiscord discord;
  discord.start();
  Json users = Json::array();
  for (int i = 0; i < 250; i++) users.push_back(std::to_string(400000000000000000 + i));
  discord.voice_sends(11, {{"user_ids", users}});
  discord.pump();
  CHECK(count_op(discord.main_sent, 8) == 1);
  discord.run(61s);
  CHECK(count_op(discord.main_sent, 8) == 3);
  CHECK(discord.voice->member(400000000000000249).name == "user49");
  for (const std::size_t size : discord.sent_sizes) CHECK(size <= 4096);
}

TEST_CASE("a guild the bot is not in, and a channel the guild has not, are clear errors") {
  FakeDiscord discord;
  SUBCASE("guild") {
    discord.list_guild = false;
    discord.start();
    discord.run(10s);
    REQUIRE(discord.end() != nullptr);
    CHECK(discord.end()->reason == EndReason::guild_removed);
  }
  SUBCASE("channel") {
    discord.list_channel = false;
    discord.start();
    REQUIRE(discord.end() != nullptr);
    CHECK(discord.end()->reason == EndReason::unknown_channel);
  }
  CHECK(discord.end()->fatal);
  CHECK(discord.joins == 0);
}

TEST_CASE("a resume URL from the network must pass the rules of an endpoint") {
  FakeDiscord discord;
  discord.start();
  discord.close_main(4003);
  discord.run(30s);
  for (const char *url : {"ws://evil.example", "wss://user@evil.example", "wss://10.0.0.1",
                          "wss://localhost:1", "https://discord.gg", "wss://a b", ""}) {
    MainConfig config;
    config.token = Secret::from_text(kToken);
    MainGateway main(std::move(config), [] { return 0.5; });
    main.start(0s);
    main.on_open(0s);
    main.on_text(R"({"op":10,"d":{"heartbeat_interval":41250}})", 0s);
    main.on_text(
        Json{{"op", 0},
             {"t", "READY"},
             {"s", 1},
             {"d", {{"user", {{"id", "5"}}}, {"session_id", "s"}, {"resume_gateway_url", url}}}}
            .dump(),
        0s);
    main.take_actions();
    main.on_closed(1006, "", 1s);
    main.advance(main.next_wakeup());
    const auto actions = main.take_actions();
    REQUIRE(!actions.empty());
    CHECK(std::get<MainConnect>(actions[0]).url == "wss://gateway.discord.gg/?v=10&encoding=json");
  }
}

TEST_CASE("stopping closes with 1000 and asks for nothing more") {
  FakeDiscord discord;
  discord.start();
  discord.main->stop(discord.now);
  discord.pump();
  CHECK(discord.main_closes == std::vector<std::uint16_t>{1000});
  CHECK(discord.main->next_wakeup() == kNever);
}
