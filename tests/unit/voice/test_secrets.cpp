// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>

#include "tests/unit/voice/fake_discord.hpp"

using namespace dv;
using namespace dv::voice;
using namespace dv::voice::test;

namespace {

struct TextOf {
  std::string operator()(const Connected &) const { return {}; }
  std::string operator()(const SpeakerJoined &r) const { return r.member.name; }
  std::string operator()(const SpeakerLeft &r) const { return r.member.name; }
  std::string operator()(const Speaking &r) const { return r.member.name; }
  std::string operator()(const Source &r) const { return r.member.name; }
  std::string operator()(const Reconnecting &r) const { return r.text; }
  std::string operator()(const Resumed &) const { return {}; }
  std::string operator()(const Moved &) const { return {}; }
  std::string operator()(const Deafened &) const { return {}; }
  std::string operator()(const EpochChanged &r) const { return r.privacy_code; }
  std::string operator()(const PingRtt &) const { return {}; }
  std::string operator()(const Healing &r) const { return r.text; }
  std::string operator()(const Warning &r) const { return r.text; }
  std::string operator()(const Note &r) const { return r.text; }
  std::string operator()(const Ended &r) const { return r.text; }
};

}  // namespace

TEST_CASE("no report and no URL ever holds a credential") {
  const CloseCode codes[] = {std::nullopt, 4001, 4004, 4006, 4009, 4012, 4014, 4015,
                             4017,         4020, 4021, 4022, 4003, 4007, 4008, 4010};
  for (const CloseCode code : codes) {
    for (const bool main : {true, false}) {
      FakeDiscord discord;
      discord.start();
      if (main) {
        discord.close_main(code);
      } else {
        discord.close_voice(code);
      }
      discord.run(30s);
      discord.voice->leave(discord.now);
      discord.pump();
      std::string all;
      for (const auto &report : discord.reports) all += std::visit(TextOf{}, report) + '\n';
      for (const auto &url : discord.main_urls) all += url + '\n';
      for (const auto &url : discord.voice_urls) all += url + '\n';
      for (const std::string &secret :
           {std::string(kToken), std::string("main-session-"), std::string("voice-token-")}) {
        CHECK(all.find(secret) == std::string::npos);
      }
      REQUIRE(discord.end() != nullptr);
      CHECK_FALSE(discord.end()->text.empty());
    }
  }
}
