// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/decrypt/decryptor.hpp"

#include <utility>

#include "gst/glue/frame_meta.hpp"

namespace dv {
namespace {

Ref<GstBuffer> make_buffer(const FrameOut &frame) {
  GstBuffer *buffer = gst_buffer_new_memdup(frame.data.data(), frame.data.size());
  GST_BUFFER_PTS(buffer) = static_cast<GstClockTime>(frame.arrival);
  if (frame.kind != FrameKind::rtcp) {
    if (frame.samples != 0) {
      GST_BUFFER_DURATION(buffer) = gst_util_uint64_scale_int(frame.samples, GST_SECOND, 48000);
    }
    DvRtpFrameMeta *meta = dv_buffer_add_rtp_frame_meta(buffer);
    meta->ssrc = frame.ssrc;
    meta->session = frame.session;
    meta->user_id = frame.user;
    meta->extended_seq = frame.extended_seq;
    meta->rtp_time = frame.rtp_time;
    meta->samples = frame.samples;
    meta->arrival = static_cast<GstClockTime>(frame.arrival);
    meta->flags = frame.flags;
  }
  return Ref<GstBuffer>(buffer);
}

}  // namespace

void Decryptor::put(OutputItem item) {
  if (in_process()) {
    ready_.push_back(std::move(item));
    return;
  }
  const bool in_portion = item.kind != OutputItem::Kind::event;
  output_.put(std::move(item));
  if (!in_portion) output_.wake();
}

void Decryptor::frame(const FrameOut &frame) {
  const bool rtcp = frame.kind == FrameKind::rtcp;
  if (!rtcp) {
    std::lock_guard lock(stats_mutex_);
    if (frame.user != 0) book_.user(frame.session, frame.ssrc, frame.user);
    if (told_store_ && (frame.flags & kFrameConcealed) == 0) told_store_->progress().opened();
  }
  put({rtcp ? OutputItem::Kind::rtcp : OutputItem::Kind::frame, make_buffer(frame), nullptr});
}

/**
 * Only what disproves the session's keys; what proves them is a frame of audio. RTCP, padding and
 * duplicates open without the end-to-end keys.
 */
static void tell_progress(OpenProgress &progress, Verdict verdict) {
  switch (verdict) {
    case Verdict::no_dave_key:
    case Verdict::dave_not_encrypted:
    case Verdict::dave_auth:
    case Verdict::dave_generation:
      progress.failed();
      break;
    default:
      break;
  }
}

void Decryptor::verdict(SessionId session, Ssrc ssrc, std::uint64_t tag, Verdict verdict) {
  std::lock_guard lock(stats_mutex_);
  // Came before it was known whose it is, and was never bound.
  if (verdict == Verdict::unknown_user && filter_.refused(session, ssrc) != 0) {
    verdict = Verdict::filtered;
  }
  book_.verdict(tag, verdict);
  if (told_store_) tell_progress(told_store_->progress(), verdict);
}

void Decryptor::lost(SessionId session, Ssrc ssrc, std::uint64_t, std::uint64_t count,
                     std::uint64_t concealed) {
  std::lock_guard lock(stats_mutex_);
  book_.lost(session, ssrc, count, concealed);
}

void Decryptor::barrier(std::uint64_t id) {
  Ref<GstEvent> event;
  {
    std::lock_guard lock(barriers_mutex_);
    const auto it = barriers_.find(id);
    if (it == barriers_.end()) return;
    event = std::move(it->second);
    barriers_.erase(it);
  }
  barriers_changed_.notify_all();
  if (event) put({OutputItem::Kind::event, nullptr, std::move(event)});
}

void Decryptor::failed(const std::string &reason) {
  {
    std::lock_guard lock(stats_mutex_);
    failure_ = reason;
  }
  flow_ = GST_FLOW_ERROR;
  output_.wake();
}

void Decryptor::notice(const WorkerNotice &notice) {
  {
    std::lock_guard lock(stats_mutex_);
    if (notice.kind == WorkerNotice::Kind::started) {
      ++workers_started_;
      confinement_ = notice.detail;
    }
    restarts_ += notice.kind == WorkerNotice::Kind::restarted;
    if (notices_.size() < 64) notices_.push_back(notice);
  }
  output_.wake();
}

bool Decryptor::post_failure() {
  std::string reason;
  {
    std::lock_guard lock(stats_mutex_);
    if (failure_.empty()) return false;
    if (failure_posted_) return true;
    failure_posted_ = true;
    reason = failure_;
  }
  GST_ELEMENT_ERROR(element_, RESOURCE, FAILED, ("%s", reason.c_str()), (nullptr));
  return true;
}

void Decryptor::post_notices() {
  std::vector<WorkerNotice> notices;
  {
    std::lock_guard lock(stats_mutex_);
    notices.swap(notices_);
  }
  for (const WorkerNotice &n : notices) {
    if (n.kind == WorkerNotice::Kind::log) {
      GST_WARNING_OBJECT(element_, "worker %" G_GINT64_FORMAT ": %s", n.pid, n.detail.c_str());
      continue;
    }
    if (n.kind == WorkerNotice::Kind::overload) {
      GstMessage *qos =
          gst_message_new_qos(GST_OBJECT(element_), live_, GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE,
                              GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE);
      gst_element_post_message(element_, qos);
      continue;
    }
    const char *name = n.kind == WorkerNotice::Kind::started     ? "discorddecrypt-worker-started"
                       : n.kind == WorkerNotice::Kind::restarted ? "discorddecrypt-worker-restarted"
                                                                 : "discorddecrypt-worker-ended";
    GstStructure *s = gst_structure_new(name, "pid", G_TYPE_INT64, n.pid, "detail", G_TYPE_STRING,
                                        n.detail.c_str(), nullptr);
    gst_element_post_message(element_, gst_message_new_element(GST_OBJECT(element_), s));
  }
}

GstFlowReturn Decryptor::push_ready() {
  GstFlowReturn flow = flow_;
  auto items = in_process() ? std::exchange(ready_, {}) : output_.take();
  std::vector<Ref<GstBuffer>> frames;
  for (OutputItem &item : items) {
    if (item.kind == OutputItem::Kind::frame) {
      frames.push_back(std::move(item.buffer));
      continue;
    }
    push_frames(frames, flow);
    push_item(item, flow);
  }
  push_frames(frames, flow);
  return flow;
}

void Decryptor::push_frames(std::vector<Ref<GstBuffer>> &frames, GstFlowReturn &flow) {
  if (frames.empty()) return;
  if (flow != GST_FLOW_OK) {
    frames.clear();
    return;
  }
  if (frames.size() == 1) {
    flow = gst_pad_push(src_, frames.front().release());
  } else {
    GstBufferList *list = gst_buffer_list_new_sized(static_cast<guint>(frames.size()));
    for (auto &frame : frames) gst_buffer_list_add(list, frame.release());
    flow = gst_pad_push_list(src_, list);
  }
  frames.clear();
}

void Decryptor::push_item(OutputItem &item, GstFlowReturn &) {
  if (item.kind == OutputItem::Kind::rtcp) {
    push_rtcp(std::move(item.buffer));
    return;
  }
  if (GST_EVENT_TYPE(item.event.get()) == GST_EVENT_EOS) {
    Ref<GstPad> rtcp;
    {
      std::lock_guard lock(rtcp_mutex_);
      if (rtcp_pad_ && rtcp_started_) rtcp.reset(GST_PAD(gst_object_ref(rtcp_pad_.get())));
    }
    if (rtcp) gst_pad_push_event(rtcp.get(), gst_event_ref(item.event.get()));
  }
  gst_pad_push_event(src_, item.event.release());
}

void Decryptor::set_rtcp_pad(GstPad *pad) {
  std::lock_guard lock(rtcp_mutex_);
  rtcp_pad_.reset(pad != nullptr ? GST_PAD(gst_object_ref(pad)) : nullptr);
  rtcp_started_ = false;
}

void Decryptor::push_rtcp(Ref<GstBuffer> buffer) {
  Ref<GstPad> pad;
  bool start = false;
  {
    std::lock_guard lock(rtcp_mutex_);
    if (!rtcp_pad_) return;
    pad.reset(GST_PAD(gst_object_ref(rtcp_pad_.get())));
    start = !std::exchange(rtcp_started_, true);
  }
  if (start) start_rtcp_stream(pad.get());
  // A branch for RTCP is a side line: whatever becomes of it, the audio goes on.
  const GstFlowReturn flow = gst_pad_push(pad.get(), buffer.release());
  GST_LOG_OBJECT(pad.get(), "rtcp: %s", gst_flow_get_name(flow));
}

void Decryptor::start_rtcp_stream(GstPad *pad) {
  Ref<gchar> id(gst_pad_create_stream_id(pad, element_, "rtcp"));
  GstEvent *start = gst_event_new_stream_start(id.get());
  Ref<GstEvent> ours(gst_pad_get_sticky_event(src_, GST_EVENT_STREAM_START, 0));
  guint group = 0;
  if (ours && gst_event_parse_group_id(ours.get(), &group)) gst_event_set_group_id(start, group);
  gst_pad_push_event(pad, start);
  Ref<GstCaps> caps(gst_caps_new_empty_simple("application/x-rtcp"));
  gst_pad_push_event(pad, gst_event_new_caps(caps.get()));
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  gst_pad_push_event(pad, gst_event_new_segment(&segment));
}

}  // namespace dv
