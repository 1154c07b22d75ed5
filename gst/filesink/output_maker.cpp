// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/filesink/output_maker.hpp"

#include <cerrno>
#include <utility>

#include "gst/filesink/encoder_output.hpp"
#include "gst/filesink/ogg_output.hpp"
#include "gst/filesink/wav_output.hpp"

namespace dv {
namespace {

// What may wait in the process where nothing is promised.
constexpr std::size_t kBuffer = 64 << 10;

TrackTags tags_for(const TrackInfo &info) {
  const std::string id =
      info.user != 0 ? std::to_string(info.user) : "unknown, SSRC " + std::to_string(info.ssrc);
  const std::string name = info.name.empty() ? id : valid_utf8(info.name);
  return {name, name, "Discord user id " + id};
}

}  // namespace

OutputMaker::OutputMaker(GstBin *bin, const RecordingConfig &config, NameOf name_of, Rolled rolled)
    : bin_(bin), config_(config), name_of_(std::move(name_of)), rolled_(std::move(rolled)) {
  origin_.start = config.wall_start;
}

std::unique_ptr<OutputFile> OutputMaker::create(const std::string &path, FileError &error) const {
  OutputFile::Options options;
  // What the killed run has left is of this recording, too.
  options.overwrite = config_.overwrite && !origin_.continued;
  options.sync = config_.durability == Durability::power;
  options.buffer = config_.durability == Durability::none ? kBuffer : 0;
  auto file = std::make_unique<OutputFile>();
  auto failure = file->create(path, options);
  if (!failure) return file;
  error = *failure;
  return nullptr;
}

std::unique_ptr<TrackOutput> OutputMaker::make(std::unique_ptr<OutputFile> file,
                                               const TrackInfo &info, const PcmFormat &pcm,
                                               bool opus, FileError &error) const {
  const TrackTags tags = tags_for(info);
  const auto serial = static_cast<std::uint32_t>(0x44560000 + info.number);
  std::optional<FileError> failure;
  if (info.format == TrackFormat::wav) {
    auto wav = std::make_unique<WavOutput>(std::move(file), pcm, tags);
    if (!(failure = wav->start())) return wav;
  } else if (info.format == TrackFormat::opus && opus) {
    auto ogg = std::make_unique<OggOutput>(std::move(file), OpusHead{2, 0, 48000}, serial);
    if (!(failure = ogg->start(tags))) return ogg;
  } else {
    const std::string path = file->path();
    EncoderOutput::Setup setup;
    setup.format = info.format;
    setup.profile = reinterpret_cast<GstEncodingProfile *>(config_.profile.get());
    setup.name = "encoder_" + std::to_string(info.number);
    if (!info.primary) setup.name += std::string("_") + extension_of(info.format);
    setup.serial = serial;
    setup.pcm = pcm;
    setup.tags = tags;
    auto encoder = std::make_unique<EncoderOutput>(bin_, std::move(file), std::move(setup));
    auto problem = encoder->start();
    if (!problem) return encoder;
    failure = FileError{ENOENT, *problem, path};
  }
  error = *failure;
  return nullptr;
}

std::unique_ptr<TrackOutput> OutputMaker::open_part(const TrackInfo &info, const PcmFormat &pcm,
                                                    bool opus, unsigned part,
                                                    FileError &error) const {
  TrackInfo named = info;
  if (const std::string name = name_of_(info.user); !name.empty()) named.name = name;
  TrackFacts facts;
  facts.user = named.user;
  facts.name = named.name;
  facts.ssrc = named.ssrc;
  facts.track = named.number;
  facts.start_unix = origin_.start.count() / 1000000000;
  facts.extension =
      info.format == TrackFormat::profile ? config_.profile_extension : extension_of(info.format);
  facts.part = origin_.parts + part;
  auto file = create(expand_template(config_.location, facts), error);
  return file ? make(std::move(file), named, pcm, opus, error) : nullptr;
}

std::unique_ptr<TrackOutput> OutputMaker::open(const TrackInfo &info, const PcmFormat &pcm,
                                               bool opus, FileError &error) const {
  SplitOutput::Limits limits;
  limits.samples = static_cast<std::uint64_t>(samples_of(config_.max_file_time, pcm.rate));
  limits.bytes = config_.max_file_size;
  if (limits.samples == 0 && limits.bytes == 0) return open_part(info, pcm, opus, 1, error);
  return std::make_unique<SplitOutput>(
      limits, opus ? 0 : pcm.frame_bytes(),
      [this, info, pcm, opus](unsigned part, FileError &why) {
        return open_part(info, pcm, opus, part, why);
      },
      [this, info, pcm](const SplitOutput::Part &closed, const SplitOutput::Part &opened) {
        tell_rolled(info, pcm, closed, opened);
      });
}

void OutputMaker::tell_rolled(const TrackInfo &info, const PcmFormat &pcm,
                              const SplitOutput::Part &closed,
                              const SplitOutput::Part &opened) const {
  auto report_of = [&](const SplitOutput::Part &part) {
    TrackReport report;
    report.info = info;
    report.location = part.path;
    report.part = origin_.parts + part.number;
    report.start = time_of(static_cast<std::int64_t>(part.start), pcm.rate);
    report.end = time_of(static_cast<std::int64_t>(part.start + part.samples), pcm.rate);
    report.bytes = part.bytes;
    return report;
  };
  TrackReport before = report_of(closed);
  before.reason = "split";
  rolled_(before, report_of(opened));
}

std::unique_ptr<OutputFile> OutputMaker::open_mix(FileError &error) const {
  TrackFacts facts;
  facts.mix = true;
  facts.start_unix = origin_.start.count() / 1000000000;
  facts.extension = "wav";
  facts.part = origin_.parts + 1;
  std::string path = expand_template(config_.location, facts);
  if (format_of_location(path) != TrackFormat::wav) path += ".wav";
  return create(path, error);
}

}  // namespace dv
