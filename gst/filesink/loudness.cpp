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

}  // namespace

struct LoudnessMeter::Impl {
  ebur128_state *state = nullptr;
};

LoudnessMeter::LoudnessMeter(const PcmFormat &format)
    : format_(format), impl_(std::make_unique<Impl>()) {
  impl_->state =
      ebur128_init(format.channels, format.rate, EBUR128_MODE_I | EBUR128_MODE_HISTOGRAM);
}

LoudnessMeter::~LoudnessMeter() {
  if (impl_->state != nullptr) ebur128_destroy(&impl_->state);
}

void LoudnessMeter::add(ByteView samples) {
  const std::size_t frames = samples.size() / format_.frame_bytes();
  const std::size_t count = frames * format_.channels;
  if (impl_->state == nullptr || frames == 0) return;
  if (format_.is_float) {
    ebur128_add_frames_float(impl_->state, copied<float>(samples, count).data(), frames);
  } else {
    ebur128_add_frames_short(impl_->state, copied<short>(samples, count).data(), frames);
  }
}

std::optional<double> LoudnessMeter::integrated() const {
  double lufs = 0;
  if (impl_->state == nullptr || ebur128_loudness_global(impl_->state, &lufs) != EBUR128_SUCCESS ||
      !std::isfinite(lufs)) {
    return std::nullopt;
  }
  return lufs;
}

}  // namespace dv
