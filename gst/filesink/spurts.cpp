// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/filesink/spurts.hpp"

#include <algorithm>

#include "gst/filesink/peaks.hpp"

namespace dv {
namespace {
// Between words nobody stops speaking.
constexpr Time kPause = 250ms;
constexpr Time kLongSpeech = 10s;
// Sample positions are no whole nanoseconds.
constexpr Time kSeam{1000};
// A jump of numbers by more than this is a new start of the sender, not a loss.
constexpr std::uint64_t kMaxLost = 3000;
}  // namespace

void SpurtTracker::end_concealed(std::vector<Stretch> &out) {
  if (concealed_) out.push_back(*concealed_);
  concealed_.reset();
}

void SpurtTracker::end_speech(std::vector<Stretch> &out) {
  if (speech_) out.push_back(*speech_);
  speech_.reset();
}

void SpurtTracker::add_speech(const Frame &frame) {
  const Time end = frame.start + frame.duration;
  if (!speech_) speech_ = Stretch{Stretch::Kind::speech, frame.start, frame.start};
  speech_->end = end;
  if (!frame.peak) return;
  auto &peaks = speech_->peaks;
  const auto from = static_cast<std::size_t>((frame.start - speech_->start) / kPeakStep);
  const auto to =
      static_cast<std::size_t>(std::max(Time{}, end - speech_->start - Time(1)) / kPeakStep);
  if (peaks.size() <= to) peaks.resize(to + 1);
  const std::uint8_t value = quantized_peak(*frame.peak);
  for (std::size_t i = from; i <= to; ++i) peaks[i] = std::max(peaks[i], value);
}

std::vector<Stretch> SpurtTracker::add(const Frame &frame) {
  std::vector<Stretch> out;
  const Time end = frame.start + frame.duration;
  const bool same = last_ && last_->stream == frame.stream;
  if (same && frame.seq > last_->seq + 1 && frame.seq - last_->seq <= kMaxLost) {
    const Time from = last_->start + last_->duration;
    if (frame.start > from) out.push_back({Stretch::Kind::lost, from, frame.start});
  }
  if (frame.concealed) {
    if (concealed_ && frame.start - concealed_->end > 1ms) end_concealed(out);
    if (!concealed_) concealed_ = Stretch{Stretch::Kind::concealed, frame.start, frame.start};
    concealed_->end = end;
  } else {
    end_concealed(out);
  }
  if (speech_ && frame.start - speech_->end > kPause) end_speech(out);
  if (!frame.silence && !frame.concealed) {
    if (speech_ && frame.start - speech_->end < kSeam &&
        speech_->end - speech_->start >= kLongSpeech) {
      end_speech(out);
    }
    add_speech(frame);
  }
  last_ = frame;
  return out;
}

std::vector<Stretch> SpurtTracker::finish() {
  std::vector<Stretch> out;
  end_concealed(out);
  end_speech(out);
  last_.reset();
  return out;
}

}  // namespace dv
