// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/filesink/spurts.hpp"

namespace dv {
namespace {
// Between words nobody stops speaking.
constexpr Time kPause = 250ms;
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
    if (!speech_) speech_ = Stretch{Stretch::Kind::speech, frame.start, frame.start};
    speech_->end = end;
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
