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
  CHECK(p.place(48000, 960, false) == 48000);
  CHECK(p.place(48960, 960, true) == 0);
  CHECK(p.place(96000, 960, false) == 96000 - 49920);
  CHECK(p.end() == 96960);
  CHECK(p.counters().samples == 3 * 960);
  CHECK(p.counters().silence == 48000 + 96000 - 49920);
}

TEST_CASE("rounding is no hole and no overlap") {
  Placement p({48000, true, false});
  CHECK(p.place(0, 960, false) == 0);
  CHECK(p.place(962, 960, false) == 0);
  CHECK(p.place(1918, 960, false) == 0);
  CHECK(p.counters().overlaps == 0);
  CHECK(p.place(2883, 960, false) == 3);
}

TEST_CASE("a small correction inside a spurt waits for the next pause") {
  Placement p({48000, true, false});
  p.place(0, 960, false);
  CHECK(p.place(960 + 400, 960, true) == 0);
  CHECK(p.place(1920 + 400, 960, true) == 0);
  CHECK(p.place(9600, 960, false) == 9600 - 2880);
  CHECK(p.place(10560 + 481, 960, true) == 481);
}

TEST_CASE("what overlaps is appended whole and counted, and the next pause makes it good") {
  Placement p({48000, true, false});
  p.place(0, 960, false);
  CHECK(p.place(500, 960, false) == 0);
  CHECK(p.end() == 1920);
  CHECK(p.counters().overlaps == 1);
  CHECK(p.counters().overlap_samples == 460);
  CHECK(p.place(48000, 960, false) == 48000 - 1920);
}

TEST_CASE("advance fills, and never takes back") {
  Placement p({48000, true, false});
  CHECK(p.advance(4800) == 4800);
  CHECK(p.advance(4000) == 0);
  CHECK(p.place(4800, 960, false) == 0);
  CHECK(p.end() == 5760);
}

TEST_CASE("alignment to the first frame starts there and keeps the time") {
  Placement p({48000, true, true});
  CHECK(p.advance(1000) == 0);
  CHECK(p.place(48000, 960, false) == 0);
  CHECK(p.origin() == 48000);
  CHECK(p.place(58960, 960, false) == 10000);
  CHECK(p.end() == 59920);
}

TEST_CASE("without silence everything is back to back") {
  Placement p({48000, false, false});
  CHECK(p.place(48000, 960, false) == 0);
  CHECK(p.place(148000, 960, false) == 0);
  CHECK(p.advance(1000000) == 0);
  CHECK(p.counters().silence == 0);
  CHECK(p.counters().overlaps == 0);
}

TEST_CASE("a clock gone mad does not fill the disk") {
  Placement p({48000, true, false});
  CHECK(p.place(INT64_MAX / 2, 960, false) == 0);
  CHECK(p.place(-1000000, 960, false) == 0);
  CHECK(p.end() == 1920);
}
