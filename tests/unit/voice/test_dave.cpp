// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>

#include <algorithm>

#include "ext/voice/core/dave_link.hpp"
#include "tests/unit/voice/fake_discord.hpp"

using namespace dv;
using namespace dv::voice;
using namespace dv::voice::test;

namespace {

struct Seen {
  unsigned made = 0;
  ChannelId channel = 0;
  SessionId session = 0;
  std::vector<std::string> calls;
};

/** Writes down what it is told and answers with what a session could answer. */
class RecordingDave final : public DaveLink {
 public:
  RecordingDave(Seen &seen, const dave::SessionConfig &config) : seen_(seen) {
    seen_.made++;
    seen_.channel = config.channel;
    seen_.session = config.session;
    seen_.calls.clear();
  }
  dave::Actions session_description(std::uint16_t version) override {
    seen_.calls.push_back("description " + std::to_string(version));
    dave::Actions actions;
    actions.push_back(DaveUpdate{seen_.session, version, 0, {}});
    actions.push_back(dave::SendBinary{dave::kOpKeyPackage, {7, 8, 9}});
    return actions;
  }
  dave::Actions clients_connect(const std::vector<UserId> &users) override {
    seen_.calls.push_back("connect " + std::to_string(users.size()));
    return {};
  }
  dave::Actions client_disconnect(UserId) override { return note("disconnect"); }
  dave::Actions prepare_transition(std::uint16_t id, std::uint16_t version) override {
    seen_.calls.push_back("prepare " + std::to_string(id) + " v" + std::to_string(version));
    dave::Actions actions;
    actions.push_back(dave::SendJson{dave::kOpReadyForTransition, id});
    return actions;
  }
  dave::Actions execute_transition(std::uint16_t id) override {
    seen_.calls.push_back("execute " + std::to_string(id));
    dave::EpochChanged changed;
    changed.transition_id = id;
    changed.version = 1;
    changed.epoch = 4;
    changed.privacy_code = "012345678901234567890123456789";
    changed.executed = true;
    dave::Actions actions;
    actions.push_back(std::move(changed));
    return actions;
  }
  dave::Actions prepare_epoch(std::uint16_t, std::uint64_t epoch) override {
    return note("epoch " + std::to_string(epoch));
  }
  dave::Actions binary(std::uint8_t op, ByteView payload) override {
    seen_.calls.push_back("binary " + std::to_string(op) + " " + std::to_string(payload.size()));
    if (op != dave::kOpWelcome) return {};
    dave::Actions actions;
    actions.push_back(dave::Problem{"the welcome can not be used"});
    actions.push_back(dave::SendJson{dave::kOpInvalidCommitWelcome, 3});
    return actions;
  }
  dave::Actions media_broken() override { return note("broken"); }

 private:
  dave::Actions note(std::string call) {
    seen_.calls.push_back(std::move(call));
    return {};
  }
  Seen &seen_;
};

VoiceConfig config_with(Seen &seen) {
  VoiceConfig config = FakeDiscord::default_config();
  config.max_dave_version = 1;
  config.dave_factory = [&seen](dave::SessionConfig dave) {
    return std::make_unique<RecordingDave>(seen, dave);
  };
  return config;
}

using Calls = std::vector<std::string>;

}  // namespace

TEST_CASE("ten seconds after an epoch was told those before it are given up, once") {
  Seen seen;
  FakeDiscord discord(config_with(seen));
  discord.dave_version = 1;
  discord.start();
  REQUIRE(discord.ready());
  const auto given_up = [&] {
    return std::count_if(discord.keys.begin(), discord.keys.end(), [](const KeyUpdate &update) {
      return std::holds_alternative<OldEpochsEndUpdate>(update);
    });
  };
  discord.run(9s);
  CHECK(given_up() == 0);
  discord.run(2s);
  CHECK(given_up() == 1);
  discord.run(30s);
  CHECK(given_up() == 1);
}

TEST_CASE("DAVE messages reach the session from the first frame on, in order") {
  Seen seen;
  FakeDiscord discord(config_with(seen));
  discord.dave_version = 1;
  discord.before_ready.push_back([&] {
    discord.voice_sends_binary(25, {1, 2, 3});
    discord.voice_sends(11, {{"user_ids", {std::to_string(kAnna)}}});
  });
  discord.start();
  REQUIRE(discord.ready());
  CHECK(discord.voice_sent[0]["d"]["max_dave_protocol_version"] == 1);
  CHECK(seen.calls == Calls{"binary 25 3", "connect 1", "description 1"});
  CHECK(seen.channel == kChannel);
  CHECK(seen.session == discord.voice->session());
  CHECK(discord.binaries == std::vector<Bytes>{{26, 7, 8, 9}});
  CHECK(discord.told<EpochChanged>().empty());
  CHECK(discord.told<Connected>()[0]->dave_version == 1);

  seen.calls.clear();
  discord.voice_sends(24, {{"protocol_version", 1}, {"epoch", 1}});
  discord.voice_sends_binary(27, {0, 1});
  discord.voice_sends_binary(29, {0, 1, 5});
  discord.voice_sends(21, {{"protocol_version", 1}, {"transition_id", 9}});
  discord.voice_sends(22, {{"transition_id", "9"}});
  discord.voice_sends_binary(30, {0, 3, 5});
  discord.voice_sends(13, {{"user_id", std::to_string(kAnna)}});
  discord.voice_sends_binary(31, {0});
  discord.pump();
  CHECK(seen.calls == Calls{"epoch 1", "binary 27 2", "binary 29 3", "prepare 9 v1", "execute 9",
                            "binary 30 3", "disconnect"});
  const Json ready = Json::parse(R"({"op":23,"d":{"transition_id":9}})");
  const Json invalid = Json::parse(R"({"op":31,"d":{"transition_id":3}})");
  CHECK(discord.voice_sent[discord.voice_sent.size() - 2] == ready);
  CHECK(discord.voice_sent.back() == invalid);
  REQUIRE(discord.told<EpochChanged>().size() == 1);
  CHECK(discord.told<EpochChanged>()[0]->epoch == 4);
  CHECK(discord.told<EpochChanged>()[0]->privacy_code.size() == 30);
  CHECK(discord.told<Note>().size() == 1);
  CHECK(discord.voice->stats().dave_invalid == 1);
}

TEST_CASE("a Resume keeps the DAVE session, a new voice session and a move begin a new one") {
  Seen seen;
  FakeDiscord discord(config_with(seen));
  discord.dave_version = 1;
  discord.start();
  discord.close_voice(1006);
  discord.run(2s);
  REQUIRE(discord.ready());
  CHECK(seen.made == 1);
  discord.close_voice(4006);
  discord.run(3s);
  REQUIRE(discord.ready());
  CHECK(seen.made == 2);
  discord.own_state(kOtherChannel);
  discord.server_update("next.discord.media");
  discord.pump();
  REQUIRE(discord.ready());
  CHECK(seen.made == 3);
  CHECK(seen.channel == kOtherChannel);
  CHECK(seen.session == discord.voice->session());
}

TEST_CASE("broken media is told to the DAVE session while receiving") {
  Seen seen;
  FakeDiscord discord(config_with(seen));
  discord.start();
  discord.voice->on_media_broken(discord.now);
  CHECK(seen.calls.back() == "broken");
}

TEST_CASE("a call without encryption starts its session as plain") {
  FakeDiscord discord;
  discord.start();
  bool plain = false;
  for (const auto &update : discord.keys) {
    const auto *dave = std::get_if<DaveUpdate>(&update);
    plain = plain || (dave != nullptr && dave->version == 0 && dave->session != 0);
  }
  CHECK(plain);
}

TEST_CASE("the real DAVE session answers a call with encryption with its key package") {
  VoiceConfig config = FakeDiscord::default_config();
  config.max_dave_version = 1;
  FakeDiscord discord(std::move(config));
  discord.dave_version = 1;
  discord.start();
  REQUIRE(discord.ready());
  REQUIRE(discord.binaries.size() == 1);
  CHECK(discord.binaries[0][0] == 26);
  CHECK(discord.binaries[0].size() > 200);
  // What is no MLS message costs itself only.
  for (const std::uint8_t op : {25, 27, 29, 30}) {
    discord.voice_sends_binary(op, {});
    discord.voice_sends_binary(op, Bytes(1000, 0xFF));
  }
  discord.pump();
  CHECK(discord.ready());
}
