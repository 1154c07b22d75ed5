// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/voice/core/endpoint.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace dv::voice;

TEST_CASE("an endpoint is a host name with or without a port, nothing else") {
  struct Row {
    const char *text;
    bool ok;
    const char *host;
    unsigned port;
  };
  const std::string long_label(64, 'a');
  const std::string too_long = long_label + ".discord.media";
  const Row rows[] = {
      {"c-waw05-3976556b.discord.media:8443", true, "c-waw05-3976556b.discord.media", 8443},
      {"sweetwater-12345.discord.media", true, "sweetwater-12345.discord.media", 443},
      {"brazil1.discord.media:80", true, "brazil1.discord.media", 443},
      {"a.b:65535", true, "a.b", 65535},
      {"a.b:65536", false, "", 0},
      {"a.b:0", false, "", 0},
      {"a.b:", false, "", 0},
      {"a.b:+1", false, "", 0},
      {"a.b:1 ", false, "", 0},
      {"a.b:1x", false, "", 0},
      {"a.b:443:443", false, "", 0},
      {"", false, "", 0},
      {":443", false, "", 0},
      {"discord", false, "", 0},
      {"wss://a.b", false, "", 0},
      {"a.b/", false, "", 0},
      {"a.b?x", false, "", 0},
      {"a.b#x", false, "", 0},
      {"u@a.b", false, "", 0},
      {"a b.c", false, "", 0},
      {"a..b", false, "", 0},
      {".a.b", false, "", 0},
      {"a.b.", false, "", 0},
      {"-a.b", false, "", 0},
      {"a-.b", false, "", 0},
      {"a_b.c", false, "", 0},
      {"a.b\n", false, "", 0},
      {"\xc3\xa4.de", false, "", 0},
      {"10.0.0.1", false, "", 0},
      {"203.0.113.7:443", false, "", 0},
      {"1.2.3.4.5", false, "", 0},
      {"0x7f.1", false, "", 0},
      {"[2001:db8::1]:443", false, "", 0},
      {"[::1]:443", false, "", 0},
      {"127.0.0.1:443", false, "", 0},
      {"localhost", false, "", 0},
      {too_long.c_str(), false, "", 0},
  };
  for (const Row &row : rows) {
    CAPTURE(row.text);
    const auto result = parse_endpoint(row.text, false);
    CHECK(result.has_value() == row.ok);
    if (!result) continue;
    CHECK(result->host == row.host);
    CHECK(result->port == row.port);
  }
}

TEST_CASE("the loopback is an endpoint only when the gateway itself is there") {
  for (const char *text : {"localhost:7443", "127.0.0.1:7443", "127.9.9.9", "[::1]:7443"}) {
    CAPTURE(text);
    CHECK(parse_endpoint(text, true).has_value());
    CHECK_FALSE(parse_endpoint(text, false).has_value());
  }
  CHECK_FALSE(parse_endpoint("10.0.0.1:7443", true).has_value());
  CHECK(voice_url(*parse_endpoint("localhost:7443", true)) == "wss://localhost:7443/?v=8");
  CHECK(voice_url(*parse_endpoint("[::1]:7443", true)) == "wss://[::1]:7443/?v=8");
  CHECK(is_loopback_url("wss://localhost:1/?v=10"));
  CHECK(is_loopback_url("wss://127.0.0.1:1"));
  CHECK_FALSE(is_loopback_url("wss://localhost.evil.example"));
  CHECK_FALSE(is_loopback_url("wss://127.0.0.1.evil.example"));
  CHECK_FALSE(is_loopback_url("localhost"));
  CHECK_FALSE(is_loopback_url("wss://user@localhost"));
}

TEST_CASE("a gateway URL gets its query, and must be wss") {
  CHECK(gateway_url("wss://gateway.discord.gg") == "wss://gateway.discord.gg/?v=10&encoding=json");
  CHECK(gateway_url("wss://gateway.discord.gg/?v=9&compress=zlib-stream") ==
        "wss://gateway.discord.gg/?v=10&encoding=json");
  CHECK(gateway_url("wss://localhost:7443/") == "wss://localhost:7443/?v=10&encoding=json");
  CHECK(gateway_url("wss://gateway:7443/path") == "wss://gateway:7443/path?v=10&encoding=json");
  CHECK(gateway_url("wss://10.0.0.5:7443") == "wss://10.0.0.5:7443/?v=10&encoding=json");
  for (const char *url :
       {"", "ws://gateway.discord.gg", "https://gateway.discord.gg", "wss://", "wss://a b.c",
        "wss://a.b:99999", "wss://user:pass@a.b", "gateway.discord.gg"}) {
    CAPTURE(url);
    CHECK_FALSE(gateway_url(url).has_value());
  }
  CHECK_FALSE(resume_url("wss://10.0.0.5:7443", false).has_value());
  CHECK_FALSE(resume_url("wss://localhost:7443", false).has_value());
  CHECK(resume_url("wss://localhost:7443", true).has_value());
}
