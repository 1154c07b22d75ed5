// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <memory>
#include <optional>
#include <random>

#include "ext/wire/bytes.hpp"
#include "ext/wire/ids.hpp"
#include "tests/server/faults.hpp"
#include "tests/server/speech.hpp"

namespace dv::server {

/** One Opus frame that a speaker's client sends. */
struct SpeakerFrame {
  std::uint16_t seq = 0;
  std::uint32_t rtp = 0;
  bool marker = false;
  bool silence = false;       ///< one of the frames that close a spurt
  std::uint32_t spurt = 0;    ///< counted from the speaker's first, from 0
  std::uint32_t index = 0;    ///< of the packet within the speech; of silence: 0
  std::uint32_t samples = 0;  ///< duration
  Time due{};                 ///< when a perfect client would have sent it
  Bytes opus;
};

/** A virtual speaker's client: what it sends, and when. No I/O, and time is passed in. */
class Speaker {
 public:
  Speaker(UserId user, Ssrc ssrc, std::shared_ptr<const Speech> speech, std::uint64_t seed);

  UserId user() const { return user_; }
  Ssrc ssrc() const { return ssrc_; }
  const Speech &speech() const { return *speech_; }
  const std::shared_ptr<const Speech> &shared_speech() const { return speech_; }
  bool talking() const { return talking_; }
  /** The first words come at `at`. */
  void start(Time at);
  /** Five silence frames, then nothing more until the next start. */
  void stop(Time now);
  /** A new SSRC with numbers of its own, as after leaving and joining again. */
  void change_ssrc(Ssrc ssrc);
  void set_profile(const SpeakerProfile &profile, std::shared_ptr<const Speech> speech);
  const SpeakerProfile &profile() const { return profile_; }

  /** kNever while silent. */
  Time next_due() const;
  /** What is due is not sent: numbers stay, time goes on. */
  void skip(Time now);
  /** The next frame if it is due. */
  std::optional<SpeakerFrame> next(Time now);

  FaultPlan faults;
  struct Counters {
    std::uint64_t sent = 0, dropped = 0, duplicated = 0, reordered = 0, delayed = 0, padded = 0,
                  corrupted = 0, truncated = 0, unheard = 0;
  } counters;

 private:
  void draw_numbers();
  Time due_of(std::uint64_t sample) const;
  std::uint64_t sample_at(Time time) const;
  std::uint64_t position() const;
  void advance();
  SpeakerFrame make(std::uint64_t sample);

  UserId user_;
  Ssrc ssrc_;
  std::shared_ptr<const Speech> speech_;
  SpeakerProfile profile_;
  std::mt19937_64 random_;
  bool talking_ = false;
  bool fresh_ = false;            // nothing sent since the start
  bool ending_ = false;           // only the closing silence is left
  std::optional<Time> origin_;    // time of sample 0 of the speaker's media clock
  std::uint64_t loop_start_ = 0;  // sample at which the current turn of the loop began
  std::uint64_t end_sample_ = 0;  // where the closing silence begins, once ending
  std::size_t spurt_ = 0;         // within the speech
  std::uint32_t frame_ = 0;       // within the spurt; from spurt.count on: silence frames
  std::uint32_t spurts_started_ = 0;
  std::uint16_t seq_ = 0;
  std::uint32_t rtp_base_ = 0;
  std::uint32_t next_rtp_ = 0;  // of senders whose clock stands still over pauses
};

}  // namespace dv::server
