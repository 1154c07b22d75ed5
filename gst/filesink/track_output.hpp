// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "gst/filesink/output_file.hpp"
#include "gst/filesink/wav_header.hpp"

namespace dv {

/**
 * The file of one track. Samples are counted in the rate of the format the output was made for.
 * Used by one thread at a time. After an error nothing more is written, and `finish` leaves what is
 * there readable.
 */
class TrackOutput {
 public:
  virtual ~TrackOutput() = default;
  virtual std::optional<FileError> write_silence(std::uint64_t samples) = 0;
  /** PCM, or one Opus packet of `samples`, by what the output was made for. */
  virtual std::optional<FileError> write(ByteView data, std::uint64_t samples) = 0;
  /** Nothing more waits to be written just now: what is held back in memory goes into the file. */
  virtual std::optional<FileError> settle() = 0;
  /** Completes the file and gives it its name. */
  virtual std::optional<FileError> finish() = 0;
  virtual const OutputFile &file() const = 0;
  /** Number of `file` within the track. */
  virtual unsigned part() const { return 1; }
  /** Samples of the track before those of `file`. */
  virtual std::uint64_t file_start() const { return 0; }
};

}  // namespace dv
