// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <map>
#include <memory>
#include <mutex>

#include "gst/filesink/track_output.hpp"

namespace dv {

/**
 * The sum of all tracks, sample by sample, clipped, as a WAV file that is readable at every moment.
 * What each track adds may come in any order: the file is written over where more is added, so that
 * nothing waits for the slowest track and nothing comes too late. For that the unclipped sums of
 * the last half minute are kept; what comes even later is added to the clipped ones. Any thread.
 */
class Mix {
 public:
  Mix(std::unique_ptr<OutputFile> file, const PcmFormat &format, TrackTags tags);

  std::optional<FileError> start();
  /** Adds samples of the mix's format at a position, in samples since its zero. */
  std::optional<FileError> add(std::uint64_t position, ByteView samples);
  /** Makes it that long, and complete. */
  std::optional<FileError> finish(std::uint64_t samples);
  const OutputFile &file() const { return *file_; }
  const PcmFormat &format() const { return format_; }
  /** Samples so far. */
  std::uint64_t length() const;

 private:
  using Block = std::vector<double>;  // exact for sums of 16 and of 24 bits

  Block &block(std::uint64_t number);
  double value(const std::uint8_t *sample) const;
  void store(double value, std::uint8_t *sample) const;
  std::optional<FileError> add_within(std::uint64_t number, std::size_t at, ByteView samples);
  std::optional<FileError> write_header();

  mutable std::mutex mutex_;  // all of it, over file writes
  std::unique_ptr<OutputFile> file_;
  const PcmFormat format_;
  const TrackTags tags_;
  std::map<std::uint64_t, Block> blocks_;  ///< one second each, by number
  std::uint64_t header_bytes_ = 0, length_ = 0, told_ = 0;
};

/** What one track adds to the mix. */
class MixInput final : public TrackOutput {
 public:
  explicit MixInput(std::shared_ptr<Mix> mix) : mix_(std::move(mix)) {}

  std::optional<FileError> write_silence(std::uint64_t samples) override {
    position_ += samples;
    return std::nullopt;
  }
  std::optional<FileError> write(ByteView data, std::uint64_t samples) override {
    const std::uint64_t at = position_;
    position_ += samples;
    return mix_->add(at, data);
  }
  std::optional<FileError> settle() override { return std::nullopt; }
  std::optional<FileError> finish() override { return std::nullopt; }
  const OutputFile &file() const override { return mix_->file(); }

 private:
  std::shared_ptr<Mix> mix_;
  std::uint64_t position_ = 0;
};

}  // namespace dv
