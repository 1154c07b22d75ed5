// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>

#include "tests/unit/voice/fake_discord.hpp"

using namespace dv;
using namespace dv::voice;
using namespace dv::voice::test;

namespace {

VoiceConfig handed_over() {
  VoiceConfig config = FakeDiscord::default_config();
  config.hand_over = true;
  config.self = kSelf;
  return config;
}

/** Credentials that the peer will accept. */
HandOver credentials(FakeDiscord &discord, const std::string &token,
                     std::optional<ChannelId> channel = kChannel) {
  discord.voice_token = token;
  discord.main_session = "session-of-the-bot";
  discord.in_channel = channel;
  Json json{{"guildId", std::to_string(kGuild)},
            {"userId", std::to_string(kSelf)},
            {"sessionId", discord.main_session},
            {"token", token},
            {"endpoint", discord.endpoint}};
  json["channelId"] = channel ? Json(std::to_string(*channel)) : Json();
  auto update = parse_hand_over(json.dump());
  REQUIRE(update.has_value());
  return std::move(*update);
}

}  // namespace

TEST_CASE("hand-over: credentials alone lead to a session, nothing is asked of a main gateway") {
  FakeDiscord discord(handed_over());
  discord.voice->start(discord.now);
  discord.voice->on_hand_over(credentials(discord, "t1"), discord.now);
  discord.pump();
  CHECK(discord.ready());
  CHECK(discord.joins == 0);
  CHECK(discord.main_urls.empty());
}

TEST_CASE("hand-over: a new token or server is followed, the same again is not") {
  FakeDiscord discord(handed_over());
  discord.voice->start(discord.now);
  discord.voice->on_hand_over(credentials(discord, "t1"), discord.now);
  discord.pump();
  discord.voice->on_hand_over(credentials(discord, "t1"), discord.now);
  discord.pump();
  CHECK(discord.voice_urls.size() == 1);
  discord.endpoint = "new.discord.media";
  discord.voice->on_hand_over(credentials(discord, "t2"), discord.now);
  discord.pump();
  CHECK(discord.voice_urls.back() == "wss://new.discord.media/?v=8");
  CHECK(discord.ready());
  discord.voice->on_hand_over(credentials(discord, "t3", kOtherChannel), discord.now);
  discord.pump();
  CHECK(discord.ready());
  CHECK(discord.voice->channel() == kOtherChannel);
  CHECK(discord.told<Moved>().size() == 1);
}

TEST_CASE("hand-over: the bot says that it has left") {
  FakeDiscord discord(handed_over());
  discord.voice->start(discord.now);
  discord.voice->on_hand_over(credentials(discord, "t1"), discord.now);
  discord.pump();
  HandOver update;
  update.has_channel = true;
  discord.voice->on_hand_over(std::move(update), discord.now);
  discord.pump();
  REQUIRE(discord.end() != nullptr);
  CHECK(discord.end()->reason == EndReason::kicked);
}

TEST_CASE("hand-over: without credentials the wait ends with a clear error") {
  FakeDiscord discord(handed_over());
  discord.voice->start(discord.now);
  discord.pump();
  discord.run(25s);
  REQUIRE(discord.end() != nullptr);
  CHECK(discord.end()->text.find("handed over") != std::string::npos);
}

TEST_CASE("hand-over: parts may come one after the other, in any order") {
  FakeDiscord discord(handed_over());
  credentials(discord, "t1");
  discord.voice->start(discord.now);
  const std::string parts[] = {
      R"({"token":"t1","endpoint":"c.discord.media"})",
      R"({"sessionId":"session-of-the-bot","channelId":"81384788765712385"})"};
  for (const auto &part : parts) {
    auto update = parse_hand_over(part);
    REQUIRE(update.has_value());
    discord.voice->on_hand_over(std::move(*update), discord.now);
    discord.pump();
  }
  CHECK(discord.ready());
}

TEST_CASE("hand-over: what is no update is refused whole") {
  for (const char *text : {"", "[]", "null", "{", R"({"token":5})", R"({"token":""})",
                           R"({"guildId":"x"})", R"({"guildId":-1})", R"({"channelId":1.5})",
                           R"({"endpoint":7})", R"({"sessionId":[]})", R"({"userId":"0"})"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_hand_over(text).has_value());
  }
  CHECK_FALSE(parse_hand_over(std::string(20'000, ' ') + "{}").has_value());
  CHECK_FALSE(parse_hand_over("{\"token\":\"" + std::string(2000, 'x') + "\"}").has_value());
  const auto wait = parse_hand_over(R"({"token":"t","endpoint":null})");
  REQUIRE(wait.has_value());
  CHECK(wait->has_endpoint);
  CHECK_FALSE(wait->endpoint.has_value());
}
