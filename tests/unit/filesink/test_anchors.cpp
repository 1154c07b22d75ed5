// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "gst/filesink/anchors.hpp"

using namespace dv;
using namespace std::chrono_literals;

namespace {

constexpr Time kFrame = 20ms;

/** Frames of one stream that follow each other, 20 ms each. */
struct Run {
  unsigned frames;
  Time at;            // of the first one
  std::uint32_t rtp;  // the same
  Time wall_ahead{};  // of the time of day against `at`
  bool restart = false;
  int ppm = 0;  // that the sender's clock is slow
  Ssrc ssrc = 7;
};

struct Case {
  const char *what;
  std::vector<Run> stretches;
  std::vector<Time> anchors;  // their `at`
};

std::vector<Time> anchors_of(AnchorTracker &tracker, const std::vector<Run> &stretches) {
  std::vector<Time> found;
  for (const Run &s : stretches) {
    for (unsigned i = 0; i < s.frames; ++i) {
      Anchor a{42, 1, s.ssrc, s.rtp + i * 960};
      a.at = s.at + i * (kFrame + kFrame * s.ppm / 1000000);
      a.wall = a.at + 1000s + s.wall_ahead;
      if (tracker.wants(a, kFrame, s.restart && i == 0)) found.push_back(a.at);
    }
  }
  return found;
}

const std::vector<Case> kCases = {
    {"the first frame", {{40, 3s, 5000}}, {3s}},
    {"nothing for what lies where it is expected, pauses included",
     {{100, 0s, 0}, {100, 4s, 4 * 48000}, {100, 30s, 30 * 48000}},
     {0s}},
    {"RTP time wraps", {{100, 0s, 0xffffff00u}, {10, 2s, 0xffffff00u + 2 * 48000}}, {0s}},
    {"a correction up to the limit waits", {{100, 0s, 0}, {100, 2s + 5ms, 2 * 48000}}, {0s}},
    {"a greater one does not",
     {{100, 0s, 0}, {100, 2s + 6ms, 2 * 48000}, {100, 4s, 4 * 48000}},
     {0s, 2s + 6ms, 4s}},
    {"a clock that stood still in a pause", {{100, 0s, 0}, {100, 10s, 2 * 48000}}, {0s, 10s}},
    {"RTP time that steps back", {{100, 0s, 48000000}, {100, 2s, 0}}, {0s, 2s}},
    {"the time of day is put right by a second",
     {{100, 0s, 0}, {100, 2s, 2 * 48000, -1000ms}},
     {0s, 2s}},
    {"a restart that changes nothing", {{100, 0s, 0}, {100, 2s, 2 * 48000, 0s, true}}, {0s, 2s}},
    {"moved at once: when a second has passed", {{10, 0s, 0}, {100, 200ms, 9000000}}, {0s, 1s}},
    {"restarted at once, too",
     {{10, 0s, 0}, {1, 200ms, 9600, 0s, true}, {100, 220ms, 9600 + 960}},
     {0s, 1s}},
    {"it came back before the second was over",
     {{10, 0s, 0}, {10, 200ms, 9000000}, {100, 2s, 2 * 48000}},
     {0s}},
    {"a minute of speech, whatever silence is between",
     {{1500, 0s, 0}, {1501, 3600s, 3600u * 48000}},
     {0s, 3600s + 1500 * kFrame}},
    {"a clock that drifts by 1000 ppm", {{501, 0s, 0, 0s, false, 1000}}, {0s, 251 * 20020us}},
    {"each stream for itself",
     {{10, 0s, 0}, {10, 200ms, 5000, 0s, false, 0, 8}, {10, 400ms, 400 * 48}},
     {0s, 200ms}},
};

}  // namespace

TEST_CASE("which frames become anchors") {
  for (const Case &c : kCases) {
    CAPTURE(c.what);
    AnchorTracker tracker;
    CHECK(anchors_of(tracker, c.stretches) == c.anchors);
  }
}

TEST_CASE("whatever comes, a stream has no more than one in a second") {
  AnchorTracker tracker;
  std::uint32_t noise = 1;
  std::vector<Run> stretches;
  for (unsigned i = 0; i < 5000; ++i) {
    noise = noise * 1664525 + 1013904223;
    stretches.push_back({1, kFrame * i, noise, noise % 2 * 7s, noise % 3 == 0});
  }
  const auto found = anchors_of(tracker, stretches);
  CHECK(found.size() == 100);
  for (std::size_t i = 1; i < found.size(); ++i) CHECK(found[i] - found[i - 1] >= 1s);
}

TEST_CASE("streams are bounded") {
  AnchorTracker tracker({.streams = 3});
  std::vector<Run> stretches;
  for (Ssrc ssrc = 1; ssrc <= 10; ++ssrc) {
    stretches.push_back({1, 1s * ssrc, 0, {}, false, 0, ssrc});
  }
  CHECK(anchors_of(tracker, stretches) == std::vector<Time>{1s, 2s, 3s});
}
