// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>

#include <random>

#include "ext/crypto/dave/media_decryptor.hpp"
#include "ext/crypto/dave/media_encryptor.hpp"

using namespace dv;
using namespace dv::dave;

namespace {

const Bytes kMedia{0x78, 1, 2, 3, 4};

Bytes base(std::uint8_t epoch) { return Bytes(16, epoch); }

Bytes seal(FrameEncryptor &sender) {
  Bytes frame;
  REQUIRE(sender.seal(kMedia, frame));
  return frame;
}

FrameVerdict open(FrameDecryptor &receiver, ByteView frame, Time now) {
  Bytes room(frame.size());
  return receiver.open(frame, now, room).verdict;
}

}  // namespace

TEST_CASE("without a key nothing is sent and nothing is opened") {
  FrameEncryptor sender;
  Bytes out;
  CHECK_FALSE(sender.seal(kMedia, out));
  CHECK(out.empty());
  FrameDecryptor receiver;
  CHECK(open(receiver, kMedia, 0s) == FrameVerdict::not_encrypted);
  sender.set_key(base(1));
  CHECK(open(receiver, seal(sender), 0s) == FrameVerdict::no_key);
}

TEST_CASE("old keys open for ten more seconds after a transition") {
  FrameEncryptor before, after;
  before.set_key(base(1));
  after.set_key(base(2));
  FrameDecryptor receiver;
  receiver.add_ratchet(base(1), 0s);
  CHECK(open(receiver, seal(before), 100s) == FrameVerdict::opened);
  receiver.add_ratchet(base(2), 100s);
  CHECK(open(receiver, seal(after), 100s) == FrameVerdict::opened);
  CHECK(open(receiver, seal(before), 110s) == FrameVerdict::opened);
  CHECK(open(receiver, seal(after), 110s) == FrameVerdict::opened);
  CHECK(open(receiver, seal(before), 110s + 1ms) != FrameVerdict::opened);
  CHECK(open(receiver, seal(after), 5000s) == FrameVerdict::opened);
}

TEST_CASE("plain frames pass in a version 0 session and ten seconds into version 1") {
  FrameDecryptor receiver;
  receiver.allow_plain(0s);
  CHECK(open(receiver, kMedia, 1000s) == FrameVerdict::passed);
  receiver.add_ratchet(base(1), 1000s);
  CHECK(open(receiver, kMedia, 1010s) == FrameVerdict::passed);
  CHECK(open(receiver, kMedia, 1010s + 1ms) == FrameVerdict::not_encrypted);
  receiver.allow_plain(2000s);
  CHECK(open(receiver, kMedia, 2020s) == FrameVerdict::passed);
}

TEST_CASE("a protocol frame that does not open never passes as a plain one") {
  FrameEncryptor sender;
  sender.set_key(base(1));
  FrameDecryptor receiver;
  receiver.allow_plain(0s);
  CHECK(open(receiver, seal(sender), 1s) == FrameVerdict::no_key);
  receiver.add_ratchet(base(2), 1s);
  CHECK(open(receiver, seal(sender), 2s) == FrameVerdict::authentication);
}

TEST_CASE(
    "plain media that happens to end like a protocol frame passes where nothing is encrypted") {
  Bytes media(60, 0);
  media[57] = 40;  // a tag, a nonce, and then ranges
  media[58] = media[59] = 0xfa;
  REQUIRE(parse_frame(media));
  FrameDecryptor receiver;
  receiver.allow_plain(0s);
  CHECK(open(receiver, media, 1s) == FrameVerdict::passed);
  receiver.add_ratchet(base(1), 1s);
  CHECK(open(receiver, media, 2s) == FrameVerdict::authentication);
}

TEST_CASE("the silence frame passes at any time, and can be sent plain") {
  const Bytes silence{0xf8, 0xff, 0xfe};
  FrameDecryptor receiver;
  CHECK(open(receiver, silence, 0s) == FrameVerdict::silence);
  FrameEncryptor sender;
  sender.set_key(base(1));
  Bytes out;
  REQUIRE(sender.seal(silence, out, true));
  CHECK(out == silence);
  CHECK(sender.counter() == 0);
}

TEST_CASE("frames that overtook the first one of an epoch are not lost") {
  FrameEncryptor sender;
  sender.set_key(base(1));
  const Bytes one = seal(sender), two = seal(sender), three = seal(sender);
  FrameDecryptor receiver;
  receiver.add_ratchet(base(1), 0s);
  CHECK(open(receiver, three, 1s) == FrameVerdict::opened);
  CHECK(open(receiver, one, 1s) == FrameVerdict::opened);
  CHECK(open(receiver, one, 1s) == FrameVerdict::replay);
  CHECK(open(receiver, two, 1s) == FrameVerdict::opened);
  CHECK(open(receiver, three, 1s) == FrameVerdict::replay);
}

TEST_CASE("forged frames move nothing") {
  FrameEncryptor sender;
  sender.set_key(base(1));
  FrameDecryptor receiver;
  receiver.add_ratchet(base(1), 0s);
  FrameEncryptor forger;
  forger.set_key(base(9));
  forger.set_counter(5000);
  CHECK(open(receiver, seal(forger), 1s) == FrameVerdict::authentication);
  CHECK(open(receiver, seal(sender), 1s) == FrameVerdict::opened);
  CHECK(open(receiver, seal(forger), 1s) == FrameVerdict::authentication);
  CHECK(open(receiver, seal(sender), 1s) == FrameVerdict::opened);
}

TEST_CASE("transitions without end keep a bounded number of ratchets") {
  FrameDecryptor receiver;
  FrameEncryptor sender;
  for (unsigned epoch = 0; epoch < 100; ++epoch) {
    receiver.add_ratchet(base(static_cast<std::uint8_t>(epoch)), 0s);
    sender.set_key(base(static_cast<std::uint8_t>(epoch)));
    CHECK(open(receiver, seal(sender), 0s) == FrameVerdict::opened);
  }
  sender.set_key(base(0));
  CHECK(open(receiver, seal(sender), 0s) != FrameVerdict::opened);
}

TEST_CASE("a counter runs on into the next generation") {
  FrameEncryptor sender;
  sender.set_key(base(1));
  sender.set_counter((std::uint64_t{1} << kGenerationBits) - 3);
  FrameDecryptor receiver;
  receiver.add_ratchet(base(1), 0s);
  for (int i = 0; i < 6; ++i) CHECK(open(receiver, seal(sender), 200000s) == FrameVerdict::opened);
  CHECK((sender.counter() >> kGenerationBits) == 1);
}

TEST_CASE("random loss and disorder against a simple model of the window") {
  constexpr std::uint64_t kFirst = 1000;
  std::mt19937 random(24);
  ReplayWindow window(0);
  window.accept(kFirst);
  std::vector<bool> seen(40000, false);
  std::uint64_t newest = kFirst;
  while (newest < 30000) {
    const std::uint64_t counter = newest - 400 + random() % 440;
    // Never farther back than what is remembered, so that the model needs no such limit.
    const bool expected =
        counter > newest || (counter > kFirst && counter != newest && !seen[counter]);
    REQUIRE(window.acceptable(counter) == expected);
    if (!expected) continue;
    window.accept(counter);
    seen[counter] = true;
    newest = std::max(newest, counter);
  }
}
