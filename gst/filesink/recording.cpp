// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/filesink/recording.hpp"

#include <algorithm>
#include <cerrno>
#include <vector>

#include "gst/filesink/export/export.hpp"
#include "gst/filesink/unfinished.hpp"

namespace dv {
namespace {

// Behind this much, nothing arrives any more that belongs before: silence may be written. Encoders
// need time for silence and shall not be left with much of it at the end; for the others it is
// free.
constexpr Time kSettledEncoded = 5s;
constexpr Time kSettled = 30s;
constexpr auto kKeeperPeriod = std::chrono::milliseconds(500);

std::vector<TrackFormat> kinds_of(const RecordingConfig &config) {
  std::vector<TrackFormat> kinds = config.formats;
  if (config.mix) kinds.push_back(TrackFormat::mix);
  return kinds;
}

/** Packets go untouched into Opus, samples into the rest; where both come, Opus takes packets. */
bool takes(TrackFormat format, const TrackFrame &frame) {
  return format == TrackFormat::opus ? frame.opus || !frame.decoded : !frame.opus;
}

/** With what an output holds back itself, less than the quarter of a second that a kill may cost. */
Time batch_of(TrackFormat format, Durability durability) {
  if (durability == Durability::none) return 2s;
  // A page of Ogg for each, so fewer.
  return format == TrackFormat::opus ? 160ms : 100ms;
}

unsigned writer_threads() { return std::clamp(std::thread::hardware_concurrency(), 2u, 4u); }

}  // namespace

Recording::Recording(GstBin *bin, RecordingListener &listener, RecordingConfig config)
    : listener_(listener),
      config_(std::move(config)),
      kinds_(kinds_of(config_)),
      maker_(
          bin, config_, [this](UserId user) { return roster_.name_of(user); },
          [this](const TrackReport &closed, const TrackReport &opened) {
            part_rolled(closed, opened);
          }),
      log_([this](const FileError &error) {
        warn_once(error, "The recording goes on without an index.");
      }),
      mix_(maker_,
           [this](const TrackReport &opened) {
             log_.mix("mix-opened", opened);
             listener_.on_track_opened(opened);
           }),
      order_([this](SourcedFrame &&f) { return push(f.source, std::move(f.frame)); }),
      pool_(std::make_unique<StrandPool>(writer_threads())),
      pauses_(config_.cut_pauses),
      wall_zero_(config_.wall_start) {
  if (config_.durability == Durability::power) flusher_ = Flusher::shared();
  if (!config_.index_location.empty()) begin_index();
  if (config_.paused) set_paused(true, Time{});
  keeper_ = std::thread([this] { keep(); });
}

void Recording::begin_index() {
  // Before it is opened: that may write to it.
  auto killed = config_.continues ? unfinished_recording(config_.index_location, config_.location,
                                                         config_.wall_start)
                                  : std::nullopt;
  if (!log_.open(config_.index_location)) return;
  if (killed && log_.is_alone()) take_over(*killed);
  if (flusher_) flusher_->add(this, directory_of(config_.index_location));
  log_.begin({config_.location, extension_of(config_.formats.front()), config_.wall_start,
              maker_.origin().continued});
}

void Recording::take_over(const exporter::Session &killed) {
  for (const JsonLine &line : complete_killed(killed, config_.wall_start)) log_.add(line);
  maker_.origin() = {true, killed.started, killed.last_part};
  for (const auto &track : killed.tracks) {
    roster_.take_over(track.user, track.number, track.name);
  }
}

Recording::~Recording() {
  stop();
  if (flusher_) flusher_->remove(this);
}

void Recording::count_malformed() {
  std::lock_guard lock(mutex_);
  ++counters_.malformed;
}

void Recording::stop() {
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

std::shared_ptr<Track> Recording::track_for(const FrameSource &source, std::size_t kind,
                                            const PcmFormat &pcm) {
  const bool known = source.user != 0;
  const Key key{known, known ? source.user : stream_id(source), kind};
  std::lock_guard lock(mutex_);
  if (finishing_) return nullptr;
  auto &track = tracks_[key];
  if (track) return track;
  if (tracks_.size() > Roster::kMax * kinds_.size()) {
    tracks_.erase(key);
    return nullptr;
  }
  TrackInfo info{roster_.number_for(source), source.user, source.ssrc,
                 roster_.name_of(source.user)};
  info.format = kinds_[kind];
  info.primary = kind == 0;
  Track::Config config{{48000, config_.silence, config_.from_first}, config_.max_queued};
  config.batch = batch_of(info.format, config_.durability);
  if (info.format == TrackFormat::mix) {
    if (!mix_pcm_) mix_pcm_ = pcm;
    config.pcm = mix_pcm_;
  }
  track = std::make_shared<Track>(*this, *pool_, info, config);
  if (info.primary) ++counters_.tracks;
  return track;
}

void Recording::note_binding(const FrameSource &source) {
  if (roster_.bind(source)) log_.ssrc(source.session, source.ssrc, source.user);
}

bool Recording::place(TrackFrame &frame) {
  std::lock_guard lock(mutex_);
  if (frame.position == kNever) return !pauses_.paused();
  const Time length = time_of(static_cast<std::int64_t>(frame.samples), frame.pcm.rate);
  received_ = std::max(received_, frame.position + length);
  const auto placed = pauses_.place(frame.position);
  if (!placed) return false;
  frame.position = *placed;
  // Numbers that are missing over a pause are not lost: it begins a new stream.
  frame.stream += std::uint64_t{pauses_.count()} << 48;
  end_ = std::max(end_, frame.position + length);
  return true;
}

Track::Push Recording::push_to(const FrameSource &source, std::size_t kind, TrackFrame &&frame) {
  auto track = track_for(source, kind, frame.pcm);
  return track ? track->push(std::move(frame), !live_.load()) : Track::Push::failed;
}

bool Recording::push(const FrameSource &source, TrackFrame &&frame) {
  note_binding(source);
  const bool placed = place(frame);
  bool full = false;
  for (std::size_t kind = 0; kind < kinds_.size(); ++kind) {
    if (!takes(kinds_[kind], frame)) continue;
    const auto result = placed ? push_to(source, kind, frame.share()) : Track::Push::ok;
    full = full || result == Track::Push::full;
    std::lock_guard lock(mutex_);
    if (result == Track::Push::full) ++counters_.dropped_queue_full;
    if (result == Track::Push::failed) ++counters_.dropped_failed;
    if (kind > 0) continue;
    ++counters_.frames;
    if (!placed) ++counters_.dropped_paused;
  }
  if (full) {
    warn_once({ETIMEDOUT, "keep up with", config_.location},
              "The storage is too slow; what did not fit into the queue is recorded as silence.");
  }
  std::lock_guard lock(mutex_);
  return !failed_;
}

void Recording::set_name(UserId user, const std::string &name) {
  if (roster_.rename(user, name)) log_.user(user, name);
}

void Recording::set_present(const FrameSource &source, bool present) {
  if (!roster_.set_present(source, present)) return;
  Time at{};
  {
    std::lock_guard lock(mutex_);
    at = end_;
  }
  log_.present(source.user, present, at);
}

void Recording::note_clock(Time running, Time since_1970) {
  Time at{};
  {
    std::lock_guard lock(mutex_);
    at = pauses_.position(running);
    wall_zero_ = since_1970 - running;
  }
  log_.clock(at, since_1970);
}

void Recording::note_frame(Anchor frame, Time length, bool restart) {
  if (config_.index_location.empty() || frame.at < Time{}) return;
  note_binding({frame.user, frame.session, frame.ssrc});
  {
    std::lock_guard lock(mutex_);
    const auto placed = pauses_.place(frame.at);
    if (!placed) return;
    frame.wall = wall_zero_ + frame.at;
    frame.at = *placed;
    if (frame.arrival) frame.arrival = pauses_.position(*frame.arrival);
    if (!anchors_.wants(frame, length, restart)) return;
  }
  log_.anchor(frame);
}

void Recording::set_paused(bool paused, std::optional<Time> now) {
  // What is not live does not run by the clock.
  const auto at = live_.load() ? now : std::nullopt;
  Time when{};
  {
    std::lock_guard lock(mutex_);
    const Time running = std::max(at.value_or(received_), pauses_at_);
    if (!pauses_.set(paused, running)) return;
    pauses_at_ = running;
    when = pauses_.position(running);
  }
  log_.paused(paused, when);
}

void Recording::add_marker(std::optional<Time> at, const std::string &text) {
  Time when{};
  {
    std::lock_guard lock(mutex_);
    ++counters_.markers;
    when = at ? pauses_.position(*at) : end_;
  }
  log_.marker(when, text);
}

void Recording::advance(Time position) {
  std::lock_guard lock(mutex_);
  received_ = std::max(received_, position);
  end_ = std::max(end_, pauses_.position(position));
}

void Recording::finish(const std::string &reason) {
  order_.stop();
  const auto now = live_.load() ? listener_.now() : std::nullopt;
  std::vector<std::shared_ptr<Track>> tracks;
  Time end{};
  {
    std::lock_guard lock(mutex_);
    if (finishing_) return;
    finishing_ = true;
    reason_ = reason;
    if (now) end_ = std::max(end_, pauses_.position(*now));
    end = end_;
    for (auto &[key, track] : tracks_) tracks.push_back(track);
    finished_ = tracks.empty();
  }
  for (auto &track : tracks) track->finish(end, reason);
  if (!tracks.empty()) return;
  conclude(reason, end);
}

void Recording::conclude(const std::string &reason, Time end) {
  finish_mix(end);
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
    if (report.info.format != TrackFormat::mix) sum.bytes += report.bytes;
    if (!report.info.primary) continue;
    sum.samples += report.placement.samples;
    sum.silence_samples += report.placement.silence;
    sum.overlaps += report.placement.overlaps;
    sum.overlap_samples += report.placement.overlap_samples;
    sum.drift_samples += report.placement.drift_samples;
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

std::unique_ptr<TrackOutput> Recording::open_output(const TrackInfo &info, const PcmFormat &pcm,
                                                    bool opus, FileError &error) {
  if (info.format != TrackFormat::mix) return maker_.open(info, pcm, opus, error);
  return mix_.input(pcm, error);
}

void Recording::finish_mix(Time end) {
  std::optional<FileError> error;
  auto report = mix_.finish(end, error);
  if (!report) return;
  if (error) warn_once(*error, "The mix is incomplete; the tracks are not concerned.");
  {
    std::lock_guard lock(mutex_);
    report->reason = reason_;
  }
  log_.mix("mix-closed", *report);
  listener_.on_track_closed(*report);
}

void Recording::part_rolled(const TrackReport &closed, const TrackReport &opened) {
  log_.part_closed(closed);
  listener_.on_track_closed(closed);
  log_.part_opened(opened);
  listener_.on_track_opened(opened);
}

void Recording::track_opened(const TrackReport &report) {
  if (report.info.format == TrackFormat::mix) return;
  {
    std::lock_guard lock(mutex_);
    ++counters_.open_tracks;
  }
  if (flusher_) flusher_->add(this, directory_of(report.location));
  TrackReport told = report;
  told.part += maker_.origin().parts;
  log_.opened(told, roster_.name_of(report.info.user));
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
  } else if (info.format == TrackFormat::mix) {
    warn_once(error, "This speaker is missing from the mix from now on.");
  } else {
    warn_once(error, "This file ends here; the others go on.");
  }
}

void Recording::track_closed(const TrackReport &report) {
  const bool is_file = report.info.format != TrackFormat::mix;
  if (is_file) {
    TrackReport told = report;
    told.part += maker_.origin().parts;
    log_.closed(told);
    listener_.on_track_closed(report);
  }
  std::string reason;
  Time end{};
  {
    std::lock_guard lock(mutex_);
    if (is_file && !report.location.empty() && counters_.open_tracks > 0) --counters_.open_tracks;
    if (++closed_ < tracks_.size() || finished_) return;
    finished_ = true;
    reason = reason_;
    end = end_;
  }
  conclude(reason, end);
}

void Recording::check_flushed() {
  const int error = flusher_ ? flusher_->take_error(this) : 0;
  if (error != 0) {
    warn_once({error, "save", config_.location},
              "What was written in the last seconds may not survive a power cut.");
  }
}

void Recording::keep() {
  const bool encodes = std::any_of(kinds_.begin(), kinds_.end(), [](TrackFormat f) {
    return f != TrackFormat::wav && f != TrackFormat::mix;
  });
  const Time settled = encodes ? kSettledEncoded : kSettled;
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    keeper_wake_.wait_for(lock, kKeeperPeriod, [this] { return stopping_; });
    if (stopping_ || finishing_) continue;
    std::vector<std::shared_ptr<Track>> tracks;
    for (auto &[key, track] : tracks_) tracks.push_back(track);
    lock.unlock();
    const auto now = live_.load() ? listener_.now() : std::nullopt;
    const auto zero = live_.load() ? listener_.wall_zero() : std::nullopt;
    lock.lock();
    if (zero) wall_zero_ = *zero;
    const Time reached = now && *now > settled ? pauses_.position(*now - settled) : Time{};
    lock.unlock();
    for (auto &track : tracks) {
      track->hurry();
      if (reached > Time{}) track->advance(reached);
    }
    order_.expire(std::chrono::steady_clock::now().time_since_epoch());
    check_flushed();
    tracks.clear();
    lock.lock();
  }
}

}  // namespace dv
