// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>

#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "gst/reorder/sequence_rules.hpp"

namespace dv {
namespace {

using Buffer = SequenceBuffer<int>;
using Kind = Buffer::Action::Kind;

struct Stream {
  explicit Stream(SequenceConfig config = {}) : buffer(config) {}

  void push(int seq, Time now, std::uint8_t flags = kSequencePlain) {
    buffer.push(seq, static_cast<std::uint16_t>(seq), static_cast<std::uint32_t>(seq) * 960, 960,
                now, actions, flags);
  }
  std::vector<int> numbers(Kind kind = Kind::deliver) const {
    std::vector<int> all;
    for (const auto &a : actions) {
      if (a.kind == kind) all.push_back(kind == Kind::lost ? static_cast<int>(a.count) : a.item);
    }
    return all;
  }

  Buffer buffer;
  Buffer::Actions actions;
};

SequenceConfig no_hold() {
  SequenceConfig config;
  config.hold_first = false;
  return config;
}

}  // namespace

TEST_CASE("the first frame, and the first after a gap, is marked discontinuous") {
  Stream s(no_hold());
  s.push(1, 0ms);
  s.push(2, 20ms);
  s.push(4, 60ms);
  s.buffer.advance(180ms, s.actions);
  REQUIRE(s.actions.size() == 4);
  CHECK(s.actions[0].discont);
  CHECK_FALSE(s.actions[1].discont);
  CHECK(s.actions[2].kind == Kind::lost);
  CHECK(s.actions[2].lost_samples == 960);
  CHECK(s.actions[3].discont);
}

TEST_CASE("a frame at the very moment of the time-out has come in time") {
  Stream s(no_hold());
  s.push(1, 0ms);
  s.push(3, 40ms);
  s.push(2, 160ms);
  CHECK(s.numbers() == std::vector<int>{1, 2, 3});
  s.push(5, 200ms);
  s.push(4, 320ms + Time{1});
  CHECK(s.numbers() == std::vector<int>{1, 2, 3, 5});
  CHECK(s.buffer.counters().late == 1);
}

TEST_CASE("a frame whose predecessors are known to be final waits for nothing") {
  Stream s;
  s.push(5, 0ms, kSequenceFinal);
  s.push(9, 20ms, kSequenceFinal);
  CHECK(s.numbers() == std::vector<int>{5, 9});
  CHECK(s.numbers(Kind::lost) == std::vector<int>{3});
  s.push(30000, 40ms, kSequenceFinal);
  CHECK(s.numbers() == std::vector<int>{5, 9, 30000});
  CHECK(s.buffer.counters().restarts == 1);
  CHECK(s.buffer.next_deadline() == kNever);
}

TEST_CASE("latency 0 gives a hole up at once") {
  SequenceConfig config;
  config.latency = 0ms;
  Stream s(config);
  for (int seq : {1, 3, 2, 4}) s.push(seq, 0ms);
  CHECK(s.numbers() == std::vector<int>{1, 3, 4});
  CHECK(s.numbers(Kind::drop_late) == std::vector<int>{2});
  CHECK(s.buffer.next_deadline() == kNever);
}

TEST_CASE("no hole times out while packets of the stream wait for keys") {
  Stream s(no_hold());
  s.push(1, 0ms);
  s.push(3, 20ms);
  s.buffer.hold(true);
  CHECK(s.buffer.next_deadline() == kNever);
  s.buffer.advance(1s, s.actions);
  CHECK(s.numbers() == std::vector<int>{1});
  CHECK(s.buffer.is_open(2));
  s.push(2, 1500ms);
  CHECK(s.numbers() == std::vector<int>{1, 2, 3});
  CHECK_FALSE(s.buffer.is_open(2));
  s.push(5, 1600ms);
  s.buffer.hold(false);
  CHECK(s.buffer.next_deadline() == 1720ms);
}

TEST_CASE("late by more than the history is late, not a duplicate") {
  SequenceConfig config = no_hold();
  config.max_misorder = 2000;
  Stream s(config);
  for (int seq = 0; seq < 1500; ++seq) s.push(seq, seq * 20ms);
  s.push(100, 31s);
  s.push(1400, 31s);
  CHECK(s.buffer.counters().late == 1);
  CHECK(s.buffer.counters().duplicate == 1);
}

TEST_CASE("a stray number is dropped, and the old numbering goes on") {
  Stream s(no_hold());
  for (int seq : {1, 2, 30000, 3, 4}) s.push(seq, 0ms);
  s.buffer.advance(1s, s.actions);
  CHECK(s.numbers() == std::vector<int>{1, 2, 3, 4});
  CHECK(s.buffer.counters().late == 1);
  CHECK(s.buffer.counters().restarts == 0);
}

TEST_CASE("a restart is recognised through disorder and loss at its start") {
  for (auto start : {std::vector<int>{101, 100, 102}, std::vector<int>{100, 102, 103}}) {
    Stream s(no_hold());
    s.push(40000, 0ms);
    Time now = 20ms;
    for (int seq : start) s.push(seq, now += 20ms);
    s.buffer.advance(1s, s.actions);
    auto got = s.numbers();
    std::sort(start.begin(), start.end());
    start.insert(start.begin(), 40000);
    CHECK(got == start);
    CHECK(s.buffer.counters().restarts == 1);
  }
}

TEST_CASE("a single frame of a new numbering is not thrown away when the old one is silent") {
  Stream s(no_hold());
  s.push(10, 0ms);
  s.push(12, 20ms);
  s.push(20000, 40ms);
  CHECK(s.buffer.next_deadline() == 140ms);
  s.buffer.advance(160ms, s.actions);
  CHECK(s.numbers() == std::vector<int>{10, 12, 20000});
  CHECK(s.actions.back().restart);
}

TEST_CASE("a very late frame alone is no restart") {
  Stream s(no_hold());
  for (int seq : {1000, 1001, 700}) s.push(seq, 0ms);
  s.buffer.advance(1s, s.actions);
  CHECK(s.numbers() == std::vector<int>{1000, 1001});
  CHECK(s.buffer.counters().late == 1);
}

TEST_CASE("a loss of minutes is one action") {
  SequenceConfig config = no_hold();
  config.max_dropout = 30000;
  Stream s(config);
  s.push(1, 0ms);
  s.push(29000, 600s);
  s.buffer.advance(601s, s.actions);
  CHECK(s.actions.size() == 3);
  CHECK(s.buffer.counters().lost == 28998);
}

TEST_CASE("contiguous numbers with a jump of RTP time are a pause") {
  Stream s(no_hold());
  s.buffer.push(1, 1, 1000, 960, 0ms, s.actions);
  s.buffer.push(2, 2, 1000 + 48000 * 60, 960, 60s, s.actions);
  CHECK(s.numbers() == std::vector<int>{1, 2});
  CHECK_FALSE(s.actions[1].discont);
  CHECK(s.buffer.counters().lost == 0);
}

TEST_CASE("a pause inside a loss does not count as lost sound") {
  Stream s(no_hold());
  s.buffer.push(1, 1, 0, 960, 0ms, s.actions);
  s.buffer.push(3, 3, 48000 * 60, 960, 60s, s.actions);
  s.buffer.advance(61s, s.actions);
  CHECK(s.actions[1].lost_samples == 960);
}

TEST_CASE("held items are bounded under a flood, and every item comes back") {
  for (auto rules : {SequenceRuleSet::patient, SequenceRuleSet::seed}) {
    SequenceConfig config;
    config.rules = rules;
    config.latency = 3600s;
    SequenceBuffer<std::shared_ptr<int>> buffer(config);
    SequenceBuffer<std::shared_ptr<int>>::Actions actions;
    std::mt19937 random(7);
    auto token = std::make_shared<int>(0);
    std::uint64_t back = 0;
    for (int i = 0; i < 300000; ++i) {
      const auto seq = static_cast<std::uint16_t>(i < 100000 ? i * 2 : random());
      buffer.push(token, seq, static_cast<std::uint32_t>(random()), 960, Time{i}, actions);
      for (auto &a : actions) back += a.item ? 1 : 0;
      actions.clear();
      REQUIRE(buffer.held() <= 1025);
    }
    CHECK(back + buffer.held() == 300000);
    buffer.reset();
    CHECK(token.use_count() == 1);
  }
}

TEST_CASE("time that runs backwards counts as the latest seen") {
  Stream s(no_hold());
  s.push(1, 1s);
  s.push(3, 500ms);
  CHECK(s.buffer.next_deadline() == 1120ms);
}

TEST_CASE("what was held up on its way here keeps its arrival, whatever timed out meanwhile") {
  Stream s;
  s.push(1, 0ms);
  s.push(2, 20ms);
  s.buffer.advance(120ms, s.actions);
  // A decoder has waited for number 3; all come at 150 ms.
  s.push(3, 80ms, kSequenceFinal);
  s.push(4, 80ms);
  s.push(5, 100ms);
  s.push(6, 150ms);
  std::vector<Time> arrivals;
  for (const auto &action : s.actions) arrivals.push_back(action.arrival);
  CHECK(s.numbers() == std::vector<int>{1, 2, 3, 4, 5, 6});
  CHECK(arrivals == std::vector<Time>{0ms, 20ms, 80ms, 80ms, 100ms, 150ms});
}

}  // namespace dv
