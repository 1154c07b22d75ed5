// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/filesink/track.hpp"

#include <algorithm>
#include <utility>

namespace dv {
namespace {

// What a strand does before others have their turn.
constexpr std::size_t kBatch = 64;

Time duration_of(const TrackFrame &frame) {
  return time_of(static_cast<std::int64_t>(frame.samples), frame.pcm.rate);
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

Track::Push Track::push(TrackFrame &&frame, bool wait) {
  const Time length = duration_of(frame);
  std::unique_lock lock(mutex_);
  auto room = [&] { return queued_ < config_.max_queued || failed_ || finishing_ || woken_; };
  if (wait) space_.wait(lock, room);
  if (failed_ || finishing_) return Push::failed;
  if (queued_ >= config_.max_queued) return Push::full;
  queued_ += length;
  queue_.emplace_back(std::move(frame));
  schedule_locked();
  return Push::ok;
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

bool Track::run() {
  for (std::size_t i = 0; i < kBatch; ++i) {
    std::optional<Item> item;
    {
      std::lock_guard lock(mutex_);
      if (queue_.empty()) {
        scheduled_ = false;
        return false;
      }
      item = std::move(queue_.front());
      queue_.pop_front();
      if (auto *frame = std::get_if<TrackFrame>(&*item)) {
        queued_ -= duration_of(*frame);
        space_.notify_one();
      }
    }
    std::visit([this](auto &what) { handle(what); }, *item);
    update_report();
  }
  return true;
}

void Track::update_report() {
  std::lock_guard lock(mutex_);
  if (output_) {
    report_.location = output_->file().path();
    report_.bytes = output_->file().size();
  }
  if (placement_) {
    report_.placement = placement_->counters();
    report_.start = time_of(placement_->origin(), pcm_.rate);
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
  pcm_ = frame.pcm;
  opus_ = frame.opus;
  output_ = host_.open_output(info_, pcm_, opus_, error);
  if (!output_) {
    fail(error);
    return false;
  }
  Placement::Config config = config_.placement;
  config.rate = pcm_.rate;
  placement_.emplace(config);
  return true;
}

void Track::note_stretches(const std::vector<Stretch> &stretches) {
  for (const Stretch &stretch : stretches) {
    {
      std::lock_guard lock(mutex_);
      if (stretch.kind == Stretch::Kind::lost) ++report_.lost;
      if (stretch.kind == Stretch::Kind::concealed) ++report_.concealed;
    }
    host_.track_stretch(info_, stretch);
  }
}

void Track::handle(TrackFrame &frame) {
  if (failed() || frame.samples == 0) return;
  const bool first = !output_;
  if (first && !open(frame)) return;
  write_frame(frame);
  if (!first) return;
  update_report();
  if (!failed()) host_.track_opened(report());
}

void Track::write_frame(const TrackFrame &frame) {
  const bool same = have_last_ && frame.has_seq && frame.stream == last_stream_;
  const bool continues =
      (same && frame.seq == last_seq_ + 1 && !frame.after_gap) || frame.continues;
  last_stream_ = frame.stream;
  last_seq_ = frame.seq;
  have_last_ = frame.has_seq;
  const std::int64_t position =
      frame.position == kNever ? placement_->end() : samples_of(frame.position, pcm_.rate);
  const std::uint64_t fill = placement_->place(position, frame.samples, continues);
  const std::int64_t start = placement_->end() - static_cast<std::int64_t>(frame.samples);
  note_stretches(spurts_.add({time_of(start, pcm_.rate), duration_of(frame), frame.stream,
                              frame.seq, frame.concealed, frame.silence}));
  std::optional<FileError> error;
  if (fill > 0) error = output_->write_silence(fill);
  if (!error) {
    GstMapInfo map;
    if (!gst_buffer_map(frame.buffer.get(), &map, GST_MAP_READ)) return;
    error = output_->write({map.data, map.size}, frame.samples);
    gst_buffer_unmap(frame.buffer.get(), &map);
  }
  if (error) fail(*error);
}

void Track::handle(Advance &advance) {
  if (!output_ || failed()) return;
  const std::uint64_t fill = placement_->advance(samples_of(advance.position, pcm_.rate));
  if (fill == 0) return;
  if (auto error = output_->write_silence(fill)) fail(*error);
}

void Track::handle(Finish &finish) {
  const bool had_failed = failed();
  note_stretches(spurts_.finish());
  if (output_) {
    if (!had_failed) {
      Advance rest{finish.end};
      handle(rest);
      update_report();
    }
    // After a failure the first error has been told; the file is still given its name.
    if (auto error = output_->finish(); error && !failed()) fail(*error);
    update_report();
  }
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    if (!failed_) report_.reason = finish.reason;
    output_.reset();
  }
  host_.track_closed(report());
}

}  // namespace dv
