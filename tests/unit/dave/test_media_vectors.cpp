// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "ext/crypto/dave/media_decryptor.hpp"
#include "ext/crypto/dave/media_encryptor.hpp"
#include "ext/crypto/hkdf.hpp"
#include "tests/support/vectors.hpp"

using namespace dv;
using namespace dv::dave;
using dv::test::hex_field;
using dv::test::load_vectors;
using dv::test::to_hex;

namespace {

std::string name_of(const nlohmann::json &entry) { return entry.at("name").get<std::string>(); }

std::vector<ClearRange> ranges_of(const nlohmann::json &entry) {
  std::vector<ClearRange> ranges;
  for (const auto &pair : entry.at("unencrypted_ranges"))
    ranges.push_back({pair.at(0).get<std::uint64_t>(), pair.at(1).get<std::uint64_t>()});
  return ranges;
}

}  // namespace

TEST_CASE("the key ratchet gives the published keys of every generation") {
  const auto file = load_vectors("dave/key-ratchet.json");
  for (const auto &ratchet : file.at("ratchets")) {
    const Bytes base = hex_field(ratchet, "base_secret");
    for (const auto &entry : ratchet.at("generations")) {
      const auto generation = entry.at("generation").get<std::uint32_t>();
      const Secret key =
          derive_tree_secret(hex_field(entry, "secret_before"), "key", generation, kFrameKeySize);
      REQUIRE(to_hex(key.view()) == entry.at("key").get<std::string>());
      if (generation > kMaxGenerationGap) continue;
      // The chain does not show its keys; what one of them seals, the published one must open.
      KeyChain chain(base);
      FrameKey *own = chain.key(generation);
      auto published = FrameKey::create(hex_field(entry, "key"));
      REQUIRE(own != nullptr);
      REQUIRE(published);
      Bytes frame, media{1, 2, 3}, room(3);
      REQUIRE(own->seal(media, 7, {}, frame));
      CHECK(published->open(*parse_frame(frame), room) == 3);
    }
  }
}

TEST_CASE("a frame of generation 1 by an independent sender opens once its time has come") {
  const auto entry = load_vectors("dave/key-ratchet.json").at("real_generation_1_frame");
  const Bytes frame = hex_field(entry, "frame");
  Bytes room(frame.size());
  FrameDecryptor receiver;
  receiver.add_ratchet(hex_field(entry, "base_secret"), 0s);
  CHECK(receiver.open(frame, 98689s, room).verdict == FrameVerdict::generation);
  const auto opened = receiver.open(frame, 98690s, room);
  REQUIRE(opened.verdict == FrameVerdict::opened);
  CHECK(to_hex(ByteView(room).first(opened.size)) == entry.at("payload").get<std::string>());
}

TEST_CASE("ULEB128 numbers") {
  const auto vectors = load_vectors("dave/uleb128.json");
  for (const auto &entry : vectors.at("valid")) {
    const auto value = std::stoull(entry.at("value").get<std::string>());
    Bytes out;
    put_uleb128(out, value);
    CHECK(to_hex(out) == entry.at("bytes").get<std::string>());
  }
  for (const char *list : {"valid", "lenient"})
    for (const auto &entry : vectors.at(list)) {
      const Bytes bytes = hex_field(entry, "bytes");
      ByteView rest(bytes);
      CHECK(take_uleb128(rest) == std::stoull(entry.at("value").get<std::string>()));
      CHECK(rest.empty());
    }
  for (const auto &entry : vectors.at("invalid")) {
    const Bytes bytes = hex_field(entry, "bytes");
    ByteView rest(bytes);
    CHECK_FALSE(take_uleb128(rest));
  }
}

TEST_CASE("generations wrap around the top byte of the nonce") {
  const auto file = load_vectors("dave/nonces.json");
  for (const auto &entry : file.at("wrapped_generation"))
    CHECK(wrapped_generation(entry.at("oldest_generation").get<std::uint64_t>(),
                             entry.at("nonce_top_byte").get<std::uint8_t>()) ==
          entry.at("generation").get<std::uint64_t>());
}

TEST_CASE("each nonce travels in its shortest form and is accepted as published") {
  const auto vectors = load_vectors("dave/nonces.json");
  for (const auto &entry : vectors.at("expansion")) {
    Bytes out;
    put_uleb128(out, entry.at("truncated").get<std::uint32_t>());
    CHECK(to_hex(out) == entry.at("uleb128").get<std::string>());
  }
  const Bytes base(16, 0x5a);
  for (const auto &window : vectors.at("windows")) {
    CAPTURE(name_of(window));
    ReceiveRatchet ratchet(base, 0s);
    for (const auto &step : window.at("steps")) {
      const auto nonce = step.at("nonce").get<std::uint32_t>();
      CAPTURE(nonce);
      FrameEncryptor sender;
      sender.set_key(base);
      sender.set_counter(nonce - 1);
      Bytes frame, room(8);
      REQUIRE(sender.seal(Bytes{9, 9}, frame));
      const Time now = std::chrono::milliseconds(step.value("at_ms", 0LL));
      const auto result = ratchet.open(*parse_frame(frame), now, room).result;
      const auto expected = step.at("result").get<std::string>();
      CHECK(result == (expected == "ok"             ? RatchetResult::ok
                       : expected == "InvalidNonce" ? RatchetResult::replay
                                                    : RatchetResult::generation));
    }
  }
}

TEST_CASE("frames are opened and built as published") {
  for (const auto &entry : load_vectors("dave/frames.json")) {
    CAPTURE(name_of(entry));
    const Bytes frame = hex_field(entry, "frame");
    auto key = FrameKey::create(hex_field(entry, "key"));
    REQUIRE(key);
    const auto parsed = parse_frame(frame);
    REQUIRE(parsed);
    CHECK(parsed->nonce == entry.at("nonce").get<std::uint32_t>());
    Bytes room(frame.size());
    const auto size = key->open(*parsed, room);
    REQUIRE(size);
    CHECK(to_hex(ByteView(room).first(*size)) == entry.at("payload").get<std::string>());
    Bytes built;
    REQUIRE(key->seal(hex_field(entry, "payload"), parsed->nonce, ranges_of(entry), built));
    CHECK(to_hex(built) == entry.at("frame").get<std::string>());
  }
}

TEST_CASE("malformed frames are told apart, and the receiver goes on after each") {
  const auto vectors = load_vectors("dave/malformed-frames.json");
  for (bool plain : {false, true}) {
    FrameDecryptor receiver;
    receiver.add_ratchet(hex_field(vectors, "base_secret"), 0s);
    if (plain) receiver.allow_plain(0s);
    for (const auto &entry : vectors.at("frames")) {
      CAPTURE(name_of(entry));
      const Bytes frame = hex_field(entry, "frame");
      const auto expected = entry.at("expect").get<std::string>();
      Bytes room(frame.size());
      const auto result = receiver.open(frame, 1s, room);
      if (expected == "not_protocol") {
        CHECK(result.verdict == (plain ? FrameVerdict::passed : FrameVerdict::not_encrypted));
      } else if (expected == "reject") {
        CHECK_FALSE(result.delivered());
        CHECK(result.verdict != FrameVerdict::not_encrypted);
      } else if (expected == "ok") {
        REQUIRE(result.verdict == FrameVerdict::opened);
        CHECK(to_hex(ByteView(room).first(result.size)) == entry.at("payload").get<std::string>());
      } else if (expected == "silence") {
        CHECK(result.verdict == FrameVerdict::silence);
      }
    }
  }
}
