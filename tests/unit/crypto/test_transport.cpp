// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>

#include <string>

#include "ext/crypto/transport.hpp"
#include "ext/wire/rtp.hpp"
#include "tests/support/hex.hpp"

using namespace dv;
using dv::test::from_hex;
using dv::test::to_hex;

namespace {

const Bytes kKey = from_hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");

struct Vector {
  const char *name;
  const char *header;
  const char *plain;
  const char *nonce;
  const char *gcm;      // ciphertext and tag
  const char *xchacha;  // ciphertext and tag
  const char *payload;  // behind the extension and before the padding; null: RTCP
};

const Vector kVectors[] = {
    {"silence", "80781234000654320001a2b3", "f8fffe", "01000000",
     "1ad37c 6ee3916b8ab348104cb3da3bd3d80e53", "42fc85 ffdb34f2150547e2bb3da00f17b57b3f",
     "f8fffe"},
    {"extension", "90781235000657f20001a2b3bede0001",
     "10a39002 7c87d3fe0c5a1b2e3948576675849302a1b0cfde", "02000000",
     "f6cd7b628622bb43a1e7753ab5cea0642488fbc2774b4fcd 31ad3c54fa05bd3bf528cb6736a7d544",
     "9a673f11b3cd0163cf0aa3ea6b6cc7ed9ecedf2b75f3d616 0216130a90cf5673bae7ec82e6ca4bde",
     "7c87d3fe0c5a1b2e3948576675849302a1b0cfde"},
    {"extension and padding", "b078123600065bb20001a2b3bede0001",
     "10a39002 7c87d3fe0c5a1b2e3948576675849302a1b0cfde 0000000000000008", "03000000",
     "802fc89b25d6e126f462948aab9e51af5a5753667b2b1d3ecb97494f1e4bd01a "
     "b25a985a8c59e64c2bc8e9a1b7c1b064",
     "097a87a5df7e98c949df4a5943a4294eec27a078ac17678522a9dece1162290f "
     "5a499d9ec8d18375f098fe7ea8b5eeed",
     "7c87d3fe0c5a1b2e3948576675849302a1b0cfde"},
    {"marker, CSRCs and extension", "92f8fffffffffc400001a2b31111111122222222bede0002",
     "107f510001900300 f8fffe", "04030201",
     "1f24346afae608b78be115 2d3263c644c124ebb4b95e93a66c6aa5",
     "b440d21133ec34cb94aca2 783b274b4bebb3d52031dfc91795eebf", "f8fffe"},
    {"RTCP", "81c900070001a2b3", "0002bbcc050000110001ffff0000002a1234567800010000", "00000080",
     "81e66bf67d2ffc19352a3ba8323ab19d8da15e23a0fee192 7abaae77af19fc894ec700a5bcee4be5",
     "5fa5e653fc60f52bddd1d4fa0f68d973055ef5227e504e64 30f6d25e0aa82079994ea5e17c103ed7", nullptr},
};

Bytes datagram(const Vector &v, bool gcm) {
  return from_hex(std::string(v.header) + (gcm ? v.gcm : v.xchacha) + v.nonce);
}

TransportCipher cipher(bool gcm) {
  auto made = TransportCipher::create(
      gcm ? TransportMode::aes256_gcm_rtpsize : TransportMode::xchacha20_poly1305_rtpsize, kKey);
  REQUIRE(made);
  return std::move(*made);
}

std::size_t clear_size(const Vector &v) { return from_hex(v.header).size(); }

}  // namespace

TEST_CASE("both modes open the published datagrams") {
  for (bool gcm : {true, false}) {
    auto c = cipher(gcm);
    for (const Vector &v : kVectors) {
      CAPTURE(std::string(v.name));
      CAPTURE(gcm);
      const Bytes d = datagram(v, gcm);
      Bytes room(d.size());
      const auto plain = c.open(d, clear_size(v), room);
      REQUIRE(plain);
      CHECK(to_hex(*plain) == to_hex(from_hex(v.plain)));
      if (v.payload == nullptr) continue;
      const auto header = parse_rtp(d);
      REQUIRE(header);
      CHECK(header->clear_size == clear_size(v));
      const auto payload = rtp_payload(*header, *plain);
      REQUIRE(payload);
      CHECK(to_hex(*payload) == v.payload);
    }
  }
}

TEST_CASE("sealing makes the published datagrams") {
  for (bool gcm : {true, false}) {
    auto c = cipher(gcm);
    for (const Vector &v : kVectors) {
      CAPTURE(std::string(v.name));
      const Bytes packet = from_hex(std::string(v.header) + v.plain);
      TransportNonce nonce;
      const Bytes n = from_hex(v.nonce);
      std::copy(n.begin(), n.end(), nonce.begin());
      Bytes out;
      REQUIRE((v.payload != nullptr ? seal_rtp(c, packet, nonce, out)
                                    : seal_rtcp(c, packet, nonce, out)));
      CHECK(to_hex(out) == to_hex(datagram(v, gcm)));
    }
  }
}

TEST_CASE("any changed bit fails, and the key still opens the next packet") {
  for (bool gcm : {true, false}) {
    auto c = cipher(gcm);
    for (const Vector &v : kVectors) {
      const Bytes good = datagram(v, gcm);
      Bytes room(good.size());
      for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
        Bytes bad = good;
        bad[bit / 8] = static_cast<std::uint8_t>(bad[bit / 8] ^ 1 << bit % 8);
        CHECK_FALSE(c.open(bad, clear_size(v), room));
      }
      CHECK(c.open(good, clear_size(v), room));
    }
  }
}

TEST_CASE("a wrong extent of the clear header fails") {
  for (bool gcm : {true, false}) {
    auto c = cipher(gcm);
    Bytes room(128);
    const Bytes b = datagram(kVectors[1], gcm);
    CHECK_FALSE(c.open(b, 12, room));
    CHECK_FALSE(c.open(b, 20, room));
    const Bytes r = datagram(kVectors[4], gcm);
    CHECK_FALSE(c.open(r, 4, room));
    CHECK_FALSE(c.open(r, 12, room));
  }
}

TEST_CASE("a datagram too short for tag and nonce fails") {
  for (bool gcm : {true, false}) {
    auto c = cipher(gcm);
    for (const Vector &v : kVectors) {
      const Bytes d = datagram(v, gcm);
      Bytes room(d.size());
      for (std::size_t n = 0; n < clear_size(v) + kTransportOverhead; ++n)
        CHECK_FALSE(c.open(ByteView(d).first(n), clear_size(v), room));
    }
  }
}

TEST_CASE("a key of another size or an unknown mode makes no cipher") {
  CHECK_FALSE(TransportCipher::create(TransportMode::aes256_gcm_rtpsize, ByteView(kKey).first(16)));
  CHECK_FALSE(TransportCipher::create(static_cast<TransportMode>(0), kKey));
}

TEST_CASE("mode names are those of the gateway") {
  for (auto mode : {TransportMode::aes256_gcm_rtpsize, TransportMode::xchacha20_poly1305_rtpsize})
    CHECK(transport_mode_from_name(transport_mode_name(mode)) == mode);
  CHECK_FALSE(transport_mode_from_name("xsalsa20_poly1305"));
}
