// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/filesink/collector.hpp"

#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "gst/filesink/frame_intake.hpp"

GST_DEBUG_CATEGORY_EXTERN(discordfilesink_debug);
#define GST_CAT_DEFAULT discordfilesink_debug

namespace {

GstStaticPadTemplate track_template =
    GST_STATIC_PAD_TEMPLATE("sink_%u", GST_PAD_SINK, GST_PAD_REQUEST, GST_STATIC_CAPS_ANY);

struct State {
  std::mutex mutex;  // all of it; never held over a push, a message or a call into the recording
  std::shared_ptr<dv::Recording> recording;
  std::set<GstPad *> running;  // pads that have not ended
  bool upstream_eos = false;
  guint32 seqnum = 0;
};

}  // namespace

struct _DvTrackCollector {
  GstElement parent_instance;
  State *state;
};

G_DEFINE_FINAL_TYPE(DvTrackCollector, dv_track_collector, GST_TYPE_ELEMENT)

namespace {

dv::FrameIntake *intake_of(GstPad *pad) {
  return static_cast<dv::FrameIntake *>(gst_pad_get_element_private(pad));
}

GstFlowReturn collector_chain(GstPad *pad, GstObject *parent, GstBuffer *raw) {
  dv::Ref<GstBuffer> buffer(raw);
  auto recording = dv_track_collector_recording(DV_TRACK_COLLECTOR(parent));
  if (!recording) return GST_FLOW_FLUSHING;
  return dv::guarded(parent, GST_FLOW_ERROR, [&] {
    return intake_of(pad)->push(*recording, std::move(buffer)) ? GST_FLOW_OK : GST_FLOW_ERROR;
  });
}

/** Ends the recording once nothing more can come. */
void check_ended(DvTrackCollector *self) {
  std::shared_ptr<dv::Recording> recording;
  {
    std::lock_guard lock(self->state->mutex);
    if (!self->state->upstream_eos || !self->state->running.empty()) return;
    recording = self->state->recording;
  }
  if (recording) recording->finish("eos");
}

void set_running(DvTrackCollector *self, GstPad *pad, bool running) {
  std::lock_guard lock(self->state->mutex);
  if (running) {
    self->state->running.insert(pad);
  } else {
    self->state->running.erase(pad);
  }
}

gboolean collector_event(GstPad *pad, GstObject *parent, GstEvent *raw) {
  dv::Ref<GstEvent> event(raw);
  auto self = DV_TRACK_COLLECTOR(parent);
  auto recording = dv_track_collector_recording(self);
  dv::FrameIntake *intake = intake_of(pad);
  switch (GST_EVENT_TYPE(raw)) {
    case GST_EVENT_CAPS: {
      GstCaps *caps = nullptr;
      gst_event_parse_caps(raw, &caps);
      return intake->set_caps(caps);
    }
    case GST_EVENT_SEGMENT: {
      const GstSegment *segment = nullptr;
      gst_event_parse_segment(raw, &segment);
      intake->set_segment(*segment);
      return TRUE;
    }
    case GST_EVENT_GAP:
      if (auto end = intake->gap_end(raw); end && recording) recording->advance(*end);
      return TRUE;
    case GST_EVENT_FLUSH_STOP:
      set_running(self, pad, true);
      return TRUE;
    case GST_EVENT_EOS:
      if (recording) intake->end(*recording);
      set_running(self, pad, false);
      check_ended(self);
      return TRUE;
    default:
      return TRUE;
  }
}

gboolean collector_query(GstPad *pad, GstObject *parent, GstQuery *query) {
  if (GST_QUERY_TYPE(query) == GST_QUERY_ACCEPT_CAPS) {
    GstCaps *caps = nullptr;
    gst_query_parse_accept_caps(query, &caps);
    gst_query_set_accept_caps_result(query, dv::FrameIntake(0).set_caps(caps));
    return TRUE;
  }
  return gst_pad_query_default(pad, parent, query);
}

void free_intake(gpointer intake) { delete static_cast<dv::FrameIntake *>(intake); }

void dv_track_collector_finalize(GObject *object) {
  delete DV_TRACK_COLLECTOR(object)->state;
  G_OBJECT_CLASS(dv_track_collector_parent_class)->finalize(object);
}

}  // namespace

static void dv_track_collector_init(DvTrackCollector *self) {
  self->state = new State;
  GST_OBJECT_FLAG_SET(self, GST_ELEMENT_FLAG_SINK);
}

static void dv_track_collector_class_init(DvTrackCollectorClass *klass) {
  G_OBJECT_CLASS(klass)->finalize = dv_track_collector_finalize;
  auto element = GST_ELEMENT_CLASS(klass);
  gst_element_class_add_static_pad_template(element, &track_template);
  gst_element_class_set_static_metadata(element, "Track collector", "Sink/File/Audio",
                                        "Frames of many SSRCs into the tracks of one recording",
                                        "gst-discord-voice");
}

GstElement *dv_track_collector_new() {
  return GST_ELEMENT(g_object_new(DV_TYPE_TRACK_COLLECTOR, "name", "collector", nullptr));
}

void dv_track_collector_set_recording(DvTrackCollector *self,
                                      std::shared_ptr<dv::Recording> recording) {
  {
    std::lock_guard lock(self->state->mutex);
    self->state->recording.swap(recording);
    self->state->upstream_eos = false;
  }
  // What was there before ends here, outside the lock.
}

std::shared_ptr<dv::Recording> dv_track_collector_recording(DvTrackCollector *self) {
  std::lock_guard lock(self->state->mutex);
  return self->state->recording;
}

GstPad *dv_track_collector_add_pad(DvTrackCollector *self, guint32 ssrc, bool decoded) {
  GstPadTemplate *templ = gst_static_pad_template_get(&track_template);
  GstPad *pad = gst_pad_new_from_template(templ, nullptr);
  gst_object_unref(templ);
  auto *intake = new dv::FrameIntake(ssrc, decoded);
  gst_pad_set_element_private(pad, intake);
  g_object_set_data_full(G_OBJECT(pad), "dv-intake", intake, free_intake);
  gst_pad_set_chain_function(pad, GST_DEBUG_FUNCPTR(collector_chain));
  gst_pad_set_event_function(pad, GST_DEBUG_FUNCPTR(collector_event));
  gst_pad_set_query_function(pad, GST_DEBUG_FUNCPTR(collector_query));
  set_running(self, pad, true);
  gst_pad_set_active(pad, TRUE);
  gst_element_add_pad(GST_ELEMENT(self), pad);
  return pad;
}

void dv_track_collector_remove_pad(DvTrackCollector *self, GstPad *pad) {
  if (auto recording = dv_track_collector_recording(self)) intake_of(pad)->end(*recording);
  set_running(self, pad, false);
  gst_pad_set_active(pad, FALSE);
  gst_element_remove_pad(GST_ELEMENT(self), pad);
  check_ended(self);
}

void dv_track_collector_identify(GstPad *pad, guint64 user, guint32 session) {
  intake_of(pad)->identify(user, session);
}

void dv_track_collector_source_info(DvTrackCollector *self, const dv::SourceInfo &info) {
  auto recording = dv_track_collector_recording(self);
  if (!recording) return;
  const guint64 user = g_ascii_strtoull(info.cname.c_str(), nullptr, 10);
  recording->set_name(user, info.name);
  recording->set_present({user, info.session, info.ssrc}, info.present);
}

void dv_track_collector_upstream_eos(DvTrackCollector *self, guint32 seqnum) {
  {
    std::lock_guard lock(self->state->mutex);
    self->state->upstream_eos = true;
    self->state->seqnum = seqnum;
  }
  check_ended(self);
}

void dv_track_collector_post_eos(DvTrackCollector *self) {
  GstMessage *message = gst_message_new_eos(GST_OBJECT(self));
  {
    std::lock_guard lock(self->state->mutex);
    if (self->state->seqnum != 0) gst_message_set_seqnum(message, self->state->seqnum);
  }
  gst_element_post_message(GST_ELEMENT(self), message);
}
