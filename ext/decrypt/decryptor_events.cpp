// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>

#include "ext/decrypt/decryptor.hpp"
#include "gst/glue/key_event.hpp"
#include "gst/glue/source_info.hpp"

namespace dv {

void Decryptor::emit_event(GstEvent *event) {
  put({OutputItem::Kind::event, nullptr, Ref<GstEvent>(event)});
  if (in_process()) {
    const GstFlowReturn flow = push_ready();
    if (flow != GST_FLOW_OK) flow_ = flow;
  }
}

void Decryptor::emit_after_barrier(GstEvent *event, bool drain, SessionId session, Ssrc ssrc) {
  if (!engine_) {
    emit_event(event);
    return;
  }
  const std::uint64_t id = next_barrier_++;
  {
    std::lock_guard lock(barriers_mutex_);
    barriers_.emplace(id, event);
  }
  apply_keys();
  if (drain) {
    engine_->drain(id);
  } else {
    engine_->forget(session, ssrc, id);
  }
  if (in_process()) {
    note_wakeup();
    const GstFlowReturn flow = push_ready();
    if (flow != GST_FLOW_OK) flow_ = flow;
  }
}

void Decryptor::drain_and_wait() {
  const std::uint64_t id = next_barrier_++;
  {
    std::lock_guard lock(barriers_mutex_);
    barriers_.emplace(id, nullptr);
  }
  apply_keys();
  engine_->drain(id);
  if (in_process()) {
    push_ready();
    return;
  }
  std::unique_lock lock(barriers_mutex_);
  barriers_changed_.wait(lock, [&] { return stopping_ || barriers_.count(id) == 0; });
}

gboolean Decryptor::sink_event(GstEvent *event) {
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_CAPS: {
      gst_event_unref(event);
      return negotiate();
    }
    case GST_EVENT_SEGMENT: {
      if (engine_) drain_and_wait();
      gst_event_copy_segment(event, &segment_);
      // Behind us time stamps are running times: of any segment, the same moment.
      GstSegment plain;
      gst_segment_init(&plain, GST_FORMAT_TIME);
      GstEvent *ours = gst_event_new_segment(&plain);
      gst_event_set_seqnum(ours, gst_event_get_seqnum(event));
      gst_event_unref(event);
      emit_event(ours);
      return TRUE;
    }
    case GST_EVENT_EOS:
      emit_after_barrier(event, true, 0, 0);
      return TRUE;
    case GST_EVENT_FLUSH_START:
      flush_start(event);
      return TRUE;
    case GST_EVENT_FLUSH_STOP:
      flush_stop(event);
      return TRUE;
    default:
      if (handle_custom(event)) return TRUE;
      if (!GST_EVENT_IS_SERIALIZED(event)) return gst_pad_push_event(src_, event);
      emit_event(event);
      return TRUE;
  }
}

bool Decryptor::handle_custom(GstEvent *event) {
  if (auto store = key_store_from_event(event)) {
    gst_event_unref(event);  // who needs the keys has them now
    if (store != store_) set_key_store(std::move(store));
    return true;
  }
  if (const auto info = source_info_from_event(event); info && !info->present) {
    emit_after_barrier(event, false, info->session, info->ssrc);
    return true;
  }
  return false;
}

void Decryptor::flush_start(GstEvent *event) {
  {
    std::lock_guard lock(barriers_mutex_);
    stopping_ = true;
  }
  barriers_changed_.notify_all();
  interrupt(true);
  output_.set_flushing(true);
  gst_pad_push_event(src_, event);
  gst_pad_pause_task(src_);
}

void Decryptor::flush_stop(GstEvent *event) {
  // With workers the task may still hold what it took before; it is between two rounds once its
  // lock is free. In process it works under the lock that we are called with.
  if (!in_process()) GST_PAD_STREAM_LOCK(src_);
  if (engine_) {
    engine_->flush();
    engine_->interrupt(false);
  }
  ready_.clear();
  const std::vector<OutputItem> dropped = output_.take();
  output_.clear();
  {
    std::lock_guard lock(barriers_mutex_);
    barriers_.clear();
    stopping_ = false;
  }
  flow_ = GST_FLOW_OK;
  wakeup_ = kNever.count();
  gst_segment_init(&segment_, GST_FORMAT_TIME);
  output_.set_flushing(false);
  if (!in_process()) GST_PAD_STREAM_UNLOCK(src_);
  gst_pad_push_event(src_, event);
  renew_sticky(dropped);
  start_task();
}

// What the task had not yet pushed, or pushed in vain while the pad was flushing, and what must
// outlive a flush.
void Decryptor::renew_sticky(const std::vector<OutputItem> &dropped) {
  std::vector<GstEvent *> kept;
  for (const OutputItem &item : dropped) {
    GstEvent *event = item.event.get();
    if (event == nullptr || !GST_EVENT_IS_STICKY(event)) continue;
    if (GST_EVENT_TYPE(event) == GST_EVENT_SEGMENT || GST_EVENT_TYPE(event) == GST_EVENT_EOS) {
      continue;
    }
    kept.push_back(event);
  }
  const auto missing = [&](GstEventType type) {
    const Ref<GstEvent> present(gst_pad_get_sticky_event(src_, type, 0));
    return !present && std::none_of(kept.begin(), kept.end(),
                                    [&](GstEvent *e) { return GST_EVENT_TYPE(e) == type; });
  };
  if (missing(GST_EVENT_STREAM_START)) {
    Ref<GstEvent> start(gst_pad_get_sticky_event(sink_, GST_EVENT_STREAM_START, 0));
    if (start) emit_event(start.release());
  }
  if (caps_ && missing(GST_EVENT_CAPS)) emit_event(gst_event_new_caps(caps_.get()));
  for (GstEvent *event : kept) emit_event(gst_event_ref(event));
}

gboolean Decryptor::start_task() {
  const auto run = [](gpointer self) {
    auto *d = static_cast<Decryptor *>(self);
    if (!d->loop()) gst_pad_pause_task(d->src_);
  };
  return gst_pad_start_task(src_, run, this, nullptr);
}

}  // namespace dv
