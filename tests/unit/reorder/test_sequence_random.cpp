// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "gst/reorder/sequence_rules.hpp"

// 10^6 frames of 100 speakers through a network that loses, delays and doubles them, with wraps.
// The reference model knows the whole history: it is a list of (number, arrival) per speaker, and
// the promises are checked against it frame by frame.

namespace dv::random_test {
namespace {

constexpr Time kLatency = 120ms;
constexpr Time kFrame = 20ms;

struct Packet {
  Time arrival;
  int speaker;
  std::uint64_t number;  // as sent, unwrapped
  std::uint16_t seq;
};

struct Speaker {
  SequenceBuffer<std::uint64_t> buffer;
  SequenceBuffer<std::uint64_t>::Actions actions;
  std::map<std::uint64_t, Time> arrived;  // number -> first arrival
  std::vector<std::pair<std::uint64_t, Time>> out;
  std::uint64_t lost_declared = 0;
};

std::vector<Packet> make_traffic(std::mt19937_64 &random, int speakers, int frames) {
  std::vector<Packet> packets;
  for (int who = 0; who < speakers; ++who) {
    const double loss = 0.30 * who / speakers;
    const auto reach = random() % 41;
    const std::uint64_t first = 70000 + random() % 65536;
    for (int i = 0; i < frames; ++i) {
      if (std::uniform_real_distribution<>(0, 1)(random) < loss) continue;
      const std::uint64_t number = first + static_cast<std::uint64_t>(i);
      Time at = i * kFrame + Time{static_cast<std::int64_t>(random() % 1000)};
      if (random() % 5 == 0 && reach) at += kFrame * static_cast<std::int64_t>(random() % reach);
      packets.push_back({at, who, number, static_cast<std::uint16_t>(number)});
      if (random() % 50 == 0) {
        at += Time{1ms} * static_cast<std::int64_t>(random() % 500);
        packets.push_back({at, who, number, static_cast<std::uint16_t>(number)});
      }
    }
  }
  std::stable_sort(packets.begin(), packets.end(),
                   [](const Packet &a, const Packet &b) { return a.arrival < b.arrival; });
  return packets;
}

void note(Speaker &s, Time now) {
  using Action = SequenceBuffer<std::uint64_t>::Action;
  for (auto &a : s.actions) {
    if (a.kind == Action::Kind::deliver) s.out.emplace_back(a.item, now);
    if (a.kind == Action::Kind::lost) s.lost_declared += a.count;
  }
  s.actions.clear();
}

void wake(Speaker &s, Time limit) {
  for (Time t = s.buffer.next_deadline(); t < limit; t = s.buffer.next_deadline()) {
    s.buffer.advance(t, s.actions);
    note(s, t);
  }
}

// The earliest time a number's place can have been given up: `latency` after the first higher one.
std::map<std::uint64_t, Time> first_arrival_above(const Speaker &s) {
  std::map<std::uint64_t, Time> above;
  Time earliest = kNever;
  for (auto it = s.arrived.rbegin(); it != s.arrived.rend(); ++it) {
    above[it->first] = earliest;
    earliest = std::min(earliest, it->second);
  }
  return above;
}

void check(const Speaker &s) {
  std::set<std::uint64_t> seen;
  std::uint64_t last = 0, broken = 0;
  for (auto [number, at] : s.out) {
    broken += number <= last;                        // strictly increasing, nothing twice
    broken += at > s.arrived.at(number) + kLatency;  // nothing waits longer than that
    last = number;
    seen.insert(number);
  }
  CHECK(broken == 0);
  std::uint64_t missed = 0, resurrected = 0;
  const auto above = first_arrival_above(s);
  for (auto [number, at] : s.arrived) {
    const bool in_time = above.at(number) == kNever || at <= above.at(number) + kLatency;
    missed += in_time && !seen.contains(number);
    resurrected += !in_time && seen.contains(number);
  }
  CHECK(missed == 0);
  CHECK(resurrected == 0);
  const auto &c = s.buffer.counters();
  CHECK(c.in == c.out + c.late + c.duplicate);
  CHECK(c.out == s.out.size());
  CHECK(c.restarts == 0);
  CHECK(c.lost == s.lost_declared);
  CHECK(c.out + c.lost == s.out.back().first - s.out.front().first + 1);
}

}  // namespace

TEST_CASE("a million frames of 100 speakers keep every promise") {
  std::mt19937_64 random(20240229);
  std::vector<Speaker> speakers(100);
  const auto packets = make_traffic(random, 100, 12000);
  REQUIRE(packets.size() > 1000000);
  for (const Packet &p : packets) {
    Speaker &s = speakers[static_cast<std::size_t>(p.speaker)];
    wake(s, p.arrival);
    s.arrived.emplace(p.number, p.arrival);
    s.buffer.push(p.number, p.seq, static_cast<std::uint32_t>(p.number) * 960, 960, p.arrival,
                  s.actions);
    note(s, p.arrival);
  }
  for (Speaker &s : speakers) {
    wake(s, kNever);
    check(s);
  }
}

TEST_CASE("seed rules: a random stream is strictly increasing, nothing twice, all accounted") {
  std::mt19937_64 random(3);
  std::vector<Speaker> speakers(20);
  SequenceConfig config;
  config.rules = SequenceRuleSet::seed;
  config.latency = 2s;
  for (Speaker &s : speakers) s.buffer = SequenceBuffer<std::uint64_t>(config);
  for (const Packet &p : make_traffic(random, 20, 6000)) {
    Speaker &s = speakers[static_cast<std::size_t>(p.speaker)];
    wake(s, p.arrival);
    s.buffer.push(p.number, p.seq, 0, 960, p.arrival, s.actions);
    note(s, p.arrival);
  }
  for (Speaker &s : speakers) {
    wake(s, kNever);
    std::uint64_t last = 0, broken = 0;
    // By these rules a stream can fall deaf around a wrap, but never go back or repeat.
    for (auto [number, at] : s.out) broken += std::exchange(last, number) >= number;
    CHECK(broken == 0);
    const auto &c = s.buffer.counters();
    CHECK(c.in == c.out + c.late + c.duplicate);
  }
}

}  // namespace dv::random_test
