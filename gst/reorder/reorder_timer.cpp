// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>

#include "gst/reorder/reorderer.hpp"

// The deadlines of a Reorderer, and its thread that waits for them on the element's clock.

namespace dv {
namespace {
constexpr Time kLinger = 2s;
}

/** When the next GAP of a quiet stream is due: never for time from which frames may still come. */
Time Reorderer::gap_deadline(const ReorderStream &stream) const {
  const bool quiet = stream.rules.held() == 0 && stream.timeline.pending() == 0;
  if (!live_ || settings_.gap_interval_ms == 0 || !quiet || !stream.timeline.started())
    return kNever;
  return stream.timeline.end() + (settings_.gap_interval_ms + settings_.latency_ms) * Time{1ms};
}

void Reorderer::tell_silence(ReorderStream &stream, Time now) {
  const Time begin = stream.timeline.end();
  const Time length = now - settings_.latency_ms * Time{1ms} - begin;
  put(stream, GST_MINI_OBJECT_CAST(gst_event_new_gap(static_cast<GstClockTime>(begin.count()),
                                                     static_cast<GstClockTime>(length.count()))));
  stream.timeline.skip_to(begin + length);
}

Time Reorderer::deadline_of(const ReorderStream &stream) const {
  Time next = std::min(stream.rules.next_deadline(), stream.timeline.next_deadline());
  if (stream.ended) return next;
  if (stream.leaving) next = std::min(next, stream.last_packet + kLinger);
  return std::min(next, gap_deadline(stream));
}

/** After whatever may have changed the deadline of a stream. Frames in order change nothing. */
void Reorderer::note_deadline(ReorderStream &stream) {
  const bool open = !stream.ended && streams_.contains({stream.session, stream.ssrc});
  const Time next = open ? deadline_of(stream) : kNever;
  if (next == stream.deadline) return;
  if (stream.deadline != kNever) deadlines_.erase({stream.deadline, &stream});
  if (next != kNever) deadlines_.emplace(next, &stream);
  stream.deadline = next;
}

Time Reorderer::next_deadline() const {
  return deadlines_.empty() ? kNever : deadlines_.begin()->first;
}

void Reorderer::advance(Time now) {
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    ReorderStream &stream = *deadlines_.begin()->second;
    stream.rules.advance(now, actions_);
    sort_actions(stream, now);
    pump(stream, now, false);
    if (gap_deadline(stream) <= now) tell_silence(stream, now);
    if (stream.leaving && stream.last_packet + kLinger <= now) {
      end_stream(stream);
    } else {
      note_deadline(stream);
    }
  }
}

/** Called with the lock held, whenever the next deadline may have changed. */
void Reorderer::reschedule() {
  const Time next = stop_ ? Time::min() : next_deadline();
  if (waiting_on_ && next != waiting_until_) gst_clock_id_unschedule(waiting_on_);
  // Not for every packet: most leave the timer with nothing to wait for.
  if (idle_ && next != kNever) {
    idle_ = false;
    wake_.notify_all();
  }
}

void Reorderer::timer_loop() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    const Time next = next_deadline();
    if (next == kNever || !clock_ || !shift_ || flushing_) {
      idle_ = true;
      wake_.wait(lock);
      idle_ = false;
      continue;
    }
    // Rounded up, so that the time has come when the clock says so.
    const Time until =
        std::max(Time{}, next - *shift_ + Time{static_cast<std::int64_t>(base_time_)});
    waiting_until_ = next;
    waiting_on_ =
        gst_clock_new_single_shot_id(clock_.get(), static_cast<GstClockTime>(until.count()));
    GstClockID id = waiting_on_;
    lock.unlock();
    const GstClockReturn result = gst_clock_id_wait(id, nullptr);
    lock.lock();
    waiting_on_ = nullptr;
    gst_clock_id_unref(id);
    if (stop_ || flushing_) continue;
    if (result != GST_CLOCK_OK && result != GST_CLOCK_EARLY) continue;
    advance(std::max(now(), next));
    deliver_fed(lock);
    lock.lock();
  }
}

}  // namespace dv
