// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/filesink/track.hpp"

#include <algorithm>
#include <utility>

#include "gst/filesink/elastic.hpp"
#include "gst/filesink/peaks.hpp"

namespace dv {
namespace {

// What a strand does before others have their turn.
constexpr std::size_t kBatch = 64;
// Silence is written in pieces of this many seconds, for the same reason.
constexpr std::uint64_t kPiece = 10;
// Who joins a long recording late may have hours of silence encoded before the first word.
// Meanwhile the words wait, so many times longer than otherwise.
constexpr int kPatience = 10;

Time duration_of(const TrackFrame &frame) {
  return time_of(static_cast<std::int64_t>(frame.samples), frame.pcm.rate);
}

void count_stretch(TrackReport &report, const Stretch &stretch) {
  const Time length = stretch.end - stretch.start;
  switch (stretch.kind) {
    case Stretch::Kind::speech:
      report.speech_length += length;
      break;
    case Stretch::Kind::lost:
      ++report.lost;
      report.lost_length += length;
      break;
    case Stretch::Kind::concealed:
      ++report.concealed;
      report.concealed_length += length;
      break;
  }
}

}  // namespace

Track::Track(TrackHost &host, StrandPool &pool, TrackInfo info, const Config &config)
    : host_(host), pool_(pool), info_(std::move(info)), config_(config) {
  report_.info = info_;
}

void Track::schedule_locked() {
  if (scheduled_) return;
  scheduled_ = true;
  // Under the lock, so that the pool cannot be gone: it ends after `finish`, which takes the lock.
  pool_.post(shared_from_this());
}

bool Track::room_locked() const {
  return queued_ < (catching_up_ ? config_.max_queued * kPatience : config_.max_queued);
}

Track::Push Track::push(TrackFrame &&frame, bool wait) {
  const Time length = duration_of(frame);
  std::unique_lock lock(mutex_);
  auto room = [&] { return queued_ < config_.max_queued || failed_ || finishing_ || woken_; };
  if (wait) space_.wait(lock, room);
  if (failed_ || finishing_) return Push::failed;
  if (queued_ >= config_.max_queued) return Push::full;
  queued_ += length;
  queue_.emplace_back(std::move(frame));
  // Each piece of work wakes a thread, which costs more than writing a frame does.
  const bool enough = queued_ >= std::min(config_.batch, config_.max_queued);
  if (!std::exchange(begun_, true) || enough) schedule_locked();
  return Push::ok;
}

void Track::hurry() {
  std::lock_guard lock(mutex_);
  if (!queue_.empty()) schedule_locked();
}

void Track::advance(Time position) {
  std::lock_guard lock(mutex_);
  if (failed_ || finishing_) return;
  // Frames still in the queue may lie before it; they do not when they are handled first.
  if (!queue_.empty() && std::holds_alternative<Advance>(queue_.back())) {
    std::get<Advance>(queue_.back()).position = position;
    return;
  }
  queue_.emplace_back(Advance{position});
  schedule_locked();
}

void Track::finish(Time end, const std::string &reason) {
  std::lock_guard lock(mutex_);
  if (finishing_) return;
  finishing_ = true;
  space_.notify_all();
  queue_.emplace_back(Finish{end, reason});
  schedule_locked();
}

void Track::wake() {
  std::lock_guard lock(mutex_);
  woken_ = true;
  space_.notify_all();
}

bool Track::failed() const {
  std::lock_guard lock(mutex_);
  return failed_;
}

bool Track::closed() const {
  std::lock_guard lock(mutex_);
  return closed_;
}

TrackReport Track::report() const {
  std::lock_guard lock(mutex_);
  return report_;
}

std::optional<Track::Item> Track::pop() {
  std::lock_guard lock(mutex_);
  if (queue_.empty()) {
    scheduled_ = unsettled_;
    return std::nullopt;
  }
  Item item = std::move(queue_.front());
  queue_.pop_front();
  if (auto *frame = std::get_if<TrackFrame>(&item)) {
    queued_ -= duration_of(*frame);
    space_.notify_one();
  }
  return item;
}

bool Track::run() {
  for (std::size_t i = 0; i < kBatch; ++i) {
    if (!held_) {
      held_ = pop();
      if (!held_ && !unsettled_) return false;
      if (!held_) {
        settle();
        continue;
      }
      fill_left_ = std::visit([this](auto &item) { return prepare(item); }, *held_);
    }
    if (fill_left_ > 0) fill_some();
    if (fill_left_ > 0) return true;
    std::visit([this](const auto &item) { complete(item); }, *held_);
    held_.reset();
  }
  return true;
}

void Track::settle() {
  unsettled_ = false;
  if (!output_ || failed()) return;
  const auto error = output_->settle();
  update_report();
  if (error) fail(*error);
}

void Track::fill_some() {
  const std::uint64_t piece = std::min<std::uint64_t>(fill_left_, kPiece * pcm_.rate);
  fill_left_ -= piece;
  {
    std::lock_guard lock(mutex_);
    catching_up_ = fill_left_ > 0;
  }
  if (auto error = output_->write_silence(piece)) {
    fail(*error);
    fill_left_ = 0;
  }
}

void Track::update_report() {
  std::lock_guard lock(mutex_);
  if (output_) {
    report_.location = output_->file().path();
    report_.bytes = output_->file().size();
    report_.part = output_->part();
  }
  if (placement_) {
    report_.placement = placement_->counters();
    const auto before = output_ ? static_cast<std::int64_t>(output_->file_start()) : 0;
    report_.start = time_of(placement_->origin() + before, pcm_.rate);
    report_.end = time_of(placement_->end(), pcm_.rate);
  }
}

void Track::fail(const FileError &error) {
  {
    std::lock_guard lock(mutex_);
    failed_ = true;
    report_.reason = error.text();
    space_.notify_all();
  }
  host_.track_failed(info_, error);
}

bool Track::open(const TrackFrame &frame) {
  FileError error;
  pcm_ = config_.pcm.value_or(frame.pcm);
  opus_ = frame.opus;
  output_ = host_.open_output(info_, pcm_, opus_, error);
  if (!output_) {
    fail(error);
    return false;
  }
  if (!opus_ && info_.primary) loudness_.emplace(pcm_);
  Placement::Config config = config_.placement;
  config.rate = pcm_.rate;
  placement_.emplace(config);
  return true;
}

void Track::note_stretches(const std::vector<Stretch> &stretches) {
  for (const Stretch &stretch : stretches) {
    {
      std::lock_guard lock(mutex_);
      count_stretch(report_, stretch);
    }
    host_.track_stretch(info_, stretch);
  }
}

bool Track::adapt(TrackFrame &frame) {
  if (frame.opus == opus_ && frame.pcm == pcm_) return true;
  Ref<GstBuffer> converted;
  if (!frame.opus && !opus_) {
    if (!converter_ || !converter_->from(frame.pcm)) {
      converter_ = std::make_unique<PcmConverter>(frame.pcm, pcm_);
    }
    converted = converter_->convert(frame.buffer.get());
  }
  if (!converted) {
    frame.samples = 0;
    std::lock_guard lock(mutex_);
    ++report_.unusable;
    return false;
  }
  frame.samples = gst_buffer_get_size(converted.get()) / pcm_.frame_bytes();
  frame.buffer = std::move(converted);
  frame.pcm = pcm_;
  return true;
}

std::uint64_t Track::prepare(TrackFrame &frame) {
  if (failed() || frame.samples == 0) return 0;
  if (!output_ && !open(frame)) return 0;
  if (!adapt(frame)) return 0;
  const bool same = have_last_ && frame.has_seq && frame.stream == last_stream_;
  const bool continues =
      (same && frame.seq == last_seq_ + 1 && !frame.after_gap) || frame.continues;
  last_stream_ = frame.stream;
  last_seq_ = frame.seq;
  have_last_ = frame.has_seq;
  const std::int64_t position =
      frame.position == kNever ? placement_->end() : samples_of(frame.position, pcm_.rate);
  const Join join = !continues                 ? Join::apart
                    : opus_ || frame.concealed ? Join::follows
                                               : Join::elastic;
  const Placement::Placed placed = placement_->place(position, frame.samples, join);
  if (placed.stretch != 0) stretch(frame, placed.stretch);
  return placed.silence;
}

/** Makes the frame as long as it was placed. */
void Track::stretch(TrackFrame &frame, std::int64_t by) {
  GstMapInfo map;
  if (!gst_buffer_map(frame.buffer.get(), &map, GST_MAP_READ)) return;
  frame.samples += static_cast<std::uint64_t>(by);
  const Bytes samples = spread_over({map.data, map.size}, pcm_, frame.samples);
  gst_buffer_unmap(frame.buffer.get(), &map);
  frame.buffer.reset(gst_buffer_new_memdup(samples.data(), samples.size()));
}

void Track::complete(const TrackFrame &frame) {
  if (failed() || frame.samples == 0) return;
  const std::int64_t start = placement_->end() - static_cast<std::int64_t>(frame.samples);
  GstMapInfo map;
  if (!gst_buffer_map(frame.buffer.get(), &map, GST_MAP_READ)) return;
  std::optional<float> peak;
  if (loudness_) loudness_->add({map.data, map.size});
  if (loudness_) peak = peak_of({map.data, map.size}, pcm_.is_float);
  note_stretches(spurts_.add({time_of(start, pcm_.rate), duration_of(frame), frame.stream,
                              frame.seq, frame.concealed, frame.silence, peak}));
  auto error = output_->write({map.data, map.size}, frame.samples);
  gst_buffer_unmap(frame.buffer.get(), &map);
  unsettled_ = true;
  if (error) {
    update_report();
    fail(*error);
  } else if (!std::exchange(told_opened_, true)) {
    update_report();
    host_.track_opened(report());
  }
}

std::uint64_t Track::prepare(const Advance &advance) {
  if (!output_ || failed()) return 0;
  return placement_->advance(samples_of(advance.position, pcm_.rate));
}

std::uint64_t Track::prepare(const Finish &finish) { return prepare(Advance{finish.end}); }

void Track::complete(const Finish &finish) {
  note_stretches(spurts_.finish());
  if (output_) {
    // After a failure the first error has been told; the file is still given its name.
    if (auto error = output_->finish(); error && !failed()) fail(*error);
    update_report();
  }
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    if (loudness_) report_.loudness = loudness_->integrated();
    if (!failed_) report_.reason = finish.reason;
  }
  output_.reset();
  host_.track_closed(report());
}

}  // namespace dv
