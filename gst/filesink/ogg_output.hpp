// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <memory>

#include "gst/filesink/ogg_opus.hpp"
#include "gst/filesink/track_output.hpp"

namespace dv {

/**
 * Opus packets, untouched, in Ogg. Silence is written as Opus silence packets down to 2.5 ms; what
 * is shorter waits for the next, so that errors never add up. Pages hold at most 180 ms of speech;
 * silence that settles waits for more of it.
 */
class OggOutput final : public TrackOutput {
 public:
  OggOutput(std::unique_ptr<OutputFile> file, const OpusHead &head, std::uint32_t serial);

  std::optional<FileError> start(const TrackTags &tags);
  std::optional<FileError> write_silence(std::uint64_t samples) override;
  std::optional<FileError> write(ByteView data, std::uint64_t samples) override;
  std::optional<FileError> settle() override;
  std::optional<FileError> finish() override;
  const OutputFile &file() const override { return *file_; }

 private:
  std::optional<FileError> append(const Bytes &pages);

  std::unique_ptr<OutputFile> file_;
  OggOpusWriter writer_;
  std::uint64_t total_ = 0;  ///< samples asked for; those written lag by less than 2.5 ms
  bool speech_waits_ = false, failed_ = false;
};

}  // namespace dv
