// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/filesink/elastic.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <vector>

namespace dv {
namespace {

// Of a tone of 8 kHz eight leave an error of -61 dB; four would leave one of -35 dB.
constexpr std::size_t kPoints = 8;
using Weights = std::array<double, kPoints>;

/** Lagrange's polynomial through samples at 0, 1, …, `points` - 1. */
class Polynomial {
 public:
  explicit Polynomial(std::size_t points) : points_(points) {
    for (std::size_t k = 0; k < points; ++k) {
      scale_[k] = 1;
      for (std::size_t j = 0; j < points; ++j) {
        if (j != k) scale_[k] /= static_cast<double>(k) - static_cast<double>(j);
      }
    }
  }

  /** What each sample counts for at `x`: the products of the distances of all others. */
  Weights at(double x) const {
    Weights weights{};
    double below = 1, above = 1;
    for (std::size_t k = 0; k < points_; ++k) {
      weights[k] = scale_[k] * below;
      below *= x - static_cast<double>(k);
    }
    for (std::size_t k = points_; k-- > 0;) {
      weights[k] *= above;
      above *= x - static_cast<double>(k);
    }
    return weights;
  }

 private:
  std::size_t points_;
  Weights scale_{};
};

template <class Sample>
Sample sample_of(double value) {
  if constexpr (std::is_floating_point_v<Sample>) {
    return static_cast<Sample>(value);
  } else {
    using Limits = std::numeric_limits<Sample>;
    return static_cast<Sample>(std::lrint(std::clamp<double>(value, Limits::min(), Limits::max())));
  }
}

template <class Sample>
Bytes spread(ByteView samples, std::size_t channels, std::size_t count) {
  std::vector<Sample> in(samples.size() / sizeof(Sample));
  const std::size_t have = in.size() / channels;
  if (have == 0 || count == 0) return {};
  std::memcpy(in.data(), samples.data(), in.size() * sizeof(Sample));
  std::vector<Sample> out(count * channels);
  const std::size_t points = std::min(have, kPoints), steps = std::max<std::size_t>(count, 2) - 1;
  const Polynomial polynomial(points);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t whole = i * (have - 1) / steps, rest = i * (have - 1) % steps;
    // At the edges the same points serve, off their middle: there the places are nearly those of
    // samples, and the error nearly none.
    const std::size_t first = std::min(whole - std::min(whole, kPoints / 2 - 1), have - points);
    const Weights weights = polynomial.at(static_cast<double>(whole - first) +
                                          static_cast<double>(rest) / static_cast<double>(steps));
    for (std::size_t c = 0; c < channels; ++c) {
      double value = 0;
      for (std::size_t k = 0; k < points; ++k) {
        value += weights[k] * static_cast<double>(in[(first + k) * channels + c]);
      }
      out[i * channels + c] = rest == 0 ? in[whole * channels + c] : sample_of<Sample>(value);
    }
  }
  Bytes bytes(out.size() * sizeof(Sample));
  std::memcpy(bytes.data(), out.data(), bytes.size());
  return bytes;
}

}  // namespace

Bytes spread_over(ByteView samples, const PcmFormat &pcm, std::size_t count) {
  return pcm.is_float ? spread<float>(samples, pcm.channels, count)
                      : spread<std::int16_t>(samples, pcm.channels, count);
}

}  // namespace dv
