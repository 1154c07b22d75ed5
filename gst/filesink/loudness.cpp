// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/filesink/loudness.hpp"

#include <ebur128.h>

#include <cmath>
#include <cstring>
#include <vector>

namespace dv {
namespace {

template <class Sample>
std::vector<Sample> copied(ByteView bytes, std::size_t count) {
  // The bytes of a buffer need not be aligned.
  std::vector<Sample> out(count);
  std::memcpy(out.data(), bytes.data(), count * sizeof(Sample));
  return out;
}

template <class Sample>
bool both_sides_equal(const std::vector<Sample> &samples) {
  std::size_t unequal = 0;
  for (std::size_t i = 0; i + 1 < samples.size(); i += 2) unequal += samples[i] != samples[i + 1];
  return unequal == 0;
}

/** One side, in place. */
template <class Sample>
void halve(std::vector<Sample> &samples) {
  for (std::size_t i = 0; i < samples.size() / 2; ++i) samples[i] = samples[2 * i];
  samples.resize(samples.size() / 2);
}

void add_frames(ebur128_state *state, const std::vector<short> &samples) {
  ebur128_add_frames_short(state, samples.data(), samples.size() / state->channels);
}

void add_frames(ebur128_state *state, const std::vector<float> &samples) {
  ebur128_add_frames_float(state, samples.data(), samples.size() / state->channels);
}

struct Destroy {
  void operator()(ebur128_state *state) const { ebur128_destroy(&state); }
};
using State = std::unique_ptr<ebur128_state, Destroy>;

State make_state(unsigned channels, unsigned rate) {
  return State(ebur128_init(channels, rate, EBUR128_MODE_I | EBUR128_MODE_HISTOGRAM));
}

}  // namespace

struct LoudnessMeter::Impl {
  State twin;  ///< while both sides are the same: of one of them, which is half the work
  State all;
};

LoudnessMeter::LoudnessMeter(const PcmFormat &format)
    : format_(format), impl_(std::make_unique<Impl>()) {
  if (format.channels == 2) {
    impl_->twin = make_state(1, format.rate);
    if (impl_->twin) ebur128_set_channel(impl_->twin.get(), 0, EBUR128_DUAL_MONO);
  } else {
    impl_->all = make_state(format.channels, format.rate);
  }
}

LoudnessMeter::~LoudnessMeter() = default;

template <class Sample>
void LoudnessMeter::measure(ByteView samples) {
  auto frames = copied<Sample>(samples, samples.size() / format_.frame_bytes() * format_.channels);
  if (frames.empty()) return;
  // Who was heard in stereo once is measured in stereo from then on: blocks are not torn often.
  if (!impl_->all && impl_->twin && both_sides_equal(frames)) {
    halve(frames);
    return add_frames(impl_->twin.get(), frames);
  }
  if (!impl_->all) impl_->all = make_state(format_.channels, format_.rate);
  if (impl_->all) add_frames(impl_->all.get(), frames);
}

void LoudnessMeter::add(ByteView samples) {
  if (format_.is_float) {
    measure<float>(samples);
  } else {
    measure<short>(samples);
  }
}

std::optional<double> LoudnessMeter::integrated() const {
  std::vector<ebur128_state *> states;
  for (const State *state : {&impl_->twin, &impl_->all}) {
    if (*state) states.push_back(state->get());
  }
  double lufs = 0;
  if (states.empty() ||
      ebur128_loudness_global_multiple(states.data(), states.size(), &lufs) != EBUR128_SUCCESS ||
      !std::isfinite(lufs)) {
    return std::nullopt;
  }
  return lufs;
}

}  // namespace dv
