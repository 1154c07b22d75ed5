// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/voice/core/ssrc_table.hpp"

#include <doctest/doctest.h>

#include "tests/unit/voice/fake_discord.hpp"

using namespace dv;
using namespace dv::voice;
using namespace dv::voice::test;

TEST_CASE("op 5 binds, and the same again changes nothing") {
  SsrcTable table;
  table.start(1000);
  const auto changes = table.bind_audio(kAnna, 11, 0s);
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].ssrc == 11);
  CHECK(changes[0].user == kAnna);
  CHECK(changes[0].bound);
  CHECK(table.bind_audio(kAnna, 11, 1s).empty());
  CHECK(table.audio_ssrc_of(kAnna) == 11);
}

TEST_CASE("a user's new SSRC retires the old one after a grace for packets in flight") {
  SsrcTable table;
  table.start(1000);
  table.bind_audio(kAnna, 11, 0s);
  table.bind_audio(kAnna, 12, 10s);
  CHECK(table.audio_ssrc_of(kAnna) == 12);
  CHECK(table.advance(10500ms).empty());
  const auto changes = table.advance(table.next_wakeup());
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].ssrc == 11);
  CHECK_FALSE(changes[0].bound);
  CHECK(table.next_wakeup() == kNever);
  CHECK(table.size() == 1);
}

TEST_CASE("an SSRC that is used by somebody else is rebound at once") {
  SsrcTable table;
  table.start(1000);
  table.bind_audio(kAnna, 11, 0s);
  table.retire_user(kAnna, 1s);
  const auto changes = table.bind_audio(kBen, 11, 1s);
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].user == kBen);
  CHECK(table.audio_ssrc_of(kAnna) == 0);
  CHECK(table.advance(60s).empty());
  CHECK(table.audio_ssrc_of(kBen) == 11);
}

TEST_CASE("who comes back within the grace keeps what he had") {
  SsrcTable table;
  table.start(1000);
  table.bind_audio(kAnna, 11, 0s);
  table.retire_user(kAnna, 1s);
  table.bind_audio(kAnna, 11, 2s);
  CHECK(table.advance(60s).empty());
  CHECK(table.audio_ssrc_of(kAnna) == 11);
}

TEST_CASE("video and RTX are no audio; an SSRC that turns from one to the other follows") {
  SsrcTable table;
  table.start(1000);
  CHECK(table.bind_other(kAnna, 12, StreamKind::video).size() == 1);
  CHECK(table.bind_other(kAnna, 13, StreamKind::rtx).size() == 1);
  CHECK(table.bind_other(kAnna, 12, StreamKind::video).empty());
  CHECK(table.audio_ssrc_of(kAnna) == 0);
  const auto changes = table.bind_audio(kBen, 12, 0s);
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].kind == StreamKind::audio);
  table.bind_other(kBen, 12, StreamKind::video);
  CHECK(table.audio_ssrc_of(kBen) == 0);
}

TEST_CASE("the own SSRC, SSRC 0 and user 0 bind nothing, and the table is bounded") {
  SsrcTable table;
  table.start(1000);
  CHECK(table.bind_audio(kAnna, 1000, 0s).empty());
  CHECK(table.bind_audio(kAnna, 0, 0s).empty());
  CHECK(table.bind_audio(0, 11, 0s).empty());
  for (Ssrc ssrc = 2000; ssrc < 40000; ssrc++) table.bind_audio(ssrc, ssrc, 0s);
  CHECK(table.size() == 16384);
}

TEST_CASE("who is who over a session: op 5, op 12, op 13, rejoin, names that come later") {
  FakeDiscord discord;
  discord.start();
  const auto id = [](UserId user) { return std::to_string(user); };
  discord.voice_sends(5, {{"speaking", 1}, {"ssrc", 21}, {"user_id", id(kBen)}});
  discord.pump();
  // Ben is not among the members that came with the guild: asked for, then told.
  const auto sources = discord.told<Source>();
  REQUIRE(sources.size() == 2);
  CHECK(sources[0]->member.name.empty());
  CHECK(sources[1]->member.name == "user2");
  discord.voice_sends(12, {{"user_id", id(kBen)},
                           {"audio_ssrc", 21},
                           {"video_ssrc", 22},
                           {"streams", Json::array({{{"ssrc", 22}, {"rtx_ssrc", 23}}})}});
  discord.pump();
  std::size_t video = 0, rtx = 0;
  for (const auto &update : discord.keys) {
    const auto *ssrc = std::get_if<SsrcUpdate>(&update);
    if (ssrc == nullptr) continue;
    video += ssrc->kind == StreamKind::video;
    rtx += ssrc->kind == StreamKind::rtx;
  }
  CHECK(video == 1);
  CHECK(rtx == 1);
  discord.voice_sends(13, {{"user_id", id(kBen)}});
  discord.pump();
  CHECK(discord.told<SpeakerLeft>().size() == 1);
  discord.run(3s);
  CHECK_FALSE(discord.told<Source>().back()->present);
  discord.voice_sends(5, {{"speaking", 1}, {"ssrc", 31}, {"user_id", id(kBen)}});
  discord.pump();
  CHECK(discord.told<Source>().back()->ssrc == 31);
  CHECK(discord.told<Source>().back()->present);
  CHECK(discord.told<Source>().back()->member.name == "user2");
}

TEST_CASE("the bot itself is nobody who speaks") {
  FakeDiscord discord;
  discord.start();
  discord.voice_sends(11, {{"user_ids", {std::to_string(kSelf)}}});
  discord.voice_sends(5, {{"speaking", 1}, {"ssrc", 9}, {"user_id", std::to_string(kSelf)}});
  discord.pump();
  CHECK(discord.told<SpeakerJoined>().empty());
  CHECK(discord.told<Source>().empty());
}
