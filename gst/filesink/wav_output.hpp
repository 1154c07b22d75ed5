// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <memory>

#include "gst/filesink/track_output.hpp"

namespace dv {

/**
 * WAV that is correct at every moment: samples are held back until `settle`, and the header is
 * written anew behind them, never ahead of them. Silence is a hole in the file and takes neither
 * time nor space.
 */
class WavOutput final : public TrackOutput {
 public:
  WavOutput(std::unique_ptr<OutputFile> file, const PcmFormat &format, TrackTags tags);

  std::optional<FileError> start();
  std::optional<FileError> write_silence(std::uint64_t samples) override;
  std::optional<FileError> write(ByteView data, std::uint64_t samples) override;
  std::optional<FileError> settle() override { return flush(); }
  std::optional<FileError> finish() override;
  const OutputFile &file() const override { return *file_; }

 private:
  std::optional<FileError> flush();
  std::optional<FileError> write_header();

  std::unique_ptr<OutputFile> file_;
  PcmFormat format_;
  TrackTags tags_;
  std::size_t most_pending_;  ///< input read as fast as it goes does not settle for long
  Bytes pending_;
  std::uint64_t header_bytes_ = 0;
  std::uint64_t data_bytes_ = 0;  ///< in the file or a hole of it, without what is pending
  std::uint64_t told_bytes_ = 0;  ///< what the header says
  bool failed_ = false;
};

}  // namespace dv
