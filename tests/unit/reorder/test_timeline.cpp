// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "gst/reorder/rtp_timeline.hpp"
#include "gst/reorder/sequence_rules.hpp"

// Speakers with known truth, a simulated network, the sequence rules and the timeline: where a
// frame is placed is compared with when it was sent (plus the constant least delay of the network).

namespace dv::timeline_test {
namespace {

constexpr Time kDelay = 37ms;
constexpr Time kFrame = 20ms;

struct Sent {
  Time at;
  std::uint16_t seq;
  std::uint32_t rtp_time;
  bool silence;
  std::size_t spurt;
};

struct Speaker {
  bool keeps_clock = true;  // advances its timestamps over pauses
  bool says_silence = true;
  double drift = 0;                           // of the sender's clock, e.g. 200e-6
  std::vector<std::pair<Time, Time>> spurts;  // start, length
};

std::vector<Sent> speak(const Speaker &speaker, std::uint32_t rtp_start = 0xfffff000u) {
  std::vector<Sent> sent;
  std::uint16_t seq = 65500;
  std::uint32_t rtp = rtp_start;
  Time last{};
  bool first = true;
  for (std::size_t i = 0; i < speaker.spurts.size(); ++i) {
    const auto [start, length] = speaker.spurts[i];
    // One frame of the sender's clock in real time.
    const Time frame{std::llround(20e6 / (1 + speaker.drift))};
    if (!first && speaker.keeps_clock) {
      rtp += static_cast<std::uint32_t>(
          std::llround(static_cast<double>((start - last).count()) * (1 + speaker.drift) * 48e-6));
    }
    first = false;
    const auto frames = length / kFrame;
    for (std::int64_t k = 0; k < frames; ++k) {
      const Time at = start + k * frame;
      sent.push_back({at, seq++, rtp, speaker.says_silence && k >= frames - 5, i});
      rtp += 960;
      last = at + frame;
    }
  }
  return sent;
}

using Network = std::function<Time(const Sent &)>;  // extra delay; kNever: lost

struct Outcome {
  std::vector<Time> least, most;  // error per spurt
  std::size_t received = 0, placed = 0, late = 0, overlaps = 0, broken_spurts = 0;
  Time worst(std::size_t from = 0) const {
    Time w{};
    for (std::size_t i = from; i < least.size(); ++i) {
      if (least[i] == kNever) continue;
      w = std::max({w, -least[i], most[i]});
    }
    return w;
  }
};

struct Waits {
  Time first{}, anchor{}, doubt{};
};

class Run {
 public:
  Run(const std::vector<Sent> &sent, Waits waits, std::size_t spurts)
      : timeline_({48000, waits.first, waits.anchor, waits.doubt}) {
    outcome_.least.assign(spurts, kNever);
    outcome_.most.assign(spurts, Time::min());
    for (const Sent &s : sent) by_number_.push_back(s);
  }

  Outcome operator()(const Network &network) {
    std::vector<std::pair<Time, std::size_t>> arrivals;
    for (std::size_t i = 0; i < by_number_.size(); ++i) {
      const Time extra = network(by_number_[i]);
      if (extra != kNever) arrivals.emplace_back(by_number_[i].at + kDelay + extra, i);
    }
    std::stable_sort(arrivals.begin(), arrivals.end());
    for (auto [at, i] : arrivals) {
      wake(at);
      const Sent &s = by_number_[i];
      rules_.push(i, s.seq, s.rtp_time, 960, at, actions_);
      forward(at);
    }
    wake(kNever - Time{1});
    outcome_.received = arrivals.size();
    outcome_.late = rules_.counters().late;
    return outcome_;
  }

 private:
  void wake(Time limit) {
    for (;;) {
      const Time next = std::min(rules_.next_deadline(), timeline_.next_deadline());
      if (next >= limit) return;
      rules_.advance(next, actions_);
      forward(next);
    }
  }
  void forward(Time now) {
    for (auto &a : actions_) {
      if (a.kind != SequenceAction<std::size_t>::Kind::deliver) continue;
      TimelineFrame f;
      f.extended_seq = a.extended_seq;
      f.rtp_time = a.rtp_time;
      f.samples = 960;
      f.arrival = a.arrival;
      f.restart = a.restart;
      f.silence = by_number_[a.item].silence;
      timeline_.push(f, now);
      order_.push_back(a.item);
    }
    actions_.clear();
    while (auto placed = timeline_.pop(now)) {
      const Sent &s = by_number_[order_[next_++]];
      const Time error = placed->pts - (s.at + kDelay);
      outcome_.least[s.spurt] = std::min(outcome_.least[s.spurt], error);
      outcome_.most[s.spurt] = std::max(outcome_.most[s.spurt], error);
      outcome_.overlaps += placed->pts < end_;
      if (next_ > 1) {
        const Sent &before = by_number_[order_[next_ - 2]];
        // Neighbours of one spurt touch exactly, and what is lost between them keeps its place.
        if (before.spurt == s.spurt && before.seq + 1 == s.seq) {
          outcome_.broken_spurts += placed->pts != end_;
        }
      }
      end_ = placed->pts + placed->duration;
      ++outcome_.placed;
    }
  }

  std::vector<Sent> by_number_;
  SequenceBuffer<std::size_t> rules_;
  SequenceBuffer<std::size_t>::Actions actions_;
  RtpTimeline timeline_;
  std::vector<std::size_t> order_;
  std::size_t next_ = 0;
  Time end_{};
  Outcome outcome_;
};

std::vector<std::pair<Time, Time>> talk(int spurts, std::uint32_t seed, Time start = 100ms) {
  std::mt19937 random(seed);
  std::vector<std::pair<Time, Time>> all;
  for (int i = 0; i < spurts; ++i) {
    const Time length = kFrame * (40 + random() % 150);
    all.emplace_back(start, length);
    start += length + Time{1ms} * (250 + random() % 4000);
  }
  return all;
}

Outcome simulate(const Speaker &speaker, const Network &network, Waits waits = {}) {
  return Run(speak(speaker), waits, speaker.spurts.size())(network);
}

Network clean() {
  return [](const Sent &) { return Time{}; };
}
Network lossy(double loss, std::uint32_t seed) {
  return [=, random = std::mt19937(seed)](const Sent &) mutable {
    return std::uniform_real_distribution<>(0, 1)(random) < loss ? kNever : Time{};
  };
}
Network jittery(Time most, std::uint32_t seed) {
  return [=, random = std::mt19937(seed)](const Sent &) mutable {
    return Time{static_cast<std::int64_t>(std::uniform_real_distribution<>(0, 1)(random) *
                                          static_cast<double>(most.count()))};
  };
}
// Nothing comes through for `length` from `start` on; then all of it at once.
Network stalled(Time start, Time length) {
  return [=](const Sent &s) {
    return s.at >= start && s.at < start + length ? start + length - s.at : Time{};
  };
}

double milliseconds(Time t) { return std::chrono::duration<double, std::milli>(t).count(); }

const Waits kModes[] = {{0ms, 360ms, 0ms}, {120ms, 360ms, 60ms}};

/** Nothing that was received is thrown away. */
void check_account(const Outcome &o) {
  CHECK(o.placed == o.received);
  CHECK(o.late == 0);
  CHECK(o.overlaps == 0);
}

}  // namespace

TEST_CASE("timeline: a clean network is reproduced exactly, pauses and wraps included") {
  for (Waits waits : kModes) {
    Speaker speaker;
    speaker.spurts = talk(60, 1);
    const Outcome o = simulate(speaker, clean(), waits);
    check_account(o);
    CHECK(o.broken_spurts == 0);
    CHECK(o.worst() < 1ms);
  }
}

TEST_CASE("timeline: loss does not move anybody") {
  for (double loss : {0.01, 0.05, 0.30}) {
    for (std::uint32_t seed = 0; seed < 20; ++seed) {
      Speaker speaker;
      speaker.spurts = talk(30, seed);
      const Outcome o = simulate(speaker, lossy(loss, seed), kModes[seed % 2]);
      check_account(o);
      CHECK(o.broken_spurts == 0);
      CHECK(o.worst() < 1ms);
    }
  }
}

TEST_CASE("timeline: the tracks of a clean network are within a millisecond of each other") {
  for (Waits waits : kModes) {
    Time earliest = kNever, latest = Time::min();
    for (std::uint32_t seed = 0; seed < 25; ++seed) {
      Speaker speaker;
      speaker.keeps_clock = seed % 5 != 4;
      speaker.spurts = talk(30, seed);
      const auto sent = speak(speaker, seed * 0x10305070u);
      const Outcome o = Run(sent, waits, speaker.spurts.size())(clean());
      check_account(o);
      // Who stops their clock over pauses is placed by arrival, and frames arrive every 20 ms.
      if (!speaker.keeps_clock) continue;
      earliest = std::min(earliest, *std::min_element(o.least.begin(), o.least.end()));
      latest = std::max(latest, *std::max_element(o.most.begin(), o.most.end()));
    }
    CHECK(latest - earliest < 1ms);
  }
}

TEST_CASE("timeline: jitter does not bend it, first spurts included") {
  Time worst{};
  for (std::uint32_t seed = 0; seed < 600; ++seed) {
    Speaker speaker;
    speaker.spurts = talk(seed < 60 ? 30 : 2, seed);
    const Outcome o = simulate(speaker, jittery(80ms, seed), kModes[seed % 2]);
    check_account(o);
    CAPTURE(seed);
    CHECK(o.broken_spurts == 0);
    CHECK(o.worst() < 20ms);
    worst = std::max(worst, o.worst());
  }
  MESSAGE("jitter 0-80 ms: worst error " << milliseconds(worst) << " ms");
}

TEST_CASE("timeline: who joins again or is moved stays on the same time") {
  // A new SSRC has a timeline of its own, and knows nothing of the one before.
  Time worst{};
  for (std::uint32_t seed = 0; seed < 200; ++seed) {
    Time start = 100ms;
    for (std::uint32_t stay = 0; stay < 3; ++stay) {
      Speaker speaker;
      speaker.spurts = talk(3, seed * 3 + stay, start);
      const auto sent = speak(speaker, seed * 0x01020304u + stay * 0x70000000u);
      const Outcome o = Run(sent, kModes[seed % 2], 3)(jittery(stay * 40ms, seed));
      check_account(o);
      CAPTURE(seed);
      CHECK(o.worst() < 20ms);
      worst = std::max(worst, o.worst());
      start = speaker.spurts.back().first + speaker.spurts.back().second + 500ms;
    }
  }
  MESSAGE("rejoin, jitter 0-80 ms: worst error " << milliseconds(worst) << " ms");
}

TEST_CASE("timeline: a stall inside a spurt moves nothing") {
  Time worst{};
  for (Time length : {400ms, 900ms, 2000ms}) {
    for (std::uint32_t seed = 0; seed < 120; ++seed) {
      Speaker speaker;
      speaker.spurts = talk(20, seed);
      speaker.says_silence = seed % 3 != 0;
      const auto spurt = speaker.spurts[seed % 12];
      auto stall = stalled(spurt.first + spurt.second / 3, length);
      auto jitter = jittery(seed % 4 ? 0ms : 80ms, seed);
      auto loss = lossy(seed % 5 ? 0 : 0.05, seed);
      const Network network = [=](const Sent &s) mutable {
        return loss(s) == kNever ? kNever : std::max(jitter(s), stall(s));
      };
      const Outcome o = simulate(speaker, network, kModes[seed % 2]);
      check_account(o);
      CAPTURE(length.count());
      CAPTURE(seed);
      CHECK(o.broken_spurts == 0);
      CHECK(o.worst() < 20ms);
      worst = std::max(worst, o.worst());
    }
  }
  MESSAGE("stalls of 0.4, 0.9, 2 s: worst error " << milliseconds(worst) << " ms");
}

TEST_CASE("timeline: a sender whose clock stands still in pauses is placed by arrival") {
  for (bool silence : {true, false}) {
    for (std::uint32_t seed = 0; seed < 20; ++seed) {
      Speaker speaker;
      speaker.keeps_clock = false;
      speaker.says_silence = silence;
      speaker.spurts = talk(30, seed);
      const Outcome o = simulate(speaker, clean(), kModes[seed % 2]);
      check_account(o);
      CAPTURE(silence);
      CAPTURE(seed);
      // Without any hint the first pause shows only after a few frames.
      CHECK(o.worst(silence || seed % 2 ? 0 : 2) < 20ms);
    }
  }
}

TEST_CASE("timeline: everything at once") {
  for (std::uint32_t seed = 0; seed < 400; ++seed) {
    Speaker speaker;
    speaker.spurts = talk(40, seed);
    speaker.drift = seed % 2 ? 100e-6 : -100e-6;
    auto jitter = jittery(60ms, seed);
    auto loss = lossy(0.05, seed + 1);
    const auto spurt = speaker.spurts[10 + seed % 20];
    auto stall = stalled(spurt.first + spurt.second / 2, 900ms);
    const Network network = [=](const Sent &s) mutable {
      return loss(s) == kNever ? kNever : std::max(jitter(s), stall(s));
    };
    const Outcome o = simulate(speaker, network, kModes[(seed / 2) % 2]);
    check_account(o);
    CAPTURE(seed);
    CHECK(o.broken_spurts == 0);
    CHECK(o.worst() < 20ms);
  }
}

TEST_CASE("timeline: jitter and a clock that stands still in pauses") {
  for (Time most : {30ms, 80ms}) {
    Time worst{};
    for (std::uint32_t seed = 0; seed < 100; ++seed) {
      Speaker speaker;
      speaker.keeps_clock = false;
      speaker.says_silence = seed % 3 != 0;
      speaker.spurts = talk(40, seed);
      const Outcome o = simulate(speaker, jittery(most, seed), kModes[seed % 2]);
      check_account(o);
      CAPTURE(seed);
      // Without any hint the first pause shows only after a few frames.
      const bool told = speaker.says_silence || seed % 2;
      CHECK(o.worst(told ? 0 : 2) <= 20ms);
      worst = std::max(worst, o.worst(told ? 0 : 2));
    }
    MESSAGE("clock stands still, jitter 0-" << milliseconds(most) << " ms: worst error "
                                            << milliseconds(worst) << " ms");
  }
}

TEST_CASE(
    "timeline: made-up frames keep the place of the lost ones, also at the start of a spurt") {
  RtpTimeline timeline;
  TimelineFrame f;
  f.samples = 960;
  auto put = [&](std::uint64_t seq, Time at, Time arrival, bool concealed) {
    f.extended_seq = seq;
    f.rtp_time = static_cast<std::uint32_t>(at.count() * 48 / 1000000);
    f.arrival = arrival;
    f.concealed = concealed;
    timeline.push(f, arrival);
    return timeline.pop(arrival)->pts;
  };
  CHECK(put(1, 0ms, 100ms, false) == 100ms);
  CHECK(put(2, 20ms, 140ms, true) == 120ms);
  CHECK(put(3, 40ms, 140ms, false) == 140ms);
  // Ten seconds later the first frame of a spurt is lost and recovered from the second.
  CHECK(put(4, 10060ms, 10180ms, true) == 10160ms);
  CHECK(put(5, 10080ms, 10180ms, false) == 10180ms);
}

TEST_CASE("timeline: drift of 200 ppm is followed for an hour") {
  for (double drift : {200e-6, -200e-6}) {
    for (Time jitter : {0ms, 80ms}) {
      Speaker speaker;
      speaker.drift = drift;
      speaker.spurts = talk(900, 5);
      const Outcome o = simulate(speaker, jittery(jitter, 1));
      check_account(o);
      CAPTURE(drift);
      CAPTURE(jitter.count());
      REQUIRE(speaker.spurts.back().first > 3600s);
      CHECK(o.worst() < 20ms);
    }
  }
}

TEST_CASE("timeline: drift is followed for an hour without any pause, too") {
  for (double drift : {200e-6, -200e-6}) {
    for (Time jitter : {0ms, 80ms}) {
      Speaker speaker;
      speaker.drift = drift;
      speaker.spurts = {{100ms, 3600s}};
      const Outcome o = simulate(speaker, jittery(jitter, 1), kModes[1]);
      check_account(o);
      CAPTURE(drift);
      CAPTURE(jitter.count());
      // Frame still follows frame: what they last is stretched, not torn.
      CHECK(o.broken_spurts == 0);
      CHECK(o.worst() < 20ms);
    }
  }
}

TEST_CASE("timeline: an early timestamp gap never becomes more silence than real time") {
  // Five leftovers, then a jump of 11 numbers whose timestamps cover minutes before we came.
  RtpTimeline timeline;
  std::vector<Time> pts;
  for (int i = 0; i < 20; ++i) {
    TimelineFrame f;
    f.extended_seq = static_cast<std::uint64_t>(i < 5 ? i : i + 10);
    f.rtp_time = static_cast<std::uint32_t>(i) * 960 + (i < 5 ? 0 : 48000 * 300);
    f.samples = 960;
    f.arrival = 1s + i * kFrame;
    timeline.push(f, f.arrival);
    pts.push_back(timeline.pop(f.arrival)->pts);
  }
  for (int i = 0; i < 20; ++i) CHECK(pts[static_cast<std::size_t>(i)] == 1s + i * kFrame);
}

TEST_CASE("timeline: a restart is placed by arrival and never before what is already placed") {
  RtpTimeline timeline;
  TimelineFrame f;
  f.samples = 960;
  f.arrival = 1s;
  timeline.push(f, f.arrival);
  CHECK(timeline.pop(1s)->pts == 1s);
  f.extended_seq = 70000;
  f.rtp_time = 123456789;
  f.restart = true;
  f.arrival = 1005ms;
  timeline.push(f, f.arrival);
  auto placed = timeline.pop(f.arrival);
  CHECK(placed->pts == 1020ms);
  CHECK(placed->anchored);
  f.extended_seq = 140000;
  f.rtp_time = 5;
  f.arrival = 3s;
  timeline.push(f, f.arrival);
  CHECK(timeline.pop(f.arrival)->pts == 3s);
}

TEST_CASE("timeline: hostile timestamps neither overlap nor run away") {
  std::mt19937_64 random(9);
  RtpTimeline timeline({48000, 120ms, 360ms, 60ms});
  Time now = 1s, end{};
  std::size_t popped = 0;
  for (int i = 0; i < 200000; ++i) {
    TimelineFrame f;
    f.extended_seq = static_cast<std::uint64_t>(i) + random() % 3;
    f.rtp_time =
        random() % 4 ? static_cast<std::uint32_t>(random()) : static_cast<std::uint32_t>(i) * 960;
    f.samples = static_cast<std::uint32_t>(random() % 5761);
    f.arrival = now - Time{1ms} * (random() % 200);
    f.restart = random() % 50 == 0;
    f.concealed = random() % 9 == 0;
    f.silence = random() % 9 == 0;
    timeline.push(f, now);
    while (auto placed = timeline.pop(now)) {
      REQUIRE(placed->pts >= end);
      end = placed->pts + placed->duration;
      ++popped;
    }
    now += kFrame;
  }
  while (timeline.pop(now, true)) ++popped;
  CHECK(popped == 200000);
}

}  // namespace dv::timeline_test
