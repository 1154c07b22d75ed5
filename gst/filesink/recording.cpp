// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/filesink/recording.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "gst/filesink/encoder_output.hpp"
#include "gst/filesink/export/export.hpp"
#include "gst/filesink/ogg_output.hpp"
#include "gst/filesink/peaks.hpp"
#include "gst/filesink/wav_output.hpp"

namespace dv {
namespace {

// Behind this much, nothing arrives any more that belongs before: silence may be written. Encoders
// need time for silence and shall not be left with much of it at the end; for the others it is
// free.
constexpr Time kSettledEncoded = 5s;
constexpr Time kSettled = 30s;
constexpr auto kKeeperPeriod = std::chrono::milliseconds(500);
// Everything that is kept per user is bounded: ids come from the network.
constexpr std::size_t kMaxTracks = 10000;

unsigned writer_threads() { return std::clamp(std::thread::hardware_concurrency(), 2u, 4u); }

}  // namespace

Recording::Recording(GstBin *bin, RecordingListener &listener, RecordingConfig config)
    : bin_(bin),
      listener_(listener),
      config_(std::move(config)),
      pool_(std::make_unique<StrandPool>(writer_threads())) {
  if (!config_.index_location.empty()) {
    if (auto error = index_.open(config_.index_location)) {
      warn_once(*error, "The recording goes on without an index.");
    }
  }
  append_index(JsonLine("recording")
                   .number("version", 1)
                   .text("start", utc_text(config_.wall_start))
                   .seconds("start-unix", config_.wall_start)
                   .text("location", config_.location)
                   .text("extension", config_.extension));
  keeper_ = std::thread([this] { keep(); });
}

Recording::~Recording() {
  stop();
  for (auto &[path, fd] : directories_) close(fd);
}

void Recording::count_malformed() {
  std::lock_guard lock(mutex_);
  ++counters_.malformed;
}

void Recording::stop() {
  order_.stop();
  finish("stopped");
  std::vector<std::shared_ptr<Track>> tracks;
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    for (auto &[key, track] : tracks_) tracks.push_back(track);
  }
  keeper_wake_.notify_all();
  if (keeper_.joinable()) keeper_.join();
  for (auto &track : tracks) track->wake();
  pool_.reset();
  index_.close(config_.durability == Durability::power);
}

std::string Recording::name_of(UserId user) const {
  std::lock_guard lock(mutex_);
  auto it = names_.find(user);
  return it == names_.end() ? std::string() : it->second;
}

std::shared_ptr<Track> Recording::track_for(const FrameSource &source) {
  const Key key = source.user != 0 ? Key{true, source.user}
                                   : Key{false, std::uint64_t{source.session} << 32 | source.ssrc};
  std::lock_guard lock(mutex_);
  if (finishing_) return nullptr;
  auto &track = tracks_[key];
  if (track) return track;
  if (tracks_.size() > kMaxTracks) {
    tracks_.erase(key);
    return nullptr;
  }
  TrackInfo info{static_cast<unsigned>(tracks_.size()), source.user, source.ssrc, {}};
  if (auto it = names_.find(source.user); it != names_.end()) info.name = it->second;
  Track::Config config{{48000, config_.silence, config_.from_first}, config_.max_queued};
  track = std::make_shared<Track>(*this, *pool_, info, config);
  ++counters_.tracks;
  return track;
}

void Recording::note_binding(const FrameSource &source) {
  {
    std::lock_guard lock(mutex_);
    if (bindings_.size() > kMaxTracks) return;
    auto [it, fresh] = bindings_.try_emplace({source.session, source.ssrc}, source.user);
    if (!fresh && it->second == source.user) return;
    it->second = source.user;
  }
  append_index(JsonLine("ssrc")
                   .number("session", source.session)
                   .number("ssrc", source.ssrc)
                   .id("user", source.user));
}

bool Recording::push(const FrameSource &source, TrackFrame &&frame) {
  note_binding(source);
  const Time end =
      frame.position == kNever
          ? Time{}
          : frame.position + time_of(static_cast<std::int64_t>(frame.samples), frame.pcm.rate);
  auto track = track_for(source);
  const Track::Push result =
      track ? track->push(std::move(frame), !live_.load()) : Track::Push::failed;
  {
    std::lock_guard lock(mutex_);
    ++counters_.frames;
    end_ = std::max(end_, end);
    if (result == Track::Push::full) ++counters_.dropped_queue_full;
    if (result == Track::Push::failed) ++counters_.dropped_failed;
    if (failed_) return false;
  }
  if (result == Track::Push::full) {
    warn_once({ETIMEDOUT, "keep up with", config_.location},
              "The storage is too slow; what did not fit into the queue is recorded as silence.");
  }
  return true;
}

void Recording::set_name(UserId user, const std::string &name) {
  if (user == 0 || name.empty()) return;
  {
    std::lock_guard lock(mutex_);
    if (names_.size() > kMaxTracks) return;
    auto &known = names_[user];
    if (known == name) return;
    known = name;
  }
  append_index(JsonLine("user").id("user", user).text("name", name));
}

void Recording::set_present(UserId user, bool present) {
  if (user == 0) return;
  Time at{};
  {
    std::lock_guard lock(mutex_);
    auto [it, fresh] = present_.try_emplace(user, present);
    if (!fresh && it->second == present) return;
    it->second = present;
    if (present_.size() > kMaxTracks) present_.clear();
    at = end_;
  }
  append_index(JsonLine(present ? "joined" : "left").id("user", user).seconds("at", at));
}

void Recording::note_clock(Time running, Time since_1970) {
  append_index(JsonLine("clock")
                   .seconds("at", running)
                   .text("time", utc_text(since_1970))
                   .seconds("unix", since_1970));
}

void Recording::add_marker(std::optional<Time> at, const std::string &text) {
  Time when{};
  {
    std::lock_guard lock(mutex_);
    ++counters_.markers;
    when = at.value_or(end_);
  }
  append_index(JsonLine("marker").seconds("at", when).text("text", text));
}

void Recording::advance(Time position) {
  std::lock_guard lock(mutex_);
  end_ = std::max(end_, position);
}

void Recording::finish(const std::string &reason) {
  const auto now = live_.load() ? listener_.now() : std::nullopt;
  std::vector<std::shared_ptr<Track>> tracks;
  Time end{};
  {
    std::lock_guard lock(mutex_);
    if (finishing_) return;
    finishing_ = true;
    reason_ = reason;
    if (now) end_ = std::max(end_, *now);
    end = end_;
    for (auto &[key, track] : tracks_) tracks.push_back(track);
    finished_ = tracks.empty();
  }
  for (auto &track : tracks) track->finish(end, reason);
  if (!tracks.empty()) return;
  conclude(reason, end);
}

void Recording::conclude(const std::string &reason, Time end) {
  append_index(JsonLine("end").text("reason", reason).seconds("duration", end));
  if (config_.exports != 0 && index_.is_open()) {
    const auto result = exporter::export_index(config_.index_location, config_.exports, {});
    if (result.error) warn_once(*result.error, "The recording itself is complete.");
  }
  listener_.on_finished();
}

RecordingCounters Recording::counters() const {
  std::vector<std::shared_ptr<Track>> tracks;
  RecordingCounters sum;
  {
    std::lock_guard lock(mutex_);
    sum = counters_;
    for (auto &[key, track] : tracks_) tracks.push_back(track);
  }
  for (auto &track : tracks) {
    const TrackReport report = track->report();
    sum.samples += report.placement.samples;
    sum.silence_samples += report.placement.silence;
    sum.overlaps += report.placement.overlaps;
    sum.overlap_samples += report.placement.overlap_samples;
    sum.bytes += report.bytes;
    sum.malformed += report.unusable;
  }
  return sum;
}

void Recording::append_index(const JsonLine &line) {
  if (auto error = index_.append(line)) {
    warn_once(*error, "The recording goes on without an index.");
  }
}

void Recording::warn_once(const FileError &error, const std::string &consequence) {
  {
    std::lock_guard lock(mutex_);
    if (!warned_.insert(error.code).second) return;
  }
  listener_.on_warning(error, consequence);
}

TrackTags Recording::tags_for(const TrackInfo &info) const {
  const std::string id =
      info.user != 0 ? std::to_string(info.user) : "unknown, SSRC " + std::to_string(info.ssrc);
  const std::string name = info.name.empty() ? id : valid_utf8(info.name);
  return {name, name, "Discord user id " + id};
}

std::unique_ptr<TrackOutput> Recording::make_output(std::unique_ptr<OutputFile> file,
                                                    const TrackInfo &info, const PcmFormat &pcm,
                                                    bool opus, FileError &error) {
  const TrackTags tags = tags_for(info);
  const auto serial = static_cast<std::uint32_t>(0x44560000 + info.number);
  std::optional<FileError> failure;
  if (config_.format == TrackFormat::wav) {
    auto wav = std::make_unique<WavOutput>(std::move(file), pcm, tags);
    if (!(failure = wav->start())) return wav;
  } else if (config_.format == TrackFormat::opus && opus) {
    auto ogg = std::make_unique<OggOutput>(std::move(file), OpusHead{2, 0, 48000}, serial);
    if (!(failure = ogg->start(tags))) return ogg;
  } else {
    const std::string path = file->path();
    auto encoder = std::make_unique<EncoderOutput>(
        bin_, std::move(file),
        EncoderOutput::Setup{config_.format,
                             reinterpret_cast<GstEncodingProfile *>(config_.profile.get()),
                             info.number, serial, pcm, tags});
    auto problem = encoder->start();
    if (!problem) return encoder;
    failure = FileError{ENOENT, *problem, path};
  }
  error = *failure;
  return nullptr;
}

std::unique_ptr<TrackOutput> Recording::open_part(const TrackInfo &info, const PcmFormat &pcm,
                                                  bool opus, unsigned part, FileError &error) {
  // A name may have become known since the first frame.
  TrackInfo named = info;
  if (const std::string name = name_of(info.user); !name.empty()) named.name = name;
  TrackFacts facts{named.user, named.name, named.ssrc, named.number, 0, config_.extension, part};
  facts.start_unix = config_.wall_start.count() / 1000000000;
  auto file = std::make_unique<OutputFile>();
  const OutputFile::Options options{config_.overwrite, config_.durability == Durability::power};
  if (auto failure = file->create(expand_template(config_.location, facts), options)) {
    error = *failure;
    return nullptr;
  }
  return make_output(std::move(file), named, pcm, opus, error);
}

std::unique_ptr<TrackOutput> Recording::open_output(const TrackInfo &info, const PcmFormat &pcm,
                                                    bool opus, FileError &error) {
  const auto part_samples = static_cast<std::uint64_t>(samples_of(config_.max_file_time, pcm.rate));
  if (part_samples == 0) return open_part(info, pcm, opus, 1, error);
  return std::make_unique<SplitOutput>(
      part_samples, opus ? 0 : pcm.frame_bytes(),
      [this, info, pcm, opus](unsigned part, FileError &why) {
        return open_part(info, pcm, opus, part, why);
      },
      [this, info, pcm](const SplitOutput::Part &closed, const SplitOutput::Part &opened) {
        part_rolled(info, pcm, closed, opened);
      });
}

void Recording::part_rolled(const TrackInfo &info, const PcmFormat &pcm,
                            const SplitOutput::Part &closed, const SplitOutput::Part &opened) {
  auto at = [&pcm](std::uint64_t samples) {
    return time_of(static_cast<std::int64_t>(samples), pcm.rate);
  };
  TrackReport report;
  report.info = info;
  report.location = closed.path;
  report.start = at(closed.start);
  report.end = at(closed.start + closed.samples);
  report.bytes = closed.bytes;
  report.reason = "split";
  append_index(JsonLine("part-closed")
                   .number("track", info.number)
                   .id("user", info.user)
                   .number("part", closed.number)
                   .text("file", closed.path)
                   .seconds("start", report.start)
                   .seconds("end", report.end)
                   .number("bytes", closed.bytes));
  listener_.on_track_closed(report);
  report.location = opened.path;
  report.start = report.end = at(opened.start);
  append_index(JsonLine("part-opened")
                   .number("track", info.number)
                   .id("user", info.user)
                   .number("part", opened.number)
                   .text("file", opened.path)
                   .seconds("start", report.start));
  listener_.on_track_opened(report);
}

void Recording::track_opened(const TrackReport &report) {
  const std::string directory = directory_of(report.location);
  {
    std::lock_guard lock(mutex_);
    ++counters_.open_tracks;
    if (config_.durability == Durability::power && !directories_.contains(directory)) {
      const int fd = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
      if (fd >= 0) directories_[directory] = fd;
    }
  }
  append_index(JsonLine("track-opened")
                   .number("track", report.info.number)
                   .id("user", report.info.user)
                   .number("ssrc", report.info.ssrc)
                   .text("name", name_of(report.info.user))
                   .text("file", report.location)
                   .seconds("start", report.start));
  listener_.on_track_opened(report);
}

void Recording::track_stretch(const TrackInfo &info, const Stretch &stretch) {
  if (!index_.is_open()) return;
  const bool speech = stretch.kind == Stretch::Kind::speech;
  JsonLine line(speech ? "spurt" : "gap");
  line.number("track", info.number)
      .id("user", info.user)
      .seconds("start", stretch.start)
      .seconds("length", stretch.end - stretch.start);
  if (!stretch.peaks.empty()) line.text("peaks", encode_peaks(stretch.peaks));
  if (!speech) line.text("reason", stretch.kind == Stretch::Kind::lost ? "lost" : "concealed");
  append_index(line);
}

void Recording::track_failed(const TrackInfo &info, const FileError &error) {
  bool all = true;
  {
    std::lock_guard lock(mutex_);
    ++counters_.failed_tracks;
    all = counters_.failed_tracks >= tracks_.size() && !failed_;
    if (all) failed_ = true;
  }
  append_index(JsonLine("track-failed")
                   .number("track", info.number)
                   .id("user", info.user)
                   .text("reason", error.text()));
  if (all) {
    listener_.on_error(error);
  } else {
    warn_once(error, "This speaker is not recorded any more; the others are.");
  }
}

void Recording::track_closed(const TrackReport &report) {
  JsonLine line("track-closed");
  if (report.loudness) line.decimal("loudness", *report.loudness);
  append_index(line.number("track", report.info.number)
                   .id("user", report.info.user)
                   .text("file", report.location)
                   .seconds("start", report.start)
                   .seconds("end", report.end)
                   .number("bytes", report.bytes)
                   .number("samples", report.placement.samples)
                   .number("silence-samples", report.placement.silence)
                   .number("overlaps", report.placement.overlaps)
                   .number("lost", report.lost)
                   .number("concealed", report.concealed)
                   .text("reason", report.reason));
  listener_.on_track_closed(report);
  std::string reason;
  Time end{};
  {
    std::lock_guard lock(mutex_);
    if (!report.location.empty() && counters_.open_tracks > 0) --counters_.open_tracks;
    if (++closed_ < tracks_.size() || finished_) return;
    finished_ = true;
    reason = reason_;
    end = end_;
  }
  conclude(reason, end);
}

void Recording::sync_all() {
  std::vector<int> descriptors;
  {
    std::lock_guard lock(mutex_);
    for (auto &[path, fd] : directories_) descriptors.push_back(fd);
  }
  for (int fd : descriptors) syncfs(fd);
}

void Recording::keep() {
  const Time settled = config_.format == TrackFormat::wav ? kSettled : kSettledEncoded;
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    keeper_wake_.wait_for(lock, kKeeperPeriod, [this] { return stopping_; });
    if (stopping_ || finishing_) continue;
    std::vector<std::shared_ptr<Track>> tracks;
    for (auto &[key, track] : tracks_) tracks.push_back(track);
    lock.unlock();
    const auto now = live_.load() ? listener_.now() : std::nullopt;
    if (now && *now > settled) {
      for (auto &track : tracks) track->advance(*now - settled);
    }
    if (config_.durability == Durability::power) sync_all();
    tracks.clear();
    lock.lock();
  }
}

}  // namespace dv
