// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdio>
#include <map>
#include <memory>
#include <string>

#include "tests/server/speaker.hpp"

namespace dv::server {

/** What became of one frame of a speaker. */
struct TruthLine {
  UserId user = 0;
  Ssrc ssrc = 0;
  const SpeakerFrame *frame = nullptr;
  const Fate *fate = nullptr;
  Time sent{};                ///< when it left, or would have left
  std::size_t receivers = 0;  ///< sessions it was sent to
  int dave_version = 0;
  std::uint64_t epoch = 0;  ///< it was sealed under, with a DAVE version above 0
};

/** The truth file, and the PCM that a perfect receiver would have. */
class Truth {
 public:
  Truth();
  ~Truth();
  bool open(const std::string &truth_file, const std::string &reference_dir);
  bool wanted() const { return file_ != nullptr; }
  void packet(const TruthLine &line);
  /** In the order of speaking, before any fault. */
  void reference(UserId user, Ssrc ssrc, const SpeakerFrame &frame);
  /** A receiver knows nothing of what this user once said under the number. */
  void taken_anew(UserId user, Ssrc ssrc);
  void flush();

 private:
  struct Decoder;
  std::FILE *file_ = nullptr;
  std::string directory_;
  std::map<std::pair<UserId, Ssrc>, std::unique_ptr<Decoder>> decoders_;
};

}  // namespace dv::server
