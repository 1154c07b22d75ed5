// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/voice/core/json.hpp"

#include <doctest/doctest.h>

#include "ext/voice/core/main_messages.hpp"
#include "ext/voice/core/voice_messages.hpp"
#include "tests/unit/voice/fake_discord.hpp"

using namespace dv;
using namespace dv::voice;
using dv::voice::test::FakeDiscord;
using dv::voice::test::kAnna;

namespace {

std::string repeat(std::string_view part, std::size_t times) {
  std::string text;
  text.reserve(part.size() * times);
  for (std::size_t i = 0; i < times; i++) text += part;
  return text;
}

std::vector<std::string> hostile_texts() {
  std::vector<std::string> texts = {
      "",
      " ",
      "null",
      "true",
      "0",
      "\"",
      "[",
      "]",
      "{",
      "}",
      "{\"op\"",
      "{\"op\":}",
      "{\"op\":1",
      "{\"op\":-1}",
      "{\"op\":1.5}",
      "{\"op\":1e3}",
      "{\"op\":\"x\"}",
      "{\"op\":null}",
      "{\"op\":{}}",
      "{\"op\":99999999999999999999}",
      "[1,2,3]",
      "{\"d\":1}",
      "\xff\xfe",
      "{\"op\":0,\"t\":\"\xff\"}",
      std::string("{\"op\":0\0}", 9),
      "{\"op\":0}garbage",
      "{\"op\":0}{\"op\":0}",
      "/**/{\"op\":0}",
      "{\"op\":0,\"t\":5,\"s\":-4,\"d\":[]}",
      "{\"op\":10,\"d\":{\"heartbeat_interval\":0}}",
      "{\"op\":10,\"d\":{\"heartbeat_interval\":-5}}",
      "{\"op\":10,\"d\":{\"heartbeat_interval\":1e300}}",
      "{\"op\":10,\"d\":{\"heartbeat_interval\":\"5\"}}",
      "{\"op\":10,\"d\":null}",
      "{\"op\":10}",
      "{\"op\":8,\"d\":{\"heartbeat_interval\":null}}",
      "{\"op\":0,\"t\":\"READY\",\"s\":1,\"d\":{\"user\":7,\"session_id\":{}}}",
      "{\"op\":0,\"t\":\"READY\",\"s\":1,\"d\":null}",
      "{\"op\":0,\"t\":\"GUILD_CREATE\",\"s\":2,\"d\":{\"id\":[],\"channels\":7,\"members\":{}}}",
      "{\"op\":0,\"t\":\"GUILD_CREATE\",\"s\":2,\"d\":{\"id\":\"1\",\"channels\":[[],{},7],"
      "\"members\":[[]],\"voice_states\":[null]}}",
      "{\"op\":0,\"t\":\"VOICE_STATE_UPDATE\",\"s\":2,\"d\":{\"guild_id\":\"1\",\"user_id\":\"-3\"}"
      "}",
      "{\"op\":0,\"t\":\"VOICE_SERVER_UPDATE\",\"s\":2,\"d\":{\"guild_id\":\"1\",\"token\":5,"
      "\"endpoint\":7}}",
      "{\"op\":2,\"d\":{\"ssrc\":-1,\"ip\":\"1.2.3.4\",\"port\":1,\"modes\":[]}}",
      "{\"op\":2,\"d\":{\"ssrc\":4294967296,\"ip\":\"1.2.3.4\",\"port\":1,\"modes\":[]}}",
      "{\"op\":2,\"d\":{\"ssrc\":1.5,\"ip\":\"1.2.3.4\",\"port\":1,\"modes\":[]}}",
      "{\"op\":2,\"d\":{\"ssrc\":1,\"ip\":\"1.2.3.4\",\"port\":0,\"modes\":[]}}",
      "{\"op\":2,\"d\":{\"ssrc\":1,\"ip\":\"1.2.3.4\",\"port\":65536,\"modes\":[]}}",
      "{\"op\":2,\"d\":{\"ssrc\":1,\"ip\":\"1.2.3.4\",\"port\":-1,\"modes\":[]}}",
      "{\"op\":2,\"d\":{\"ssrc\":1,\"ip\":5,\"port\":1,\"modes\":{}}}",
      "{\"op\":5,\"d\":{\"user_id\":\"18446744073709551616\",\"ssrc\":1}}",
      "{\"op\":5,\"d\":{\"user_id\":1.5,\"ssrc\":1}}",
      "{\"op\":11,\"d\":{\"user_ids\":{\"a\":1}}}",
      "{\"op\":13,\"d\":{\"user_id\":\"0\"}}",
      "{\"op\":12,\"d\":{\"user_id\":-1,\"streams\":[1,[],{\"ssrc\":-1}]}}",
      "{\"op\":21,\"d\":{\"protocol_version\":65536,\"transition_id\":1}}",
      "{\"op\":22,\"d\":[]}",
      "{\"op\":24,\"d\":{\"epoch\":-1,\"protocol_version\":1}}",
  };
  texts.push_back(repeat("[", 100'000));
  texts.push_back(repeat("[", 5'000'000));
  texts.push_back(repeat("{\"a\":", 100'000));
  texts.push_back("{\"op\":0,\"d\":" + repeat("[", 49) + repeat("]", 49) + "}");
  texts.push_back("{\"op\":0,\"d\":[" + repeat("0,", 3'000'000) + "0]}");
  texts.push_back("{\"op\":0,\"t\":\"" + repeat("\\\"", 1'000'000) + "\"}");
  texts.push_back(repeat(" ", 17u << 20));
  texts.push_back("\"" + repeat("\\", 99'999));
  return texts;
}

}  // namespace

TEST_CASE("hostile texts are values, not crashes, and change nothing of a session that runs") {
  FakeDiscord discord;
  discord.start();
  REQUIRE(discord.ready());
  const std::size_t reports = discord.reports.size();
  for (const std::string &text : hostile_texts()) {
    CAPTURE(text.substr(0, 80));
    discord.voice->on_voice_text(text, discord.now);
    discord.main->on_text(text, discord.now);
    discord.pump();
    CHECK(discord.ready());
    CHECK(discord.identifies.size() == 1);
  }
  CHECK(discord.reports.size() == reports);
  CHECK(discord.voice->stats().bad_messages > 20);
  CHECK(discord.main->stats().bad_messages > 10);
  discord.voice->on_voice_binary({}, discord.now);
  const std::uint8_t two[] = {0, 1};
  discord.voice->on_voice_binary(two, discord.now);
  CHECK(discord.ready());
}

TEST_CASE("size, depth and number of values are judged before anything is parsed") {
  const JsonLimits limits{100, 3, 10};
  CHECK(parse_json("[[[]]]", limits).has_value());
  CHECK_FALSE(parse_json("[[[[]]]]", limits).has_value());
  CHECK(parse_json(R"(["[[[[","\"[[[["])", limits).has_value());
  CHECK_FALSE(parse_json("[1,2,3,4,5,6,7,8,9,10,11]", limits).has_value());
  CHECK(parse_json("\"" + std::string(98, 'x') + "\"", limits).has_value());
  CHECK_FALSE(parse_json("\"" + std::string(99, 'x') + "\"", limits).has_value());
}

TEST_CASE("numbers and ids: both forms, no signs, fractions or overflow") {
  const Json values = Json::parse(R"({"n":7,"s":"81384788765712384","max":18446744073709551615,
    "over":18446744073709551616,"text_over":"18446744073709551616","neg":-1,"frac":1.0,"exp":1e2,
    "sneg":"-1","plus":"+1","space":" 1","hex":"0x1","empty":"","bool":true,"null":null})");
  CHECK(read_id(values, "n") == 7);
  CHECK(read_id(values, "s") == 81384788765712384);
  CHECK(read_id(values, "max") == UINT64_MAX);
  for (const char *key : {"over", "text_over", "neg", "frac", "exp", "sneg", "plus", "space", "hex",
                          "empty", "bool", "null", "absent"}) {
    CAPTURE(key);
    CHECK_FALSE(read_id(values, key).has_value());
  }
}

TEST_CASE("a secret key is exactly 32 integers between 0 and 255") {
  const auto description = [](const Json &key) {
    const Json message{{"op", 4},
                       {"d", {{"mode", "aead_aes256_gcm_rtpsize"}, {"secret_key", key}}}};
    const auto parsed = voice_msg::parse(message.dump());
    return parsed && parsed->body.has_value();
  };
  std::vector<Json> good(32, Json(255));
  CHECK(description(good));
  for (const Json &bad :
       {Json(256), Json(-1), Json(1.5), Json("1"), Json(nullptr), Json::array()}) {
    auto key = good;
    key[31] = bad;
    CAPTURE(bad.dump());
    CHECK_FALSE(description(key));
  }
  CHECK_FALSE(description(std::vector<int>(31, 1)));
  CHECK_FALSE(description(std::vector<int>(33, 1)));
  CHECK_FALSE(description("AAAA"));
  CHECK_FALSE(description(nullptr));
}

TEST_CASE("a handshake that is not understood is tried once more and then an error") {
  const char *const broken[] = {
      R"({"op":2,"d":{"ssrc":-1,"ip":"203.0.113.7","port":1,"modes":[]}})",
      R"({"op":4,"d":{"mode":"aead_aes256_gcm_rtpsize","secret_key":[1,2,3]}})",
      R"({"op":2,"d":{"ssrc":1,"ip":"127.0.0.1","port":1,"modes":["aead_aes256_gcm_rtpsize"]}})"};
  for (const char *text : broken) {
    CAPTURE(text);
    FakeDiscord discord;
    discord.before_ready.push_back([&] { discord.voice->on_voice_text(text, discord.now); });
    discord.start();
    discord.run(30s);
    REQUIRE(discord.end() != nullptr);
    CHECK(discord.end()->reason == EndReason::protocol_error);
    CHECK(discord.voice_urls.size() == 2);
  }
}

TEST_CASE("unknown opcodes, events and fields are ignored") {
  FakeDiscord discord;
  discord.start();
  for (int op : {14, 15, 16, 18, 20, 32, 33, 250, 65535}) {
    discord.voice_sends(op, {{"anything", {1, 2, 3}}});
  }
  for (int op : {3, 12, 31, 43, 99}) discord.main_sends(op, {{"anything", true}});
  discord.dispatch("SOMETHING_NEW", {{"x", 1}});
  discord.voice_sends(5, {{"speaking", 1}, {"ssrc", 5}, {"user_id", kAnna}, {"new_field", {}}});
  discord.pump();
  CHECK(discord.ready());
  CHECK(discord.told<Source>().size() == 1);
  CHECK(discord.voice->stats().unknown_opcodes == 4);
}

TEST_CASE("what is built can be parsed, and escapes what must be") {
  const Secret odd = Secret::from_text("quote\" backslash\\ newline\n \x01 end");
  const auto identify = Json::parse(main_msg::identify(odd).text());
  CHECK(identify["d"]["token"] == std::string(odd.text()));
  voice_msg::Credentials credentials{1, 2, odd.clone(), odd.clone()};
  CHECK(Json::parse(voice_msg::identify(credentials, 1).text())["d"]["session_id"] ==
        std::string(odd.text()));
  CHECK(Json::parse(voice_msg::resume(credentials, -1).text())["d"]["seq_ack"] == -1);
  const auto leave = Json::parse(main_msg::voice_state(1, std::nullopt, true, false));
  CHECK(leave["d"]["channel_id"].is_null());
  CHECK(leave["d"]["guild_id"] == "1");
}
