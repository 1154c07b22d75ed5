// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/filesink/ogg_output.hpp"

#include <utility>

#include "gst/filesink/opus_packet.hpp"

namespace dv {
namespace {
constexpr std::uint32_t kSpeechPage = 48 * 180;
constexpr std::uint32_t kSilencePage = 48000;
}  // namespace

OggOutput::OggOutput(std::unique_ptr<OutputFile> file, const OpusHead &head, std::uint32_t serial)
    : file_(std::move(file)), writer_(serial, head) {}

std::optional<FileError> OggOutput::append(const Bytes &pages) {
  if (failed_ || pages.empty()) return std::nullopt;
  auto error = file_->write_whole(file_->size(), pages);
  failed_ = error.has_value();
  return error;
}

std::optional<FileError> OggOutput::start(const TrackTags &tags) {
  return append(writer_.headers(tags));
}

std::optional<FileError> OggOutput::write_silence(std::uint64_t samples) {
  total_ += samples;
  Bytes pages;
  while (auto silence =
             opus_silence_for(total_ > writer_.samples() ? total_ - writer_.samples() : 0)) {
    const Bytes page = writer_.add(silence->packet, silence->samples, kSilencePage);
    pages.insert(pages.end(), page.begin(), page.end());
    if (pages.size() < 65536) continue;
    if (auto error = append(pages)) return error;
    pages.clear();
    if (failed_) return std::nullopt;
  }
  return append(pages);
}

std::optional<FileError> OggOutput::write(ByteView data, std::uint64_t samples) {
  total_ += samples;
  speech_waits_ = true;
  return append(writer_.add(data, static_cast<std::uint32_t>(samples), kSpeechPage));
}

std::optional<FileError> OggOutput::settle() {
  return std::exchange(speech_waits_, false) ? append(writer_.flush()) : std::nullopt;
}

std::optional<FileError> OggOutput::finish() {
  std::optional<FileError> error;
  if (!failed_) {
    // Rounded up to a whole packet, then cut by the last page's position.
    if (writer_.samples() < total_) {
      const auto silence = opus_silence_for(120);
      error = append(writer_.add(silence->packet, silence->samples, kSpeechPage));
    }
    if (!error) error = append(writer_.finish(total_));
  }
  auto closed = file_->finish();
  return error ? error : closed;
}

}  // namespace dv
