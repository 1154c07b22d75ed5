// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

#include "gst/reorder/sequence_rules.hpp"

// The cases of docs/sequence-rules.md as one table. Input: numbers, 20 ms apart unless written as
// `number@milliseconds`; `eos` and `flush` are events. Output: `number` or `number@milliseconds`
// where the time matters, `[n]` for n lost, `!` before a frame that carries a restart.

namespace dv {
namespace {

using Buffer = SequenceBuffer<int>;

struct Case {
  const char *name;
  const char *input;
  int latency_ms;
  bool hold_first;
  const char *patient;
  const char *seed;  // with a latency of 2 s
};

const Case kCases[] = {
    {"A: in order, no delay", "1 2 3", 100, false, "1@0 2@20 3@40", "1@0 2@20 3@40"},
    {"B: one swap", "1 3 2 4", 100, true, "1 2 3 4", "1 2 3 4"},
    {"B2: one frame late by three", "1 2 4 5 6 3 7 8", 100, true, "1 2 3 4 5 6 7 8",
     "1 2 3 4 5 6 7 8"},
    {"C: filling one hole leaves the other open", "1 2 5 3 4 6", 100, true, "1 2 3 4 5 6",
     "1 2 3 [1] 5 6"},
    {"C2: two holes filled apart", "1 2 5 6 7 3 8 4 9", 120, true, "1 2 3 4 5 6 7 8 9",
     "1 2 3 [1] 5 6 7 8 9"},
    {"D: a lost frame costs latency once", "1 2 4@60 5 6 7 8 9 10", 100, false,
     "1@0 2@20 [1] 4@160 5@160 6@160 7@160 8@160 9@160 10@180",
     "1@0 2@20 [1] 4@2060 5@2060 6@2060 7@2060 8@2060 9@2060 10@2060"},
    {"E: an old deadline does not touch a new hole", "1@0 3@20 2@40 4@5000 6@5020 5@5040 7@5060",
     100, false, "1@0 2@40 3@40 4@5000 5@5040 6@5040 7@5060",
     "1@0 2@40 3@40 4@5000 5@5040 6@5040 7@5060"},
    {"F: wrap", "65534 65535 0 1", 100, true, "65534 65535 0 1", "65534 65535 0 1"},
    {"G: disorder over the wrap", "65533 65535 0 65534 1", 100, true, "65533 65534 65535 0 1",
     "65533 65534 65535 0 1"},
    {"H: numbers fall back", "40000 40001 100 101 102", 100, false,
     "40000@0 40001@20 !100@60 101@60 102@80", "40000 40001"},
    {"I: duplicates, delivered and held", "1 2 2 4 4 3", 100, true, "1 2 3 4", "1 2 3 4"},
    {"J: the first two swapped", "2 1 3", 100, true, "1@100 2@100 3@100", "2@0 3@40"},
    {"J without hold-first", "2 1 3", 100, false, "2@0 3@40", "2@0 3@40"},
    {"K: a hole, then silence", "1 2 4@60 5@80", 100, false, "1@0 2@20 [1] 4@160 5@160",
     "1@0 2@20 [1] 4@2060 5@2060"},
    {"L: one speaker's hole, nobody else's business", "1 3@40", 100, false, "1@0 [1] 3@140",
     "1@0 [1] 3@2040"},
    {"M: a loss over the wrap", "64990 64991 5@11000 6@11020", 100, true,
     "64990 64991 [549] 5@11100 6@11100", "64990 64991"},
    {"N: the last number before the wrap lost", "65534 0 1 2", 100, false,
     "65534@0 [1] 0@120 1@120 2@120", "65534@0 [1] 0@2020 1@2020 2@2020"},
    {"O: a jump forward", "10 11 5000@3000 5001@3020", 100, true, "10 11 !5000@3020 5001@3020",
     "10 11 [4988] 5000@5000 5001@5000"},
    {"P: back by a lot after long", "60000 60001 2000@700000 2001@700020", 100, true,
     "60000 60001 !2000@700020 2001@700020", "60000 60001"},
    {"Q: end of stream drains at once", "1 2 4 eos", 100, false, "1@0 2@20 [1] 4@60",
     "1 2 [1] 4@60"},
    {"R: flush starts anew", "1 2 flush 7 8", 100, false, "1@0 2@20 7@60 8@80",
     "1@0 2@20 7@60 8@80"},
};

class Player {
 public:
  explicit Player(const SequenceConfig &config) : buffer_(config) {}

  std::string play(const char *input) {
    std::istringstream words(input);
    std::string word;
    Time now{};
    bool first = true;
    while (words >> word) {
      const auto at = word.find('@');
      if (!first) now += 20ms;
      first = false;
      if (at != std::string::npos) now = std::atoi(word.c_str() + at + 1) * Time{1ms};
      wake_until(now);
      if (word == "eos") {
        buffer_.drain(now, actions_);
      } else if (word == "flush") {
        buffer_.reset();
      } else {
        const auto seq = static_cast<std::uint16_t>(std::atoi(word.c_str()));
        buffer_.push(seq, seq, seq * 960u, 960, now, actions_);
      }
      note(now);
    }
    wake_until(kNever);
    CHECK(buffer_.held() == 0);
    const auto &c = buffer_.counters();
    CHECK(c.in == c.out + c.late + c.duplicate + c.flushed);
    return text_;
  }

 private:
  void wake_until(Time limit) {
    for (Time next = buffer_.next_deadline(); next != kNever && next <= limit;
         next = buffer_.next_deadline()) {
      buffer_.advance(next, actions_);
      note(next);
    }
  }
  void note(Time now) {
    for (const auto &action : actions_) {
      using Kind = Buffer::Action::Kind;
      if (action.kind == Kind::lost) text_ += "[" + std::to_string(action.count) + "] ";
      if (action.kind != Kind::deliver) continue;
      CHECK((action.extended_seq & 0xffff) == static_cast<std::uint64_t>(action.item));
      text_ += (action.restart ? "!" : "") + std::to_string(action.item) + "@" +
               std::to_string(now / Time{1ms}) + " ";
    }
    actions_.clear();
  }

  Buffer buffer_;
  Buffer::Actions actions_;
  std::string text_;
};

// Leaves out times that the expectation does not name.
std::string like(const std::string &expected, const std::string &got) {
  std::istringstream want(expected), have(got);
  std::string w, h, out;
  while (have >> h) {
    const bool timed = (want >> w) && w.find('@') != std::string::npos;
    if (!timed) h = h.substr(0, h.find('@'));
    out += (out.empty() ? "" : " ") + h;
  }
  return out;
}

}  // namespace

TEST_CASE("sequence rules: the table, patient") {
  for (const Case &c : kCases) {
    CAPTURE(c.name);
    SequenceConfig config;
    config.latency = c.latency_ms * Time{1ms};
    config.hold_first = c.hold_first;
    CHECK(like(c.patient, Player(config).play(c.input)) == c.patient);
  }
}

TEST_CASE("sequence rules: the table, patient, holding the first frame changes times only") {
  for (const Case &c : kCases) {
    if (std::string(c.name).starts_with("J")) continue;
    CAPTURE(c.name);
    SequenceConfig config;
    config.latency = c.latency_ms * Time{1ms};
    std::istringstream want(c.patient);
    std::string word, numbers;
    while (want >> word) numbers += (numbers.empty() ? "" : " ") + word.substr(0, word.find('@'));
    // A flush discards what is held, so here the start of the stream goes with it.
    if (c.name[0] == 'R') numbers = "7 8";
    CHECK(like(numbers, Player(config).play(c.input)) == numbers);
  }
}

TEST_CASE("sequence rules: the table, seed") {
  for (const Case &c : kCases) {
    CAPTURE(c.name);
    SequenceConfig config;
    config.rules = SequenceRuleSet::seed;
    config.latency = 2s;
    CHECK(like(c.seed, Player(config).play(c.input)) == c.seed);
  }
}

}  // namespace dv
