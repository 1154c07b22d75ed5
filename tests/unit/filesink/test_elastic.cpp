// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <numbers>
#include <vector>

#include "gst/filesink/elastic.hpp"

using namespace dv;

namespace {

template <class Sample>
PcmFormat format_of(std::uint16_t channels) {
  return {48000, channels, sizeof(Sample), std::is_floating_point_v<Sample>};
}

template <class Sample>
std::vector<Sample> spread(const std::vector<Sample> &in, std::size_t count,
                           std::uint16_t channels = 1) {
  const auto *bytes = reinterpret_cast<const std::uint8_t *>(in.data());
  const Bytes out =
      spread_over({bytes, in.size() * sizeof(Sample)}, format_of<Sample>(channels), count);
  std::vector<Sample> samples(out.size() / sizeof(Sample));
  if (!out.empty()) std::memcpy(samples.data(), out.data(), out.size());
  return samples;
}

/** A sine at `at` samples, not at rest at either end. */
double sine(double hz, double at) {
  return 0.8 * std::sin(2 * std::numbers::pi * hz / 48000 * at + 1);
}

template <class Sample>
double scale() {
  return std::is_floating_point_v<Sample> ? 1 : 32767;
}

/** Signal to noise in dB: a frame of a sine made that long, against the sine that is. */
template <class Sample>
double snr(double hz, std::size_t have, std::size_t count) {
  std::vector<Sample> in;
  for (std::size_t i = 0; i < have; ++i) {
    const double value = scale<Sample>() * sine(hz, static_cast<double>(i));
    in.push_back(static_cast<Sample>(std::is_floating_point_v<Sample> ? value : std::lrint(value)));
  }
  const auto out = spread(in, count);
  REQUIRE(out.size() == count);
  double signal = 0, noise = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const double at =
        static_cast<double>(i) * static_cast<double>(have - 1) / static_cast<double>(count - 1);
    const double ideal = sine(hz, at), real = static_cast<double>(out[i]) / scale<Sample>();
    signal += ideal * ideal;
    noise += (ideal - real) * (ideal - real);
  }
  return 10 * std::log10(signal / noise);
}

}  // namespace

TEST_CASE("a sine made a sample longer or shorter is the sine that it should be") {
  const struct {
    const char *name;
    std::function<double(double, std::size_t, std::size_t)> snr;
    double hz, at_least;
  } cases[] = {
      {"f32", snr<float>, 1000, 140},
      {"f32", snr<float>, 8000, 60},
      {"s16", snr<std::int16_t>, 1000, 90},
      {"s16", snr<std::int16_t>, 8000, 60},
  };
  for (const auto &c : cases) {
    for (const auto &[have, count] : {std::pair{960u, 961u},
                                      {960u, 959u},
                                      {2880u, 2883u},
                                      {120u, 121u},
                                      {120u, 119u},
                                      {20u, 19u},
                                      {20u, 21u}}) {
      CAPTURE(c.name);
      CAPTURE(c.hz);
      CAPTURE(have);
      CAPTURE(count);
      CHECK(c.snr(c.hz, have, count) > c.at_least);
    }
  }
}

TEST_CASE_TEMPLATE("the ends are exact, so that frames join as before", Sample, std::int16_t,
                   float) {
  for (const std::uint16_t channels : {1, 2}) {
    for (const std::size_t count : {959, 961}) {
      std::vector<Sample> in;
      for (int i = 0; i < 960 * channels; ++i) {
        in.push_back(static_cast<Sample>(scale<Sample>() * std::sin(i * i)));
      }
      const auto out = spread(in, count, channels);
      REQUIRE(out.size() == count * channels);
      for (std::size_t c = 1; c <= channels; ++c) {
        CHECK(out[channels - c] == in[channels - c]);
        CHECK(out[out.size() - c] == in[in.size() - c]);
      }
    }
  }
}

TEST_CASE("channels do not mix") {
  std::vector<float> both, left, right;
  for (int i = 0; i < 960; ++i) {
    left.push_back(static_cast<float>(sine(440, i)));
    right.push_back(static_cast<float>(sine(3000, i)));
    both.insert(both.end(), {left.back(), right.back()});
  }
  const auto out = spread(both, 961, 2), l = spread(left, 961), r = spread(right, 961);
  REQUIRE(out.size() == 2 * 961);
  for (std::size_t i = 0; i < 961; ++i) {
    REQUIRE(out[2 * i] == l[i]);
    REQUIRE(out[2 * i + 1] == r[i]);
  }
}

TEST_CASE("what goes beyond 16 bits between two samples is clipped") {
  using Limits = std::numeric_limits<std::int16_t>;
  for (const auto top : {Limits::max(), Limits::min()}) {
    std::vector<std::int16_t> in(960, 0);
    for (std::size_t i = 0; i < in.size(); i += 8) in[i] = in[i + 1] = top;
    bool reached = false;
    for (const std::int16_t sample : spread(in, 961)) {
      reached = reached || sample == top;
      // What wraps around would be far on the other side.
      CHECK((top > 0 ? sample > -16384 : sample < 16384));
    }
    CHECK(reached);
  }
}

TEST_CASE("frames of next to nothing") {
  const struct {
    std::vector<float> in;
    std::size_t count;
    std::vector<float> out;
  } cases[] = {
      {{}, 0, {}},
      {{}, 1, {}},
      {{5}, 0, {}},
      {{5}, 1, {5}},
      {{5}, 2, {5, 5}},
      {{1, 2}, 1, {1}},
      {{1, 2}, 2, {1, 2}},
      {{1, 2}, 3, {1, 1.5F, 2}},
      {{1, 2, 5}, 2, {1, 5}},
      // A parabola, which three points make.
      {{0, 4, 16}, 5, {0, 1, 4, 9, 16}},
  };
  for (const auto &c : cases) {
    CAPTURE(c.in.size());
    CAPTURE(c.count);
    CHECK(spread(c.in, c.count) == c.out);
  }
  CHECK(spread<std::int16_t>({1, -1, 3, -3}, 3, 2) ==
        std::vector<std::int16_t>{1, -1, 2, -2, 3, -3});
}
