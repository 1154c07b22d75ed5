// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "gst/filesink/mix.hpp"
#include "gst/filesink/output_maker.hpp"
#include "gst/filesink/track.hpp"

namespace dv {

/** The mix of a recording, which begins with the first track that has something to add. */
class MixFile {
 public:
  /** Called without the lock. */
  using Tell = std::function<void(const TrackReport &)>;
  MixFile(OutputMaker &maker, Tell opened) : maker_(maker), opened_(std::move(opened)) {}

  /** What one track adds; null when the file cannot be made. */
  std::unique_ptr<TrackOutput> input(const PcmFormat &pcm, FileError &error);
  /** Completes the file; nothing when there is none. `error` if it is incomplete. */
  std::optional<TrackReport> finish(Time end, std::optional<FileError> &error);

 private:
  std::shared_ptr<Mix> mix_for(const PcmFormat &pcm, FileError &error);

  OutputMaker &maker_;
  const Tell opened_;
  std::mutex mutex_;  // the pointer, and making the file
  std::shared_ptr<Mix> mix_;
};

}  // namespace dv
