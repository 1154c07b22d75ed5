// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>

#include <random>

#include "ext/decrypt/pool/key_codec.hpp"

using namespace dv;
using namespace dv::worker;

namespace {

template <class T>
T back_and_forth(const T &message) {
  const Bytes bytes = encode(9, message);
  static Bytes kept;  // views in the result point into it
  kept = bytes;
  auto received = decode_to_worker(kept);
  REQUIRE(received);
  CHECK(received->number == 9);
  REQUIRE(std::holds_alternative<T>(received->message));
  return std::get<T>(received->message);
}

}  // namespace

TEST_CASE("every message comes out as it went in") {
  const auto hello =
      back_and_forth(Hello{kProtocolVersion, Sandbox::require, 512, 256, 2000, 1 << 20});
  CHECK(hello.sandbox == Sandbox::require);
  CHECK(hello.request_slots == 512);
  CHECK(hello.reply_slots == 256);
  CHECK(hello.max_batch_us == 2000);
  CHECK(hello.memory_limit == 1 << 20);
  OpenClient open{3, false, 1, 16000, 1, 120, false, true, 121, 122, 123, 124, false, 125};
  const auto o = back_and_forth(open);
  CHECK(o.client == 3);
  CHECK_FALSE(o.decode);
  CHECK(o.format == 1);
  CHECK(o.rate == 16000);
  CHECK(o.channels == 1);
  CHECK(o.latency == 120);
  CHECK_FALSE(o.fec);
  CHECK(o.plc);
  CHECK(o.plc_limit == 121);
  CHECK(o.key_wait == 122);
  CHECK(o.max_waiting == 123);
  CHECK(o.max_streams == 124);
  CHECK_FALSE(o.live);
  CHECK(o.clock == 125);
  CHECK(back_and_forth(CloseClient{8}).client == 8);
  CHECK(back_and_forth(SessionEnd{8, 9}).session == 9);
  back_and_forth(Quit{});
  CHECK(back_and_forth(TestHook{TestHook::Action::scribble, 1, 2, 3}).c == 3);
}

TEST_CASE("key updates reach the other side unchanged") {
  const Bytes key(32, 0x5a), secret(16, 0xa5);
  const TransportKeyUpdate transport{7, TransportMode::xchacha20_poly1305_rtpsize, Secret(key)};
  Bytes bytes = encode(1, message_from(4, transport));
  auto update = key_update_from(decode_to_worker(bytes)->message);
  REQUIRE(update);
  CHECK(std::get<TransportKeyUpdate>(*update).key == transport.key);
  CHECK(std::get<TransportKeyUpdate>(*update).mode == transport.mode);

  DaveUpdate dave{7, 1, 33, {}};
  for (UserId u : {1, 2, 3}) dave.senders.push_back({u, Secret(secret)});
  bytes = encode(1, message_from(4, dave, [](UserId u) { return u != 2; }));
  update = key_update_from(decode_to_worker(bytes)->message);
  REQUIRE(update);
  const auto &got = std::get<DaveUpdate>(*update);
  CHECK(got.epoch == 33);
  CHECK_FALSE(got.more);
  REQUIRE(got.senders.size() == 2);
  CHECK(got.senders[1].user == 3);
  CHECK(got.senders[1].base_secret == Secret(secret));

  bytes = encode(1, message_from(4, SsrcUpdate{7, 8, 9, StreamKind::video}));
  update = key_update_from(decode_to_worker(bytes)->message);
  REQUIRE(update);
  CHECK(std::get<SsrcUpdate>(*update).kind == StreamKind::video);
}

TEST_CASE("a message is encoded without growing, so that no copy of a key stays behind") {
  const Bytes key(32, 1);
  const Bytes bytes = encode(1, TransportKey{1, 2, 1, key});
  CHECK(bytes.capacity() == bytes.size());
}

TEST_CASE("messages that are cut, too long, or of no known type are refused") {
  const Bytes key(32, 1);
  const Bytes good = encode(1, TransportKey{1, 2, 1, key});
  for (std::size_t n = 0; n < good.size(); ++n)
    CHECK_FALSE(decode_to_worker(ByteView(good).first(n)));
  Bytes bad = good;
  bad.push_back(0);
  CHECK_FALSE(decode_to_worker(bad));
  bad = good;
  bad[2] = 99;
  CHECK_FALSE(decode_to_worker(bad));
  bad = good;
  bad[0] ^= 1;
  CHECK_FALSE(decode_to_worker(bad));
  bad = encode(1, OpenClient{});
  bad[8 + 7] = 1;  // a rate that libopus has not
  CHECK_FALSE(decode_to_worker(bad));
}

TEST_CASE("the reply to a hello of another version is understood as far as its version") {
  HelloReply reply;
  reply.version = kProtocolVersion + 1;
  reply.text = "from the future";
  const auto got = decode_hello_reply(encode(reply));
  REQUIRE(got);
  CHECK(got->version == kProtocolVersion + 1);
  CHECK(got->status == HelloReply::Status::wrong_version);
  Hello hello;
  hello.version = kProtocolVersion + 1;
  Bytes bytes = encode(0, hello);
  bytes.push_back(1);
  const auto other = decode_to_worker(bytes);
  REQUIRE(other);
  CHECK(std::get<Hello>(other->message).version == kProtocolVersion + 1);
}

TEST_CASE("text in a reply is cut and made printable") {
  HelloReply reply;
  reply.status = HelloReply::Status::bad_setup;
  reply.text = std::string(5000, 'x') + "\n";
  auto got = decode_hello_reply(encode(reply));
  REQUIRE(got);
  CHECK(got->text.size() == kMaxText);
  reply.text = "a\nb";
  got = decode_hello_reply(encode(reply));
  REQUIRE(got);
  CHECK(got->text == "a?b");
}

TEST_CASE("random records are refused or harmless") {
  std::mt19937 random(3);
  for (int i = 0; i < 50000; ++i) {
    Bytes record(random() % 80);
    for (auto &b : record) b = static_cast<std::uint8_t>(random());
    if (record.size() > 4) {
      record[0] = 0x44;
      record[1] = 0x56;
      record[2] = static_cast<std::uint8_t>(random() % 10);
      record[3] = 0;
    }
    if (const auto received = decode_to_worker(record)) key_update_from(received->message);
    record.empty() ? void() : void(record[2 % record.size()] = 64);
    decode_hello_reply(record);
  }
}
