// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/filesink/wav_output.hpp"

#include <algorithm>
#include <utility>

namespace dv {
namespace {
// A hole in mid-speech that is shorter is not worth two more system calls.
constexpr std::size_t kShortHole = 16 << 10;
}  // namespace

WavOutput::WavOutput(std::unique_ptr<OutputFile> file, const PcmFormat &format, TrackTags tags)
    : file_(std::move(file)),
      format_(format),
      tags_(std::move(tags)),
      most_pending_(std::size_t{format.rate / 10} * format.frame_bytes()) {}

std::optional<FileError> WavOutput::start() { return write_header(); }

std::optional<FileError> WavOutput::write_header() {
  const Bytes header = wav_header(format_, tags_, data_bytes_);
  header_bytes_ = header.size();
  auto error = file_->write_at(0, header);
  if (error) {
    failed_ = true;
  } else {
    told_bytes_ = data_bytes_;
  }
  return error;
}

std::optional<FileError> WavOutput::flush() {
  if (failed_) return std::nullopt;
  auto error = pending_.empty() ? file_->extend_to(header_bytes_ + data_bytes_)
                                : file_->write_at(header_bytes_ + data_bytes_, pending_);
  if (error) {
    failed_ = true;
    // What still fitted counts, up to the last whole frame.
    const std::uint64_t there = file_->size() > header_bytes_ ? file_->size() - header_bytes_ : 0;
    data_bytes_ = std::min(data_bytes_ + pending_.size(),
                           there / format_.frame_bytes() * format_.frame_bytes());
    // A few stray bytes behind the samples would be the torn header of a chunk to some readers.
    file_->truncate_to(header_bytes_ + data_bytes_);
    return error;
  }
  data_bytes_ += pending_.size();
  pending_.clear();
  return data_bytes_ == told_bytes_ ? std::nullopt : write_header();
}

std::optional<FileError> WavOutput::write_silence(std::uint64_t samples) {
  const std::uint64_t bytes = samples * format_.frame_bytes();
  if (bytes < kShortHole && !pending_.empty()) {
    pending_.resize(pending_.size() + bytes);
    return std::nullopt;
  }
  auto error = flush();
  if (!error) data_bytes_ += bytes;
  return error;
}

std::optional<FileError> WavOutput::write(ByteView data, std::uint64_t) {
  pending_.insert(pending_.end(), data.begin(), data.end());
  return pending_.size() < most_pending_ ? std::nullopt : flush();
}

std::optional<FileError> WavOutput::finish() {
  auto error = flush();
  if (failed_) {
    // The disk is full or gone: what is there is described by the header of a moment ago, and
    // renewing that needs no space. A second failure adds nothing to the first.
    write_header();
  }
  auto closed = file_->finish();
  return error ? error : closed;
}

}  // namespace dv
