// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <functional>
#include <memory>

#include "gst/filesink/track_output.hpp"

namespace dv {

/**
 * One track in parts, without a sample lost or doubled at the seams. Limited in time, the parts of
 * all tracks begin at the same times, and who is silent for whole parts at the beginning has no
 * files for them. Limited in size, a part ends once it has reached that. Opus packets are not cut,
 * they belong to the part they begin in.
 */
class SplitOutput final : public TrackOutput {
 public:
  /** Zero: any. */
  struct Limits {
    std::uint64_t samples = 0;
    std::uint64_t bytes = 0;
  };
  struct Part {
    unsigned number = 1;      ///< from 1
    std::uint64_t start = 0;  ///< samples since the start of the track
    std::uint64_t samples = 0;
    std::uint64_t bytes = 0;
    std::string path;
  };
  /** Opens the file of a part; null and the error when that fails. */
  using Open = std::function<std::unique_ptr<TrackOutput>(unsigned number, FileError &error)>;
  /** Told when a part has been completed and the next opened; not for the last one. */
  using Rolled = std::function<void(const Part &closed, const Part &opened)>;

  /** `frame_bytes`: of one sample of all channels; 0 for packets, which cannot be cut. */
  SplitOutput(const Limits &limits, std::uint32_t frame_bytes, Open open, Rolled rolled);

  std::optional<FileError> write_silence(std::uint64_t samples) override;
  std::optional<FileError> write(ByteView data, std::uint64_t samples) override;
  std::optional<FileError> settle() override;
  std::optional<FileError> finish() override;
  const OutputFile &file() const override { return current_ ? current_->file() : none_; }
  unsigned part() const override { return part_.number; }
  std::uint64_t file_start() const override { return part_.start; }

 private:
  /** Up to the next seam. A packet across a seam makes the part after it shorter. */
  std::uint64_t room() const;
  std::optional<FileError> open_first();
  std::optional<FileError> roll();
  std::optional<FileError> make_room();

  const Limits limits_;
  const std::uint32_t frame_bytes_;
  Open open_;
  Rolled rolled_;
  std::unique_ptr<TrackOutput> current_;
  OutputFile none_;
  Part part_;
  std::uint64_t lead_ = 0;  ///< silence before the first file
};

}  // namespace dv
