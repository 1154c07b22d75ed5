// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

#include <functional>
#include <memory>
#include <string>

#include "gst/filesink/recording_config.hpp"
#include "gst/filesink/split_output.hpp"
#include "gst/filesink/track.hpp"

namespace dv {

/** Makes the files of a recording: their names, their tags and what writes them. Any thread. */
class OutputMaker {
 public:
  /** What a continued recording takes over. */
  struct Origin {
    bool continued = false;
    Time start{};        ///< wall clock of the first run, for `%d`
    unsigned parts = 0;  ///< of earlier runs
  };
  /** Asked for the name of a user each time a file is begun: it may have become known. */
  using NameOf = std::function<std::string(UserId)>;
  /** Told when a part of a track has been completed and the next begun. */
  using Rolled = std::function<void(const TrackReport &closed, const TrackReport &opened)>;

  OutputMaker(GstBin *bin, const RecordingConfig &config, NameOf name_of, Rolled rolled);

  Origin &origin() { return origin_; }
  const Origin &origin() const { return origin_; }
  /** What writes a track: one file, or parts. */
  std::unique_ptr<TrackOutput> open(const TrackInfo &info, const PcmFormat &pcm, bool opus,
                                    FileError &error) const;
  /** The file of the mix. */
  std::unique_ptr<OutputFile> open_mix(FileError &error) const;
  static TrackTags mix_tags() { return {"mix", "", ""}; }

 private:
  std::unique_ptr<OutputFile> create(const std::string &path, FileError &error) const;
  std::unique_ptr<TrackOutput> make(std::unique_ptr<OutputFile> file, const TrackInfo &info,
                                    const PcmFormat &pcm, bool opus, FileError &error) const;
  std::unique_ptr<TrackOutput> open_part(const TrackInfo &info, const PcmFormat &pcm, bool opus,
                                         unsigned part, FileError &error) const;
  void tell_rolled(const TrackInfo &info, const PcmFormat &pcm, const SplitOutput::Part &closed,
                   const SplitOutput::Part &opened) const;

  GstBin *bin_;
  const RecordingConfig &config_;
  NameOf name_of_;
  Rolled rolled_;
  Origin origin_;
};

}  // namespace dv
