// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/filesink/recording.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "gst/filesink/encoder_output.hpp"
#include "gst/filesink/export/export.hpp"
#include "gst/filesink/ogg_output.hpp"
#include "gst/filesink/unfinished.hpp"
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
      log_([this](const FileError &error) {
        warn_once(error, "The recording goes on without an index.");
      }),
      pool_(std::make_unique<StrandPool>(writer_threads())) {
  origin_.start = config_.wall_start;
  if (!config_.index_location.empty()) begin_index();
  keeper_ = std::thread([this] { keep(); });
}

void Recording::begin_index() {
  // Before it is opened: that may write to it.
  auto killed = config_.continues ? unfinished_recording(config_.index_location, config_.location,
                                                         config_.wall_start)
                                  : std::nullopt;
  if (!log_.open(config_.index_location)) return;
  if (killed && log_.is_alone()) take_over(*killed);
  log_.begin({config_.location, config_.extension, config_.wall_start, origin_.continued});
}

void Recording::take_over(const exporter::Session &killed) {
  for (const JsonLine &line : complete_killed(killed, config_.wall_start)) log_.add(line);
  origin_.continued = true;
  origin_.start = killed.started;
  origin_.parts = killed.last_part;
  for (const auto &track : killed.tracks) {
    last_number_ = std::max(last_number_, track.number);
    if (track.user == 0) continue;
    numbers_.try_emplace(track.user, track.number);
    if (!track.name.empty()) names_[track.user] = track.name;
  }
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
  log_.close(config_.durability == Durability::power);
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
  TrackInfo info{number_for_locked(source.user), source.user, source.ssrc, {}};
  if (auto it = names_.find(source.user); it != names_.end()) info.name = it->second;
  Track::Config config{{48000, config_.silence, config_.from_first}, config_.max_queued};
  track = std::make_shared<Track>(*this, *pool_, info, config);
  ++counters_.tracks;
  return track;
}

unsigned Recording::number_for_locked(UserId user) {
  const auto known = numbers_.find(user);
  if (known != numbers_.end()) return known->second;
  if (user != 0) numbers_[user] = last_number_ + 1;
  return ++last_number_;
}

void Recording::note_binding(const FrameSource &source) {
  {
    std::lock_guard lock(mutex_);
    if (bindings_.size() > kMaxTracks) return;
    auto [it, fresh] = bindings_.try_emplace({source.session, source.ssrc}, source.user);
    if (!fresh && it->second == source.user) return;
    it->second = source.user;
  }
  log_.ssrc(source.session, source.ssrc, source.user);
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
  log_.user(user, name);
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
  log_.present(user, present, at);
}

void Recording::note_clock(Time running, Time since_1970) { log_.clock(running, since_1970); }

void Recording::add_marker(std::optional<Time> at, const std::string &text) {
  Time when{};
  {
    std::lock_guard lock(mutex_);
    ++counters_.markers;
    when = at.value_or(end_);
  }
  log_.marker(when, text);
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
  log_.end(reason, end);
  if (config_.exports != 0 && log_.is_open()) {
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
  facts.start_unix = origin_.start.count() / 1000000000;
  facts.part += origin_.parts;
  auto file = std::make_unique<OutputFile>();
  // What the killed run has left is of this recording, too.
  const bool overwrite = config_.overwrite && !origin_.continued;
  const OutputFile::Options options{overwrite, config_.durability == Durability::power};
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
  report.part = closed.number + origin_.parts;
  report.start = at(closed.start);
  report.end = at(closed.start + closed.samples);
  report.bytes = closed.bytes;
  report.reason = "split";
  log_.part_closed(report);
  listener_.on_track_closed(report);
  report.location = opened.path;
  report.part = opened.number + origin_.parts;
  report.start = report.end = at(opened.start);
  log_.part_opened(report);
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
  TrackReport told = report;
  told.part += origin_.parts;
  log_.opened(told, name_of(report.info.user));
  listener_.on_track_opened(report);
}

void Recording::track_stretch(const TrackInfo &info, const Stretch &stretch) {
  log_.stretch(info, stretch);
}

void Recording::track_failed(const TrackInfo &info, const FileError &error) {
  bool all = true;
  {
    std::lock_guard lock(mutex_);
    ++counters_.failed_tracks;
    all = counters_.failed_tracks >= tracks_.size() && !failed_;
    if (all) failed_ = true;
  }
  log_.track_failed(info, error);
  if (all) {
    listener_.on_error(error);
  } else {
    warn_once(error, "This speaker is not recorded any more; the others are.");
  }
}

void Recording::track_closed(const TrackReport &report) {
  log_.closed(report);
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
