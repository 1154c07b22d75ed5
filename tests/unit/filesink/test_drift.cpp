// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <random>

#include "gst/filesink/placement.hpp"
#include "gst/reorder/rtp_timeline.hpp"

// Somebody who talks for an hour without a pause, by a clock that is wrong: the timeline and the
// placement one after the other, as in the sink.

using namespace dv;

namespace {

constexpr Time kHour = 3600s;

struct Talk {
  double drift;
  Time frame;
  std::uint32_t rate;
  Time jitter;
};

/** What came of it; in samples of the file. */
struct Outcome {
  std::int64_t worst = 0;  ///< distance of a frame in the file from when it was sent
  std::int64_t most = 0;   ///< by which one frame was made longer or shorter
  Placement::Counters counters;
  std::int64_t sent = 0;
};

class Sink {
 public:
  explicit Sink(const Talk &talk) : talk_(talk), placement_({talk.rate, true, false}) {}

  Outcome operator()() {
    std::mt19937 random(1);
    std::uniform_real_distribution<> share(0, 1);
    const auto samples = static_cast<std::uint32_t>(talk_.frame / 1ms * 48);
    Time now{};
    for (std::uint64_t i = 0; sent(i) < kHour; ++i) {
      TimelineFrame f;
      f.extended_seq = i;
      f.rtp_time = static_cast<std::uint32_t>(i) * samples;
      f.samples = samples;
      f.arrival = sent(i) + Time{std::llround(share(random) * Time{talk_.jitter}.count())};
      now = std::max(now, f.arrival);
      timeline_.push(f, now);
      write(now, false);
    }
    write(now, true);
    out_.counters = placement_.counters();
    return out_;
  }

 private:
  Time sent(std::uint64_t frame) const {
    return Time{std::llround(static_cast<double>(talk_.frame.count()) * static_cast<double>(frame) /
                             (1 + talk_.drift))};
  }

  void write(Time now, bool final) {
    const std::int64_t whole = samples_of(talk_.frame, talk_.rate);
    while (auto place = timeline_.pop(now, final)) {
      const auto join = written_ == 0 ? Join::apart : Join::elastic;
      const auto placed = placement_.place(samples_of(place->pts, talk_.rate),
                                           static_cast<std::uint64_t>(whole), join);
      const std::int64_t start = placement_.end() - whole - placed.stretch;
      out_.worst = std::max(out_.worst, std::abs(start - samples_of(sent(written_), talk_.rate)));
      out_.most = std::max(out_.most, std::abs(placed.stretch));
      out_.sent += whole;
      ++written_;
    }
  }

  const Talk talk_;
  RtpTimeline timeline_{{48000, 120ms, 360ms, 60ms}};
  Placement placement_;
  std::uint64_t written_ = 0;
  Outcome out_;
};

// Beyond the timeline's own error, the file may be a millisecond off.
const Talk kTalks[] = {
    {200e-6, 20ms, 48000, 0ms},  {-200e-6, 20ms, 48000, 0ms},  {200e-6, 60ms, 48000, 0ms},
    {-200e-6, 60ms, 44100, 0ms}, {200e-6, 20ms, 8000, 0ms},    {-200e-6, 10ms, 16000, 0ms},
    {200e-6, 20ms, 48000, 80ms}, {-200e-6, 20ms, 48000, 80ms},
};

}  // namespace

TEST_CASE("an hour without a pause: the file follows a clock that is off by 200 ppm") {
  for (const Talk &talk : kTalks) {
    CAPTURE(talk.drift);
    CAPTURE(talk.frame.count());
    CAPTURE(talk.rate);
    CAPTURE(talk.jitter.count());
    const Outcome out = Sink(talk)();
    CHECK(time_of(out.worst, talk.rate) < 20ms);
    CHECK(out.counters.overlaps == 0);
    // Only what the first frame comes late by.
    CHECK(time_of(static_cast<std::int64_t>(out.counters.silence), talk.rate) <= 20ms);
    // An hour at 200 ppm, as near as the timeline has come to it.
    const Time followed = time_of(static_cast<std::int64_t>(out.counters.drift_samples), talk.rate);
    CHECK(followed > 700ms);
    CHECK(followed < 740ms);
    CHECK(out.most <= std::max<std::int64_t>(1, talk.frame / 20ms));
  }
}

TEST_CASE("an hour without a pause: of a clock that is right no sample is touched") {
  for (Time jitter : {0ms, 80ms}) {
    CAPTURE(jitter.count());
    const Outcome out = Sink({0, 20ms, 48000, jitter})();
    CHECK(out.counters.drift_samples == 0);
    CHECK(out.counters.samples == static_cast<std::uint64_t>(out.sent));
    CHECK(out.counters.overlaps == 0);
  }
}
