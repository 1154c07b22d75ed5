// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/filesink/mix_file.hpp"

#include "gst/filesink/placement.hpp"

namespace dv {
namespace {

TrackReport report_of(const Mix &mix) {
  TrackReport report;
  report.info = {0, 0, 0, "mix"};
  report.location = mix.file().path();
  return report;
}

}  // namespace

std::unique_ptr<TrackOutput> MixFile::input(const PcmFormat &pcm, FileError &error) {
  auto mix = mix_for(pcm, error);
  return mix ? std::make_unique<MixInput>(std::move(mix)) : nullptr;
}

std::shared_ptr<Mix> MixFile::mix_for(const PcmFormat &pcm, FileError &error) {
  std::shared_ptr<Mix> mix;
  {
    std::lock_guard lock(mutex_);
    if (mix_) return mix_;
    auto file = maker_.open_mix(error);
    if (!file) return nullptr;
    mix = std::make_shared<Mix>(std::move(file), pcm, OutputMaker::mix_tags());
    if (auto failure = mix->start()) {
      error = *failure;
      return nullptr;
    }
    mix_ = mix;
  }
  opened_(report_of(*mix));
  return mix;
}

std::optional<TrackReport> MixFile::finish(Time end, std::optional<FileError> &error) {
  std::shared_ptr<Mix> mix;
  {
    std::lock_guard lock(mutex_);
    mix = mix_;
  }
  if (!mix) return std::nullopt;
  const auto length = samples_of(end, mix->format().rate);
  error = mix->finish(static_cast<std::uint64_t>(length));
  TrackReport report = report_of(*mix);
  report.end = time_of(static_cast<std::int64_t>(mix->length()), mix->format().rate);
  report.bytes = mix->file().size();
  return report;
}

}  // namespace dv
