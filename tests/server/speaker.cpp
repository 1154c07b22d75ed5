// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/server/speaker.hpp"

namespace dv::server {

namespace {
constexpr std::uint8_t kSilence[] = {0xf8, 0xff, 0xfe};
constexpr std::uint32_t kSilenceSamples = 960;
}  // namespace

Speaker::Speaker(UserId user, Ssrc ssrc, std::shared_ptr<const Speech> speech, std::uint64_t seed)
    : faults(user), user_(user), ssrc_(ssrc), speech_(std::move(speech)), random_(seed ^ user) {
  draw_numbers();
}

void Speaker::draw_numbers() {
  seq_ = profile_.start_seq.value_or(static_cast<std::uint16_t>(random_()));
  rtp_base_ = profile_.start_rtp.value_or(static_cast<std::uint32_t>(random_()));
  next_rtp_ = rtp_base_;
}

// 48 samples last a millisecond; a fast clock (drift above 0) has them earlier.
Time Speaker::due_of(std::uint64_t sample) const {
  const auto exact = static_cast<std::int64_t>(sample * 62500 / 3);
  const auto drift =
      static_cast<std::int64_t>(static_cast<double>(exact) * profile_.drift_ppm * 1e-6);
  return *origin_ + Time(exact - drift);
}

std::uint64_t Speaker::sample_at(Time time) const {
  if (!origin_ || time <= *origin_) return 0;
  return (static_cast<std::uint64_t>((time - *origin_).count()) * 3 + 62499) / 62500;
}

void Speaker::start(Time at) {
  if (talking_ && !ending_) return;
  if (!origin_) origin_ = at;
  loop_start_ = sample_at(at) / kSilenceSamples * kSilenceSamples;
  talking_ = true;
  fresh_ = true;
  ending_ = false;
  spurt_ = 0;
  frame_ = 0;
}

void Speaker::stop(Time now) {
  if (!talking_ || ending_) return;
  const bool in_spurt = frame_ > 0 && frame_ < speech_->spurts[spurt_].count;
  if (!in_spurt || profile_.silence_frames == 0) {
    talking_ = false;
    return;
  }
  end_sample_ = position();
  // Encoders know whole frames only: no RTP time of theirs lies between two.
  while (due_of(end_sample_) < now) end_sample_ += kSilenceSamples;
  ending_ = true;
  frame_ = 0;
}

void Speaker::change_ssrc(Ssrc ssrc) {
  ssrc_ = ssrc;
  profile_.start_seq.reset();
  profile_.start_rtp.reset();
  draw_numbers();
}

void Speaker::set_profile(const SpeakerProfile &profile, std::shared_ptr<const Speech> speech) {
  const bool numbers =
      profile.start_seq != profile_.start_seq || profile.start_rtp != profile_.start_rtp;
  profile_ = profile;
  if (speech != speech_) {
    speech_ = std::move(speech);
    frame_ = 0;
    spurt_ = 0;
    if (talking_) loop_start_ = sample_at(due_of(position()));
  }
  if (numbers) draw_numbers();
}

/** Sample of the frame that comes next. */
std::uint64_t Speaker::position() const {
  if (ending_) return end_sample_ + std::uint64_t{frame_} * kSilenceSamples;
  const Spurt &spurt = speech_->spurts[spurt_];
  const std::uint64_t start = loop_start_ + spurt.start;
  if (frame_ < spurt.count) return start + std::uint64_t{frame_} * speech_->frame_samples;
  return start + std::uint64_t{spurt.count} * speech_->frame_samples +
         std::uint64_t{frame_ - spurt.count} * kSilenceSamples;
}

Time Speaker::next_due() const { return talking_ ? due_of(position()) : kNever; }

void Speaker::skip(Time now) {
  // Who has not said anything yet begins with the first word, later.
  if (fresh_ && next_due() <= now) {
    loop_start_ = (sample_at(now) / kSilenceSamples + 1) * kSilenceSamples;
    return;
  }
  while (next_due() <= now) advance();
}

std::optional<SpeakerFrame> Speaker::next(Time now) {
  if (!talking_ || next_due() > now) return std::nullopt;
  fresh_ = false;
  SpeakerFrame frame = make(position());
  advance();
  return frame;
}

SpeakerFrame Speaker::make(std::uint64_t sample) {
  SpeakerFrame frame;
  const Spurt &spurt = speech_->spurts[spurt_];
  frame.silence = ending_ || frame_ >= spurt.count;
  frame.marker = !ending_ && frame_ == 0;
  if (frame.marker) spurts_started_++;
  frame.spurt = spurts_started_ - 1;
  frame.due = due_of(sample);
  frame.seq = seq_++;
  frame.rtp = profile_.advance ? rtp_base_ + static_cast<std::uint32_t>(sample) : next_rtp_;
  if (frame.silence) {
    frame.samples = kSilenceSamples;
    frame.opus.assign(std::begin(kSilence), std::end(kSilence));
  } else {
    frame.index = spurt.first + frame_;
    frame.samples = speech_->frame_samples;
    frame.opus = speech_->packets[frame.index];
  }
  next_rtp_ = frame.rtp + frame.samples;
  return frame;
}

void Speaker::advance() {
  frame_++;
  if (ending_) {
    if (frame_ >= profile_.silence_frames) talking_ = ending_ = false;
    return;
  }
  if (frame_ < speech_->spurts[spurt_].count + profile_.silence_frames) return;
  frame_ = 0;
  if (++spurt_ < speech_->spurts.size()) return;
  spurt_ = 0;
  loop_start_ += speech_->samples;
}

}  // namespace dv::server
