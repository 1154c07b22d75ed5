// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>
#include <malloc.h>

#include <set>

#include "tests/unit/voice/fake_discord.hpp"

using namespace dv;
using namespace dv::voice;
using namespace dv::voice::test;

namespace {

/** Breaks one thing at random; returns what mends it again. */
std::function<void()> break_something(FakeDiscord &discord, std::mt19937 &chance) {
  const auto pick = [&](unsigned n) {
    return std::uniform_int_distribution<unsigned>(0, n - 1)(chance);
  };
  static constexpr std::uint16_t kMainCodes[] = {1000, 1006, 4000, 4001, 4002,
                                                 4003, 4005, 4007, 4008, 4009};
  static constexpr std::uint16_t kVoiceCodes[] = {1000, 1006, 4003, 4005, 4006, 4009,
                                                  4011, 4013, 4014, 4015, 4999, 4999};
  switch (pick(16)) {
    case 0:
    case 1:
      discord.close_main(kMainCodes[pick(10)]);
      return {};
    case 2:
    case 3:
      discord.close_voice(kVoiceCodes[pick(12)]);
      return {};
    case 4:
      discord.main_sends(7, nullptr);
      return {};
    case 5:
      discord.main_sends(9, pick(2) == 0);
      return {};
    case 6:
      discord.main_acks = false;
      return [&] { discord.main_acks = true; };
    case 7:
      discord.voice_acks = false;
      return [&] { discord.voice_acks = true; };
    case 8:
      discord.main_reachable = false;
      discord.close_main(std::nullopt);
      return [&] { discord.main_reachable = true; };
    case 9:
      discord.voice_reachable = false;
      discord.close_voice(std::nullopt);
      return [&] { discord.voice_reachable = true; };
    case 10:
      discord.udp_answers = false;
      return [&] { discord.udp_answers = true; };
    case 11:
      if (discord.in_channel) discord.server_update(std::nullopt);
      if (discord.in_channel) discord.server_update("moved.discord.media");
      return {};
    case 12:
      if (discord.in_channel) discord.server_update("next.discord.media:2048");
      return {};
    case 13:
      if (discord.in_channel)
        discord.own_state(discord.in_channel == kChannel ? kOtherChannel : kChannel);
      if (discord.in_channel) discord.server_update("other.discord.media");
      return {};
    case 14:
      discord.accept_resume = false;
      discord.close_main(1006);
      return [&] { discord.accept_resume = true; };
    default:
      discord.accept_voice_resume = false;
      discord.close_voice(1006);
      return [&] { discord.accept_voice_resume = true; };
  }
}

constexpr int kWarm = 120;  // minutes after which nothing grows any more
constexpr UserId kTalkers[] = {kAnna, kBen, kBen + 1};

/** Who is there says something in every session, on a number of its own. */
void let_people_talk(FakeDiscord &discord) {
  discord.before_description.push_back([&discord, next = Ssrc{5000}]() mutable {
    for (const UserId user : kTalkers) {
      discord.voice_sends(
          5, {{"speaking", 1}, {"ssrc", next++}, {"user_id", std::to_string(user)}});
    }
  });
}

/** Numbers that were told to be somebody's and not yet to be over. */
void count_sources(const FakeDiscord &discord, std::set<std::pair<SessionId, Ssrc>> &open) {
  for (const Source *source : discord.told<Source>()) {
    const std::pair number{source->session, source->ssrc};
    if (source->present) {
      open.insert(number);
    } else {
      open.erase(number);
    }
  }
}

void forget_what_was_seen(FakeDiscord &discord) {
  discord.reports.clear();
  discord.sent_texts.clear();
  discord.sent_sizes.clear();
  discord.main_sent.clear();
  discord.voice_sent.clear();
  discord.binaries.clear();
  discord.keys.clear();
  discord.udp_opened.clear();
  discord.main_urls.clear();
  discord.voice_urls.clear();
  discord.main_closes.clear();
  discord.voice_closes.clear();
}

/** Bytes in use; 0 under a sanitizer, which has a heap of its own. */
std::size_t heap() { return mallinfo2().uordblks; }

void run_a_day(std::uint32_t seed) {
  CAPTURE(seed);
  FakeDiscord discord(FakeDiscord::default_config(), seed);
  std::mt19937 chance(seed);
  std::set<std::pair<SessionId, Ssrc>> open;
  std::size_t early = 0;
  let_people_talk(discord);
  discord.start();
  REQUIRE(discord.ready());
  Time down{};
  for (int minute = 0; minute < 24 * 60; minute++) {
    const auto mend = break_something(discord, chance);
    discord.pump();
    discord.run(20s);
    if (mend) mend();
    if (discord.ended()) {
      INFO("ended in minute " << minute << ": " << discord.end()->text);
      REQUIRE_FALSE(discord.ended());
    }
    const Time broken = discord.now;
    const bool back = discord.run_until([&] { return discord.ready(); }, 300s);
    INFO("stuck in minute " << minute << " in state " << discord.voice->state_name());
    REQUIRE(back);
    down += discord.now - broken;
    if (discord.now - broken < 40s) discord.run(40s - (discord.now - broken));
    // Old sessions are ended, not collected.
    CHECK(discord.voice->unfinished_sessions().size() <= 16);
    count_sources(discord, open);
    CHECK(open.size() <= std::size(kTalkers) * discord.voice->unfinished_sessions().size());
    forget_what_was_seen(discord);
    if (minute == kWarm) early = heap();
  }
  // What a day leaves behind is what two hours do: the peer's list of Identifies grows, no more.
  CHECK(heap() < early + 64 * 1024);
  CHECK(discord.identifies.size() < 1000);
  std::size_t in_a_day = 0;
  for (std::size_t i = 0; i < discord.identifies.size(); i++) {
    if (i > 0) CHECK(discord.identifies[i] - discord.identifies[i - 1] >= 5s);
    while (discord.identifies[i] - discord.identifies[in_a_day] > std::chrono::hours(24))
      in_a_day++;
    CHECK(i - in_a_day < 1000);
  }
  MESSAGE("seed " << seed << ": " << discord.identifies.size() << " Identify, "
                  << discord.voice->stats().sessions << " voice sessions, "
                  << discord.voice->stats().resumes << " voice resumes, "
                  << std::chrono::duration_cast<std::chrono::seconds>(down).count()
                  << " s without a session beyond the 20 s of each fault");
}

}  // namespace

TEST_CASE("24 hours with a fault every minute: never stuck, never ended, no leak, within the budget") {
  for (const std::uint32_t seed : {1u, 2u, 3u}) run_a_day(seed);
}
