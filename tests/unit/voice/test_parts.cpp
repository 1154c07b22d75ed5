// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>

#include "ext/voice/core/heartbeat.hpp"
#include "ext/voice/core/pacing.hpp"
#include "ext/voice/core/roster.hpp"
#include "ext/voice/core/udp_link.hpp"
#include "ext/wire/udp_control.hpp"

using namespace dv;
using namespace dv::voice;

TEST_CASE(
    "back-off: full jitter from 1 s up to 60 s, less with good service, reset by a minute of it") {
  Backoff backoff([] { return 0.999; });
  Time now = 0s;
  const Time ceilings[] = {1s, 2s, 4s, 8s, 16s, 32s, 60s, 60s};
  for (const Time ceiling : ceilings) {
    const Time delay = backoff.after_failure(now);
    CHECK(delay <= ceiling);
    CHECK(delay > ceiling - ceiling / 100);
  }
  backoff.on_healthy(now);
  backoff.on_unhealthy(now + 4s);
  CHECK(backoff.after_failure(now + 4s) > 50s);
  backoff.on_healthy(now + 10s);
  backoff.on_unhealthy(now + 40s);
  const Time shorter = backoff.after_failure(now + 40s);
  CHECK(shorter < 10s);
  CHECK(shorter > 1s);
  backoff.on_healthy(now + 100s);
  backoff.on_unhealthy(now + 160s);
  CHECK(backoff.after_failure(now + 160s) < 1s);
  Backoff eager([] { return 0.0; });
  CHECK(eager.after_failure(0s) == Time(0));
}

TEST_CASE("an unreachable server is asked often for a minute, then ever less") {
  Backoff backoff([] { return 0.999; });
  Time now = 0s;
  int quick = 0;
  while (now < 60s) {
    const Time delay = backoff.after_connect_failure(now);
    CHECK(delay <= 1s);
    now += delay;
    quick++;
  }
  CHECK(quick >= 60);
  Time longest{};
  for (int i = 0; i < 10; i++) {
    const Time delay = backoff.after_connect_failure(now);
    longest = std::max(longest, delay);
    now += delay;
  }
  CHECK(longest > 50s);
  CHECK(longest <= 60s);
}

TEST_CASE("heartbeats: at most 5 s apart, three unanswered are the end") {
  Heartbeat heartbeat;
  CHECK(heartbeat.advance(100s) == Heartbeat::Event::none);
  heartbeat.start(13750ms, 0s);
  CHECK(heartbeat.next_wakeup() == 5s);
  CHECK(heartbeat.advance(5s) == Heartbeat::Event::beat);
  heartbeat.on_ack(5040ms);
  CHECK(heartbeat.rtt() == 40ms);
  for (const Time now : {10s, 15s, 20s}) CHECK(heartbeat.advance(now) == Heartbeat::Event::beat);
  CHECK(heartbeat.advance(25s) == Heartbeat::Event::dead);
  CHECK(heartbeat.next_wakeup() == kNever);
}

TEST_CASE("ping answers: only those of recent own pings count, and give the round trip") {
  UdpLink link;
  link.discover(77, 0s);
  const auto answer = encode_discovery_response({77, "198.51.100.9", 40000});
  CHECK(link.on_datagram(answer, 1s) == UdpLink::Event::discovered);
  CHECK(link.on_datagram(answer, 1s) == UdpLink::Event::none);  // a late duplicate
  link.start_pings(10s);
  CHECK(link.take_datagrams().size() == 3);
  CHECK(link.on_datagram(encode_ping_reply(99), 10s) == UdpLink::Event::none);
  CHECK(link.on_datagram(encode_ping_reply(0), 10s) == UdpLink::Event::none);
  CHECK(link.on_datagram(encode_ping_reply(1), 10025ms) == UdpLink::Event::pong);
  CHECK(link.rtt() == 25ms);
  CHECK(link.on_datagram(answer, 11s) == UdpLink::Event::none);
  CHECK(link.unexpected() == 3);
}

TEST_CASE("discovery answers for another SSRC or without an address are ignored") {
  UdpLink link;
  link.discover(77, 0s);
  CHECK(link.on_datagram(encode_discovery_response({78, "198.51.100.9", 40000}), 0s) ==
        UdpLink::Event::none);
  CHECK(link.on_datagram(encode_discovery_response({77, "not-an-address", 40000}), 0s) ==
        UdpLink::Event::none);
  CHECK(link.on_datagram(encode_discovery_response({77, "198.51.100.9", 0}), 0s) ==
        UdpLink::Event::none);
  for (int i = 1; i <= 11; i++) CHECK(link.advance(Time(500ms) * i) == UdpLink::Event::none);
  CHECK(link.take_datagrams().size() == 12);
  CHECK(link.advance(6s) == UdpLink::Event::discovery_failed);
}

TEST_CASE("another own address counts when two answers name it and no packet comes meanwhile") {
  UdpLink link;
  const auto answer = [](std::uint16_t port) {
    return encode_discovery_response({77, "198.51.100.9", port});
  };
  link.discover(77, 0s);
  CHECK(link.on_datagram(answer(40000), 0s) == UdpLink::Event::discovered);
  link.start_pings(0s);
  link.on_media(1s);
  CHECK(link.next_wakeup() == 1500ms);  // packets stop coming: a ping out of turn
  CHECK(link.advance(1500ms) == UdpLink::Event::none);
  CHECK(link.on_datagram(answer(40001), 1510ms) == UdpLink::Event::none);
  CHECK(link.on_datagram(answer(40001), 1520ms) == UdpLink::Event::none);  // nobody asked
  CHECK(link.next_wakeup() == 2010ms);
  SUBCASE("the same again") {
    CHECK(link.advance(2010ms) == UdpLink::Event::none);
    CHECK(link.on_datagram(answer(40001), 2020ms) == UdpLink::Event::address_changed);
  }
  SUBCASE("yet another one") {
    CHECK(link.advance(2010ms) == UdpLink::Event::none);
    CHECK(link.on_datagram(answer(40002), 2020ms) == UdpLink::Event::none);
  }
  SUBCASE("the old one after all") {
    CHECK(link.advance(2010ms) == UdpLink::Event::none);
    CHECK(link.on_datagram(answer(40000), 2020ms) == UdpLink::Event::none);
    CHECK(link.advance(5s) == UdpLink::Event::none);
    CHECK(link.on_datagram(answer(40001), 5010ms) == UdpLink::Event::none);
  }
  SUBCASE("packets come: the server has followed, and the address is the one to compare with") {
    link.on_media(1600ms);
    CHECK(link.advance(2100ms) == UdpLink::Event::none);
    CHECK(link.on_datagram(answer(40001), 2110ms) == UdpLink::Event::none);
    for (int i = 1; i <= 3; i++) {
      CHECK(link.advance(Time(5s) * i) == UdpLink::Event::none);
      CHECK(link.on_datagram(answer(40001), Time(5s) * i) == UdpLink::Event::none);
    }
  }
}

TEST_CASE("the roster is bounded and tells news from repetition") {
  Roster roster;
  CHECK(roster.enter(5));
  CHECK_FALSE(roster.enter(5));
  CHECK(roster.know({5, "five", false}));
  CHECK_FALSE(roster.know({5, "five", false}));
  CHECK(roster.know({5, "Five", false}));
  CHECK(roster.leave(5));
  CHECK_FALSE(roster.leave(5));
  for (UserId user = 1; user < 40'000; user++) {
    roster.enter(user);
    roster.know({user, "x", false});
  }
  CHECK(roster.size() == 25'000);
}
