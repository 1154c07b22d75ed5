// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>

#include "ext/voice/core/receive_pace.hpp"

using namespace dv;
using namespace dv::voice;
using std::chrono_literals::operator""us;

namespace {

/** Receive calls of `count` datagrams each `every`, for `length` from `now` on. */
struct Phase {
  Time every;
  std::size_t count;
  Time length;
  bool rests;  ///< at its end
};

}  // namespace

TEST_CASE("a receiver rests while datagrams come closely, and not when they no longer do") {
  const Phase cases[][4] = {
      {{20ms, 1, 1s, false}, {800us, 1, 1s, false}},                          // 25 speakers
      {{66us, 1, 1s, true}},                                                  // 300
      {{1ms, 15, 1s, true}, {800us, 1, 1s, false}, {66us, 1, 1s, true}},      // come and gone
      {{10us, 30, 1ms, false}, {10s, 1, 10s, false}, {800us, 1, 1s, false}},  // one burst
      {{66us, 1, 1s, true}, {3600s, 1, 3600s, false}, {20ms, 1, 1s, false}},  // a long silence
  };
  for (const auto &phases : cases) {
    ReceivePace pace;
    Time now = 100s;
    for (const Phase &phase : phases) {
      if (phase.count == 0) break;
      Time rest{};
      for (const Time end = now + phase.length; now < end;) {
        now += phase.every;
        rest = pace.after(phase.count, false, now);
        CHECK((rest == Time{} || rest == ReceivePace::kRest));
      }
      CAPTURE(phase.every.count());
      CHECK((rest > Time{}) == phase.rests);
    }
  }
}

TEST_CASE("a receive call that could not take everything is followed by the next at once") {
  ReceivePace pace;
  Time now = 0s;
  for (int i = 0; i < 100; ++i, now += 1ms) pace.after(32, false, now);
  CHECK(pace.after(32, false, now) == ReceivePace::kRest);
  CHECK(pace.after(32, true, now) == Time{});
}
