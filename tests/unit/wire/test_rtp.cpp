// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>

#include <string>

#include "ext/wire/rtp.hpp"
#include "ext/wire/udp_control.hpp"
#include "tests/support/hex.hpp"

using namespace dv;
using dv::test::from_hex;
using dv::test::to_hex;

TEST_CASE("datagrams are told apart by length, version and the whole packet type") {
  struct Case {
    const char *hex;
    DatagramKind kind;
  };
  const Case cases[] = {
      {"", DatagramKind::garbage},
      {"1337f00d00000001", DatagramKind::ping_reply},
      {"1337cafe00000001", DatagramKind::keepalive_echo},
      {"0000000000000000", DatagramKind::keepalive_echo},
      {"80781234000654320001a2", DatagramKind::garbage},
      {"80781234000654320001a2b3", DatagramKind::rtp},
      {"80f81234000654320001a2b3", DatagramKind::rtp},
      {"40781234000654320001a2b3", DatagramKind::garbage},
      {"80c80001000654320001a2b3", DatagramKind::rtcp},
      {"80c00001000654320001a2b3", DatagramKind::rtcp},
      {"80df0001000654320001a2b3", DatagramKind::rtcp},
      {"80bf0001000654320001a2b3", DatagramKind::rtp},
      {"80e00001000654320001a2b3", DatagramKind::rtp},
  };
  for (const Case &c : cases) {
    CAPTURE(std::string(c.hex));
    CHECK(classify(from_hex(c.hex)) == c.kind);
  }
  const auto response = encode_discovery_response({7, "203.0.113.7", 50000});
  CHECK(classify(response) == DatagramKind::discovery);
  CHECK(classify(encode_discovery_request(7)) == DatagramKind::garbage);
}

TEST_CASE("header lengths are checked before they are used") {
  CHECK_FALSE(parse_rtp(from_hex("82781234000654320001a2b31111111122222")));
  CHECK_FALSE(parse_rtp(from_hex("90781234000654320001a2b3bede00")));
  const auto h = parse_rtp(from_hex("92f8fffffffffc400001a2b31111111122222222bede0002"));
  REQUIRE(h);
  CHECK(h->clear_size == 24);
  CHECK(h->extension_size == 8);
  CHECK(h->marker);
  CHECK(h->payload_type == 120);
  CHECK(h->seq == 0xffff);
  CHECK(h->timestamp == 0xfffffc40);
  CHECK(h->ssrc == 0x1a2b3);
}

TEST_CASE("extension and padding that do not fit are refused") {
  RtpHeader h;
  h.extension_size = 8;
  CHECK_FALSE(rtp_payload(h, Bytes(7)));
  CHECK(rtp_payload(h, Bytes(8))->empty());
  h = {};
  h.padding = true;
  CHECK_FALSE(rtp_payload(h, Bytes{}));
  CHECK_FALSE(rtp_payload(h, Bytes{1, 0}));
  CHECK_FALSE(rtp_payload(h, Bytes{1, 3}));
  CHECK(rtp_payload(h, Bytes{1, 2})->empty());
  CHECK(rtp_payload(h, Bytes{7, 0, 2})->size() == 1);
}

TEST_CASE("what is built is read back") {
  const Ssrc csrcs[] = {0x11111111, 0x22222222};
  const Bytes extension = from_hex("107f510001900300");
  RtpPacketSpec spec;
  spec.marker = true;
  spec.seq = 0xffff;
  spec.timestamp = 0xfffffc40;
  spec.ssrc = 0x1a2b3;
  spec.csrcs = csrcs;
  spec.extension = true;
  spec.extension_body = extension;
  spec.padding = 5;
  const Bytes packet = build_rtp(spec, from_hex("f8fffe"));
  CHECK(to_hex(packet) ==
        "b2f8fffffffffc400001a2b31111111122222222bede0002107f510001900300f8fffe0000000005");
  const auto h = parse_rtp(packet);
  REQUIRE(h);
  const auto payload = rtp_payload(*h, ByteView(packet).subspan(h->clear_size));
  REQUIRE(payload);
  CHECK(to_hex(*payload) == "f8fffe");
  spec.extension_body = ByteView(extension).first(3);
  CHECK(build_rtp(spec, {}).empty());
}

TEST_CASE("an RTCP compound must add up") {
  CHECK(valid_rtcp_compound(from_hex("80c90001 0001a2b3")));
  CHECK(valid_rtcp_compound(from_hex("80c90001 0001a2b3 81ca0002 0001a2b3 00000000")));
  CHECK_FALSE(valid_rtcp_compound({}));
  CHECK_FALSE(valid_rtcp_compound(from_hex("80c90002 0001a2b3")));
  CHECK_FALSE(valid_rtcp_compound(from_hex("80c90001 0001a2b3 00")));
  CHECK_FALSE(valid_rtcp_compound(from_hex("00c90001 0001a2b3")));
}

TEST_CASE("numbers extend to the nearest 64-bit value") {
  CHECK(extend16(65535, 0) == 65536);
  CHECK(extend16(65536, 65535) == 65535);
  CHECK(extend16(0x12fff0, 5) == 0x130005);
  CHECK(extend16(100000, static_cast<std::uint16_t>(100000 + 32767)) == 132767);
  CHECK(extend16(100000, static_cast<std::uint16_t>(100000 - 32768)) == 67232);
  CHECK(extend32(0xffffffffULL, 0) == 0x100000000ULL);
  CHECK(extend32(0x100000000ULL, 0xffffffff) == 0xffffffffULL);
  CHECK(distance32(0xffffffff, 1) == 2);
}

TEST_CASE("IP discovery as published, and answers that lie") {
  CHECK(to_hex(encode_discovery_request(0x1a2b3)).substr(0, 24) == "000100460001a2b300000000");
  CHECK(decode_discovery_request(encode_discovery_request(0x1a2b3)) == 0x1a2b3);
  auto response = encode_discovery_response({0x1a2b3, "203.0.113.7", 50000});
  CHECK(to_hex(response).substr(0, 40) == "000200460001a2b33230332e302e3131332e3700");
  CHECK(to_hex(response).substr(144) == "c350");
  const auto answer = decode_discovery_response(response);
  REQUIRE(answer);
  CHECK(answer->address == "203.0.113.7");
  CHECK(answer->port == 50000);
  CHECK(answer->ssrc == 0x1a2b3);
  for (std::size_t i = 8; i < 72; ++i) response[i] = '1';
  CHECK_FALSE(decode_discovery_response(response));
  CHECK_FALSE(decode_discovery_response(encode_discovery_response({1, "example.org", 1})));
  CHECK_FALSE(decode_discovery_response(encode_discovery_response({1, "", 1})));
  CHECK(decode_discovery_response(encode_discovery_response({1, "2001:db8::1", 1})));
}

TEST_CASE("the ping and its answer carry the same number") {
  CHECK(to_hex(encode_ping(1)) == "1337cafe00000001");
  CHECK(decode_ping(encode_ping(77)) == 77);
  CHECK(decode_ping_reply(encode_ping_reply(77)) == 77);
  CHECK_FALSE(decode_ping_reply(encode_ping(77)));
}
