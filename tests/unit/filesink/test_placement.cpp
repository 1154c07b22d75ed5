// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>

#include "gst/filesink/placement.hpp"

using namespace dv;

TEST_CASE("running time and samples convert without drift") {
  CHECK(samples_of(20ms, 48000) == 960);
  CHECK(samples_of(Time(20833), 48000) == 1);
  CHECK(samples_of(Time(-20833), 48000) == -1);
  CHECK(samples_of(std::chrono::hours(100000), 48000) == 100000LL * 3600 * 48000);
  for (std::int64_t n : {0LL, 1LL, 959LL, 48000LL, 123456789012LL}) {
    CHECK(samples_of(time_of(n, 48000), 48000) == n);
    CHECK(samples_of(time_of(n, 44100), 44100) == n);
  }
}

TEST_CASE("frames lie where they belong, silence before and between") {
  Placement p({48000, true, false});
  CHECK(p.place(48000, 960, Join::apart).silence == 48000);
  CHECK(p.place(48960, 960, Join::follows).silence == 0);
  CHECK(p.place(96000, 960, Join::apart).silence == 96000 - 49920);
  CHECK(p.end() == 96960);
  CHECK(p.counters().samples == 3 * 960);
  CHECK(p.counters().silence == 48000 + 96000 - 49920);
}

TEST_CASE("rounding is no hole and no overlap") {
  Placement p({48000, true, false});
  CHECK(p.place(0, 960, Join::apart).silence == 0);
  CHECK(p.place(962, 960, Join::apart).silence == 0);
  CHECK(p.place(1918, 960, Join::apart).silence == 0);
  CHECK(p.counters().overlaps == 0);
  CHECK(p.place(2883, 960, Join::apart).silence == 3);
}

TEST_CASE("a small correction inside a spurt waits for the next pause") {
  Placement p({48000, true, false});
  p.place(0, 960, Join::apart);
  CHECK(p.place(960 + 400, 960, Join::follows).silence == 0);
  CHECK(p.place(1920 + 400, 960, Join::follows).silence == 0);
  CHECK(p.place(9600, 960, Join::apart).silence == 9600 - 2880);
  CHECK(p.place(10560 + 481, 960, Join::follows).silence == 481);
}

TEST_CASE("what overlaps is appended whole and counted, and the next pause makes it good") {
  Placement p({48000, true, false});
  p.place(0, 960, Join::apart);
  CHECK(p.place(500, 960, Join::apart).silence == 0);
  CHECK(p.end() == 1920);
  CHECK(p.counters().overlaps == 1);
  CHECK(p.counters().overlap_samples == 460);
  CHECK(p.place(48000, 960, Join::apart).silence == 48000 - 1920);
}

TEST_CASE("advance fills, and never takes back") {
  Placement p({48000, true, false});
  CHECK(p.advance(4800) == 4800);
  CHECK(p.advance(4000) == 0);
  CHECK(p.place(4800, 960, Join::apart).silence == 0);
  CHECK(p.end() == 5760);
}

TEST_CASE("alignment to the first frame starts there and keeps the time") {
  Placement p({48000, true, true});
  CHECK(p.advance(1000) == 0);
  CHECK(p.place(48000, 960, Join::apart).silence == 0);
  CHECK(p.origin() == 48000);
  CHECK(p.place(58960, 960, Join::apart).silence == 10000);
  CHECK(p.end() == 59920);
}

TEST_CASE("without silence everything is back to back") {
  Placement p({48000, false, false});
  CHECK(p.place(48000, 960, Join::apart).silence == 0);
  CHECK(p.place(148000, 960, Join::apart).silence == 0);
  CHECK(p.advance(1000000) == 0);
  CHECK(p.counters().silence == 0);
  CHECK(p.counters().overlaps == 0);
}

TEST_CASE("a clock gone mad does not fill the disk") {
  Placement p({48000, true, false});
  CHECK(p.place(INT64_MAX / 2, 960, Join::apart).silence == 0);
  CHECK(p.place(-1000000, 960, Join::apart).silence == 0);
  CHECK(p.end() == 1920);
}

namespace {

constexpr std::int64_t kLong = 30 * 48000;

/**
 * Frames that all follow each other, `deviation` samples off from a clock that runs true, after
 * some that were right.
 */
struct Run {
  const char *name;
  std::int64_t before;  ///< samples that were right
  Join join;
  std::uint64_t samples;   ///< of a frame
  std::int64_t deviation;  ///< of every position from the second frame on
  int frames;
  Placement::Counters counters;  ///< without what was right
  std::int64_t left;             ///< of the deviation, behind the last frame
};

using enum Join;

const Run kRuns[] = {
    {"5 ms wait for a pause", 0, elastic, 960, 240, 1500, {1'440'000, 0, 0, 0, 0}, 240},
    {"the other way, too", 0, elastic, 960, -240, 1500, {1'440'000, 0, 0, 0, 0}, -240},
    {"until it is long", 0, elastic, 960, 240, 1501, {1'440'960 + 1, 0, 0, 0, 1}, 239},
    {"more is taken back, all of it", 0, elastic, 960, 241, 1000, {960'241, 0, 0, 0, 241}, 0},
    {"what is right stays", kLong, elastic, 960, 0, 1000, {960'000, 0, 0, 0, 0}, 0},
    {"a millisecond is jitter", kLong, elastic, 960, 48, 1000, {960'000, 0, 0, 0, 0}, 48},
    {"the other way, too", kLong, elastic, 960, -48, 1000, {960'000, 0, 0, 0, 0}, -48},
    {"more is taken back, all of it", kLong, elastic, 960, 49, 1000, {960'049, 0, 0, 0, 49}, 0},
    {"the other way, too", kLong, elastic, 960, -49, 1000, {959'951, 0, 0, 0, 49}, 0},
    {"by a sample in 20 ms", kLong, elastic, 960, 400, 101, {96'960 + 100, 0, 0, 0, 100}, 300},
    {"in 8 frames of 2.5 ms", kLong, elastic, 120, 400, 801, {96'120 + 100, 0, 0, 0, 100}, 300},
    {"three in 60 ms", kLong, elastic, 2880, 400, 34, {97'920 + 99, 0, 0, 0, 99}, 301},
    {"as many as fit into a second", kLong, elastic, 48'000, 49, 3, {144'049, 0, 0, 0, 49}, 0},
    {"never in next to nothing", kLong, elastic, 19, 400, 101, {1919, 0, 0, 0, 0}, 400},
    {"more than 10 ms are a hole", kLong, elastic, 960, 481, 1000, {960'000, 481, 0, 0, 0}, 0},
    {"overlaps count until made good",
     kLong,
     elastic,
     960,
     -483,
     1000,
     {960'000 - 483, 0, 3, 483 + 482 + 481, 483},
     0},
    {"packets are not changed", kLong, follows, 960, 400, 1000, {960'000, 0, 0, 0, 0}, 400},
    {"nor their overlaps", kLong, follows, 960, -481, 3, {2880, 0, 2, 962, 0}, -481},
    {"nor what is behind a hole", kLong, apart, 960, -49, 3, {2880, 0, 2, 98, 0}, -49},
};

}  // namespace

TEST_CASE("a deviation that grows slowly is taken back sample by sample, and nothing else is") {
  for (const Run &run : kRuns) {
    CAPTURE(run.name);
    Placement p({48000, true, false});
    std::int64_t position = run.before;
    p.place(0, static_cast<std::uint64_t>(run.before) + run.samples, Join::apart);
    for (int i = 1; i < run.frames; ++i) {
      position += static_cast<std::int64_t>(run.samples);
      p.place(position + run.deviation, run.samples, run.join);
    }
    Placement::Counters counters = p.counters();
    counters.samples -= static_cast<std::uint64_t>(run.before);
    CHECK(counters == run.counters);
    CHECK(position + static_cast<std::int64_t>(run.samples) + run.deviation - p.end() == run.left);
  }
}

TEST_CASE("taking back waits for frames that can be changed, and ends at a pause") {
  Placement p({48000, true, false});
  auto place = [&, at = kLong](std::int64_t off, Join join) mutable {
    at += 960;
    return p.place(at - 960 + off, 960, join);
  };
  p.place(0, kLong, Join::apart);
  CHECK(place(60, Join::elastic) == Placement::Placed{0, 1});
  CHECK(place(60, Join::follows) == Placement::Placed{0, 0});
  CHECK(place(10, Join::elastic) == Placement::Placed{0, 1});
  // Beyond the truth is no reason to turn back.
  CHECK(place(1, Join::elastic) == Placement::Placed{0, 0});
  CHECK(place(10, Join::elastic) == Placement::Placed{0, 0});
  CHECK(place(100, Join::elastic) == Placement::Placed{0, 1});
  CHECK(place(100, Join::apart) == Placement::Placed{97, 0});
  // From here on it is a short spurt.
  CHECK(place(100 + 239, Join::elastic) == Placement::Placed{0, 0});
  CHECK(place(100 + 241, Join::elastic) == Placement::Placed{0, 1});
}

TEST_CASE("speech that is back to back has no time to be wrong about") {
  Placement p({48000, false, false});
  p.place(0, 960, Join::apart);
  CHECK(p.place(1500, 960, Join::elastic) == Placement::Placed{});
  CHECK(p.place(900, 960, Join::elastic) == Placement::Placed{});
}

TEST_CASE("a clock gone mad is not followed sample by sample") {
  Placement p({48000, true, false});
  p.place(0, 960, Join::apart);
  CHECK(p.place(INT64_MAX / 2, 960, Join::elastic) == Placement::Placed{});
  CHECK(p.place(INT64_MIN / 2, 960, Join::elastic) == Placement::Placed{});
}
