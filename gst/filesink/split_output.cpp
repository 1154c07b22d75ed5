// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/filesink/split_output.hpp"

#include <algorithm>
#include <utility>

namespace dv {

namespace {
// Only between pieces of this many samples is the size looked at.
constexpr std::uint64_t kPiece = 48000;
}  // namespace

SplitOutput::SplitOutput(const Limits &limits, std::uint32_t frame_bytes, Open open, Rolled rolled)
    : limits_(limits),
      frame_bytes_(frame_bytes),
      open_(std::move(open)),
      rolled_(std::move(rolled)) {}

std::uint64_t SplitOutput::room() const {
  const bool full = limits_.bytes > 0 && current_->file().size() >= limits_.bytes;
  if (full && part_.samples > 0) return 0;
  const std::uint64_t piece = limits_.bytes > 0 ? kPiece : UINT64_MAX;
  if (limits_.samples == 0) return piece;
  const std::uint64_t seam = (part_.start / limits_.samples + 1) * limits_.samples;
  const std::uint64_t at = part_.start + part_.samples;
  return seam > at ? std::min(piece, seam - at) : 0;
}

std::optional<FileError> SplitOutput::open_first() {
  const std::uint64_t skipped = limits_.samples == 0 ? 0 : lead_ / limits_.samples;
  part_.number = static_cast<unsigned>(skipped + 1);
  part_.start = skipped * limits_.samples;
  FileError error;
  current_ = open_(part_.number, error);
  if (!current_) return error;
  return write_silence(lead_ - part_.start);
}

std::optional<FileError> SplitOutput::roll() {
  if (auto error = current_->finish()) return error;
  part_.path = current_->file().path();
  part_.bytes = current_->file().size();
  const Part closed = part_;
  FileError error;
  auto next = open_(closed.number + 1, error);
  if (!next) return error;
  current_ = std::move(next);
  part_ = Part{closed.number + 1, closed.start + closed.samples, 0, 0, current_->file().path()};
  rolled_(closed, part_);
  return std::nullopt;
}

std::optional<FileError> SplitOutput::make_room() {
  if (!current_) {
    if (auto error = open_first()) return error;
  }
  return room() == 0 ? roll() : std::nullopt;
}

std::optional<FileError> SplitOutput::write_silence(std::uint64_t samples) {
  if (!current_) {
    lead_ += samples;
    return std::nullopt;
  }
  while (samples > 0) {
    if (auto error = make_room()) return error;
    const std::uint64_t piece = std::min(samples, room());
    part_.samples += piece;
    samples -= piece;
    if (auto error = current_->write_silence(piece)) return error;
  }
  return std::nullopt;
}

std::optional<FileError> SplitOutput::write(ByteView data, std::uint64_t samples) {
  while (samples > 0) {
    if (auto error = make_room()) return error;
    const std::uint64_t piece = frame_bytes_ == 0 ? samples : std::min(samples, room());
    const std::size_t bytes = frame_bytes_ == 0 ? data.size() : piece * frame_bytes_;
    part_.samples += piece;
    samples -= piece;
    if (auto error = current_->write(data.first(bytes), piece)) return error;
    data = data.subspan(bytes);
  }
  return std::nullopt;
}

std::optional<FileError> SplitOutput::settle() {
  return current_ ? current_->settle() : std::nullopt;
}

std::optional<FileError> SplitOutput::finish() {
  return current_ ? current_->finish() : std::nullopt;
}

}  // namespace dv
