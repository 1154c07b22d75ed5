// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/filesink/mix.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

namespace dv {
namespace {

constexpr std::size_t kBlocks = 30;

}  // namespace

Mix::Mix(std::unique_ptr<OutputFile> file, const PcmFormat &format, TrackTags tags)
    : file_(std::move(file)), format_(format), tags_(std::move(tags)) {}

std::optional<FileError> Mix::start() {
  std::lock_guard lock(mutex_);
  return write_header();
}

std::uint64_t Mix::length() const {
  std::lock_guard lock(mutex_);
  return length_;
}

std::optional<FileError> Mix::write_header() {
  const Bytes header = wav_header(format_, tags_, length_ * format_.frame_bytes());
  header_bytes_ = header.size();
  told_ = length_;
  return file_->write_at(0, header);
}

double Mix::value(const std::uint8_t *sample) const {
  if (!format_.is_float) return static_cast<std::int16_t>(sample[0] | sample[1] << 8);
  std::uint32_t bits = 0;
  for (int i = 3; i >= 0; --i) bits = bits << 8 | sample[i];
  const float f = std::bit_cast<float>(bits);
  return std::isfinite(f) ? static_cast<double>(f) : 0;
}

void Mix::store(double value, std::uint8_t *sample) const {
  std::uint32_t bits = 0;
  if (format_.is_float) {
    bits = std::bit_cast<std::uint32_t>(static_cast<float>(std::clamp(value, -1.0, 1.0)));
  } else {
    bits =
        static_cast<std::uint32_t>(static_cast<std::int32_t>(std::clamp(value, -32768., 32767.)));
  }
  for (int i = 0; i < format_.bytes_per_sample; ++i) {
    sample[i] = static_cast<std::uint8_t>(bits >> (8 * i));
  }
}

Mix::Block &Mix::block(std::uint64_t number) {
  const auto known = blocks_.find(number);
  if (known != blocks_.end()) return known->second;
  // The oldest is the one that nobody will add to any more.
  if (blocks_.size() >= kBlocks) blocks_.erase(blocks_.begin());
  Block &fresh = blocks_[number];
  fresh.resize(std::size_t{format_.rate} * format_.channels);
  const std::uint64_t from = number * format_.rate;
  if (from < length_) {
    Bytes there(static_cast<std::size_t>(std::min<std::uint64_t>(format_.rate, length_ - from)) *
                format_.frame_bytes());
    there.resize(file_->read_at(header_bytes_ + from * format_.frame_bytes(), there));
    for (std::size_t i = 0; i + format_.bytes_per_sample <= there.size();
         i += format_.bytes_per_sample) {
      fresh[i / format_.bytes_per_sample] = value(&there[i]);
    }
  }
  return fresh;
}

std::optional<FileError> Mix::add_within(std::uint64_t number, std::size_t at, ByteView samples) {
  Block &sums = block(number);
  Bytes out(samples.size());
  double *sum = &sums[at * format_.channels];
  for (std::size_t i = 0; i < samples.size(); i += format_.bytes_per_sample) {
    *sum += value(&samples[i]);
    store(*sum++, &out[i]);
  }
  const std::uint64_t from = number * format_.rate + at;
  const auto error = file_->write_at(header_bytes_ + from * format_.frame_bytes(), out);
  if (!error) length_ = std::max(length_, from + samples.size() / format_.frame_bytes());
  return error;
}

std::optional<FileError> Mix::add(std::uint64_t position, ByteView samples) {
  std::lock_guard lock(mutex_);
  if (!file_->is_open()) return std::nullopt;
  samples = samples.first(samples.size() / format_.frame_bytes() * format_.frame_bytes());
  while (!samples.empty()) {
    const auto at = static_cast<std::size_t>(position % format_.rate);
    const std::size_t bytes =
        std::min(samples.size(), (format_.rate - at) * std::size_t{format_.frame_bytes()});
    if (auto error = add_within(position / format_.rate, at, samples.first(bytes))) return error;
    position += bytes / format_.frame_bytes();
    samples = samples.subspan(bytes);
  }
  return length_ - told_ >= format_.rate / 10 ? write_header() : std::nullopt;
}

std::optional<FileError> Mix::finish(std::uint64_t samples) {
  std::lock_guard lock(mutex_);
  blocks_.clear();
  auto error = file_->extend_to(header_bytes_ + samples * format_.frame_bytes());
  if (!error) length_ = std::max(length_, samples);
  if (auto failed = write_header(); failed && !error) error = failed;
  auto closed = file_->finish();
  return error ? error : closed;
}

}  // namespace dv
