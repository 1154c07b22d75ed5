// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/voice/core/watchdog.hpp"

#include <doctest/doctest.h>

#include "tests/unit/voice/fake_discord.hpp"

using namespace dv;
using namespace dv::voice;
using namespace dv::voice::test;

TEST_CASE("silence is normal") {
  Watchdog dog(true);
  dog.start(true, 0s);
  CHECK(dog.next_wakeup() == kNever);
}

TEST_CASE("packets that do not open heal by ping, resume, new session, two seconds apart") {
  Watchdog dog(true);
  dog.start(true, 0s);
  std::vector<std::pair<Time, HealStep>> steps;
  for (Time now = 10s; now < 20s; now += 20ms) {
    dog.on_received(now);
    if (const auto step = dog.advance(now, true)) steps.emplace_back(now, *step);
    if (steps.size() == 3) break;
  }
  REQUIRE(steps.size() == 3);
  CHECK(steps[0].first == 12s);
  CHECK(steps[0].second == HealStep::ping);
  CHECK(steps[1].first == 14s);
  CHECK(steps[1].second == HealStep::resume);
  CHECK(steps[2].first == 16s);
  CHECK(steps[2].second == HealStep::new_session);
}

TEST_CASE("who makes long pauses between words that do not open is helped all the same") {
  Watchdog dog(true);
  dog.start(true, 0s);
  std::vector<HealStep> steps;
  for (Time now = 1s; now < 60s && steps.size() < 3; now += 20ms) {
    if (now % Time(6s) < Time(3s)) dog.on_received(now);
    if (now % Time(5s) == Time(0s)) dog.on_pong(now);
    if (const auto step = dog.advance(now, true)) steps.push_back(*step);
  }
  CHECK(steps ==
        std::vector<HealStep>{HealStep::ping, HealStep::resume, HealStep::new_session});
}

TEST_CASE("one packet that opens calms it") {
  Watchdog dog(true);
  dog.start(true, 0s);
  dog.on_received(1s);
  dog.on_received(2s);
  dog.on_opened();
  CHECK(dog.next_wakeup() == kNever);
  CHECK_FALSE(dog.advance(60s, true).has_value());
}

TEST_CASE("op 5 without packets leads to a ping only, where the ping is answered") {
  Watchdog dog(true);
  dog.start(true, 0s);
  dog.on_speaking(1s);
  CHECK(dog.advance(3s, true) == HealStep::ping);
  dog.on_pong(3100ms);
  CHECK(dog.next_wakeup() == kNever);
}

TEST_CASE("op 5 without packets goes on where the ping is lost, if this server answers pings") {
  for (const bool answers : {true, false}) {
    Watchdog dog(true);
    dog.start(true, 0s);
    dog.on_speaking(1s);
    CHECK(dog.advance(3s, answers) == HealStep::ping);
    CHECK(dog.advance(5s, answers).has_value() == answers);
  }
}

TEST_CASE("a sender who stays broken costs ever fewer new sessions") {
  Watchdog dog(true);
  dog.start(true, 0s);
  std::vector<Time> sessions;
  for (Time now = 0s; now < 3600s; now += 100ms) {
    dog.on_received(now);
    const auto step = dog.advance(now, true);
    if (step != HealStep::new_session) continue;
    sessions.push_back(now);
    dog.start(true, now);
  }
  CHECK(sessions.size() >= 5);
  CHECK(sessions.size() <= 12);
  CHECK(sessions[1] - sessions[0] >= 30s);
  CHECK(sessions.back() - sessions[sessions.size() - 2] >= 600s);
}

TEST_CASE("a machine that stood still has judged nothing") {
  Watchdog dog(true);
  dog.start(true, 0s);
  dog.on_speaking(1s);
  CHECK_FALSE(dog.advance(5s, true).has_value());
  CHECK(dog.next_wakeup() == 7s);
  CHECK(dog.advance(7s, true) == HealStep::ping);
}

TEST_CASE("without hints about opened packets a received one counts") {
  Watchdog dog(false);
  dog.start(true, 0s);
  dog.on_speaking(1s);
  dog.on_received(2s);
  CHECK(dog.next_wakeup() == kNever);
}

TEST_CASE("each step of healing is a report and a counter, and the last one helps") {
  VoiceConfig config = FakeDiscord::default_config();
  config.watch_opened = true;
  FakeDiscord discord(std::move(config));
  discord.start();
  const SessionId before = discord.voice->session();
  for (int i = 0; i < 80 && discord.voice->session() == before; i++) {
    discord.voice->on_rtp_received(discord.now);
    discord.run(100ms);
  }
  discord.run(2s);
  CHECK(discord.told<Healing>().size() == 3);
  const VoiceStats stats = discord.voice->stats();
  CHECK(stats.heal_pings == 1);
  CHECK(stats.heal_resumes == 1);
  CHECK(stats.heal_sessions == 1);
  CHECK(stats.resumes == 1);
  CHECK(discord.ready());
  CHECK(discord.joins == 2);
}

TEST_CASE("a deafened bot hears nothing and heals nothing") {
  VoiceConfig config = FakeDiscord::default_config();
  config.watch_opened = true;
  FakeDiscord discord(std::move(config));
  discord.start();
  discord.own_state(kChannel, true);
  discord.pump();
  for (int i = 0; i < 100; i++) {
    discord.voice->on_rtp_received(discord.now);
    discord.run(100ms);
  }
  CHECK(discord.told<Healing>().empty());
}
