// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * SECTION:element-rtpjitterreorder
 *
 * Splits RTP (or decoded frames that carry the facts of their RTP packets) by SSRC, puts the frames
 * of each in order of their sequence numbers, and stamps them with the running time at which they
 * were spoken. One pad per SSRC, each with a queue and a thread of its own (#pad-threads).
 *
 * In-order frames are handed on at once; a hole in the numbers stays open for #latency milliseconds
 * on the pipeline's clock, then it is declared lost by a `GstRTPPacketLost` event and a GAP event.
 * The rules are in docs/sequence-rules.md, the placing in time is in docs/timeline.md.
 *
 * A live branch that does not keep up loses its oldest frames (#max-size-buffers), without a live
 * source it slows everything down instead. An error of one branch stays with that branch until all
 * fail.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 udpsrc port=5004
 * caps="application/x-rtp,media=audio,clock-rate=48000,encoding-name=OPUS" ! rtpjitterreorder
 * name=r r. ! rtpopusdepay ! opusdec ! autoaudiosink
 * ]| Plays the first speaker who turns up.
 * |[
 * gst-launch-1.0 -e discordvoicesrc guild-id=1 channel-id=2 ! discorddecrypt ! rtpjitterreorder
 * name=r r. ! audioconvert ! wavenc ! filesink location=first.wav
 * ]| Records the first speaker of a channel.
 *
 * Since: 0.1
 */
#include "gst/reorder/gstrtpjitterreorder.hpp"

#include <utility>
#include <vector>

#include "gst/glue/frame_meta.hpp"
#include "gst/reorder/gstreorderpad.hpp"
#include "gst/reorder/reorderer.hpp"

GST_DEBUG_CATEGORY_STATIC(rtp_jitter_reorder_debug);
#define GST_CAT_DEFAULT rtp_jitter_reorder_debug

using dv::ReorderSettings;
using dv::ReorderStream;
using dv::StreamRef;

namespace {

enum {
  PROP_0,
  PROP_RULES,
  PROP_LATENCY,
  PROP_MAX_DROPOUT,
  PROP_MAX_MISORDER,
  PROP_HOLD_FIRST,
  PROP_MAX_SIZE_BUFFERS,
  PROP_GAP_INTERVAL,
  PROP_PAD_THREADS,
  PROP_STATS,
  N_PROPS
};
GParamSpec *props[N_PROPS];

GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE(
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS,
    GST_STATIC_CAPS("application/x-rtp; audio/x-raw(" DV_CAPS_FEATURE_META_RTP_FRAME ")"));
GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE(
    "src_%u", GST_PAD_SRC, GST_PAD_SOMETIMES, GST_STATIC_CAPS("application/x-rtp; audio/x-raw"));

}  // namespace

struct _GstRtpJitterReorder {
  GstElement parent_instance;
  GstPad *sinkpad;
  ReorderSettings *settings;  // under OBJECT_LOCK; a copy is taken in READY->PAUSED
  dv::Reorderer *core;        // own lock
  // Streaming thread only.
  guint group_id;
  gboolean asked_live;
};

G_DEFINE_FINAL_TYPE(GstRtpJitterReorder, dv_rtp_jitter_reorder, GST_TYPE_ELEMENT)
GST_ELEMENT_REGISTER_DEFINE_WITH_CODE(rtpjitterreorder, "rtpjitterreorder", GST_RANK_NONE,
                                      DV_TYPE_RTP_JITTER_REORDER,
                                      GST_DEBUG_CATEGORY_INIT(rtp_jitter_reorder_debug,
                                                              "rtpjitterreorder", 0,
                                                              "RTP order and time per SSRC"));

static GType rules_get_type() {
  static const GEnumValue values[] = {
      {static_cast<gint>(dv::SequenceRuleSet::patient), "Each hole waits for its own time",
       "patient"},
      {static_cast<gint>(dv::SequenceRuleSet::seed), "The rules as first published", "seed"},
      {0, nullptr, nullptr}};
  static const GType type = g_enum_register_static("DvRtpJitterReorderRules", values);
  return type;
}

// --- properties ---

static void dv_rtp_jitter_reorder_set_property(GObject *object, guint id, const GValue *value,
                                               GParamSpec *pspec) {
  auto self = DV_RTP_JITTER_REORDER(object);
  gint64 latency = -1;
  {
    dv::ObjectLock lock(self);
    ReorderSettings &s = *self->settings;
    switch (id) {
      case PROP_RULES:
        s.rules = static_cast<dv::SequenceRuleSet>(g_value_get_enum(value));
        break;
      case PROP_LATENCY:
        latency = s.latency_ms = g_value_get_uint(value);
        break;
      case PROP_MAX_DROPOUT:
        s.max_dropout = g_value_get_uint(value);
        break;
      case PROP_MAX_MISORDER:
        s.max_misorder = g_value_get_uint(value);
        break;
      case PROP_HOLD_FIRST:
        s.hold_first = g_value_get_boolean(value);
        break;
      case PROP_MAX_SIZE_BUFFERS:
        s.max_size_buffers = g_value_get_uint(value);
        break;
      case PROP_GAP_INTERVAL:
        s.gap_interval_ms = g_value_get_uint(value);
        break;
      case PROP_PAD_THREADS:
        s.pad_threads = g_value_get_boolean(value);
        break;
      default:
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
    }
  }
  if (latency < 0) return;
  self->core->set_latency(static_cast<std::uint32_t>(latency));
  gst_element_post_message(GST_ELEMENT(self), gst_message_new_latency(GST_OBJECT(self)));
}

static void dv_rtp_jitter_reorder_get_property(GObject *object, guint id, GValue *value,
                                               GParamSpec *pspec) {
  auto self = DV_RTP_JITTER_REORDER(object);
  if (id == PROP_STATS) return g_value_take_boxed(value, self->core->stats());
  dv::ObjectLock lock(self);
  const ReorderSettings &s = *self->settings;
  switch (id) {
    case PROP_RULES:
      g_value_set_enum(value, static_cast<gint>(s.rules));
      break;
    case PROP_LATENCY:
      g_value_set_uint(value, s.latency_ms);
      break;
    case PROP_MAX_DROPOUT:
      g_value_set_uint(value, s.max_dropout);
      break;
    case PROP_MAX_MISORDER:
      g_value_set_uint(value, s.max_misorder);
      break;
    case PROP_HOLD_FIRST:
      g_value_set_boolean(value, s.hold_first);
      break;
    case PROP_MAX_SIZE_BUFFERS:
      g_value_set_uint(value, s.max_size_buffers);
      break;
    case PROP_GAP_INTERVAL:
      g_value_set_uint(value, s.gap_interval_ms);
      break;
    case PROP_PAD_THREADS:
      g_value_set_boolean(value, s.pad_threads);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
  }
}

// --- source pads ---

static void remove_pad(GstRtpJitterReorder *self, GstPad *pad) {
  auto stream = dv::reorder_pad_stream(pad);
  if (stream->removed.exchange(true)) return;
  GST_DEBUG_OBJECT(pad, "removing");
  stream->queue.set_flushing(true);
  gst_pad_set_active(pad, FALSE);
  gst_pad_stop_task(pad);
  gst_element_remove_pad(GST_ELEMENT(self), pad);
  self->core->forget_pad(*stream);
}

static void remove_later(GstElement *element, gpointer data) {
  // A pad can not be removed from its own task: stopping a task joins it.
  remove_pad(DV_RTP_JITTER_REORDER(element), GST_PAD(data));
}

static void take_flow(GstRtpJitterReorder *self, GstPad *pad, ReorderStream *stream,
                      GstFlowReturn flow) {
  if (flow == GST_FLOW_OK) {
    ++stream->pushed;
    stream->flow = flow;
    return;
  }
  ++stream->unlinked;
  if (flow == GST_FLOW_NOT_LINKED) stream->negotiated = false;
  if (stream->flow.exchange(flow) == flow) return;
  GST_DEBUG_OBJECT(pad, "branch says %s", gst_flow_get_name(flow));
  // Whoever says ERROR has posted one; a failed negotiation is nobody's but ours to tell.
  if (flow < GST_FLOW_EOS && flow != GST_FLOW_ERROR) GST_ELEMENT_FLOW_ERROR(self, flow);
}

/** False after EOS. */
static bool push_item(GstPad *pad, dv::PadItem item) {
  auto stream = dv::reorder_pad_stream(pad);
  GstElement *parent = gst_pad_get_parent_element(pad);
  if (!parent) return true;
  dv::Ref<GstElement> element(parent);
  auto self = DV_RTP_JITTER_REORDER(parent);
  if (GST_IS_BUFFER(item.get())) {
    if (!stream->negotiated && gst_pad_is_linked(pad)) {
      stream->negotiated = true;
      dv::reorder_pad_complete_caps(pad);
    }
    take_flow(self, pad, stream, gst_pad_push(pad, GST_BUFFER_CAST(item.release())));
    return true;
  }
  const bool eos = GST_EVENT_TYPE(item.get()) == GST_EVENT_EOS;
  if (GST_EVENT_TYPE(item.get()) == GST_EVENT_CAPS) stream->negotiated = false;
  gst_pad_push_event(pad, GST_EVENT_CAST(item.release()));
  if (eos && self->core->may_remove(*stream)) {
    gst_element_call_async(parent, remove_later, gst_object_ref(pad), gst_object_unref);
  }
  return !eos;
}

static void src_loop(gpointer data) {
  auto pad = GST_PAD(data);
  dv::PadItem item = dv::reorder_pad_stream(pad)->queue.pop();
  if (!item || !push_item(pad, std::move(item))) gst_pad_pause_task(pad);
}

static void deliver(GstPad *pad) {
  auto stream = dv::reorder_pad_stream(pad);
  while (stream->queue.ready()) {
    if (stream->delivering.exchange(true)) return;  // whoever is at it takes this, too
    while (dv::PadItem item = stream->queue.try_pop()) push_item(pad, std::move(item));
    stream->delivering = false;
  }
}

/** Lets what waits in the queue of an active pad go. */
static void start_pad(GstRtpJitterReorder *self, GstPad *pad) {
  if (self->core->pad_threads()) {
    gst_pad_start_task(pad, src_loop, pad, nullptr);
  } else {
    deliver(pad);
  }
}

static gboolean src_activate_mode(GstPad *pad, GstObject *parent, GstPadMode mode,
                                  gboolean active) {
  if (mode != GST_PAD_MODE_PUSH) return FALSE;
  auto stream = dv::reorder_pad_stream(pad);
  if (active) {
    // Not before everybody knows the pad: what it pushes until then would go nowhere.
    const bool task = stream->announced && DV_RTP_JITTER_REORDER(parent)->core->pad_threads();
    return !task || gst_pad_start_task(pad, src_loop, pad, nullptr);
  }
  stream->queue.set_flushing(true);
  return gst_pad_stop_task(pad);
}

static gboolean answer_latency(GstRtpJitterReorder *self, GstQuery *query) {
  if (!gst_pad_peer_query(self->sinkpad, query)) return FALSE;
  gboolean live = FALSE;
  GstClockTime least = 0, most = GST_CLOCK_TIME_NONE, own = 0;
  gst_query_parse_latency(query, &live, &least, &most);
  {
    dv::ObjectLock lock(self);
    own = self->settings->latency_ms * GST_MSECOND;
  }
  // Decoded frames were put in order by who told his latency for it: nothing waits twice.
  if (self->core->raw()) own -= MIN(own, least);
  if (GST_CLOCK_TIME_IS_VALID(most)) most += own;
  gst_query_set_latency(query, live, least + own, most);
  return TRUE;
}

static gboolean src_query(GstPad *pad, GstObject *parent, GstQuery *query) {
  if (GST_QUERY_TYPE(query) == GST_QUERY_LATENCY) {
    return answer_latency(DV_RTP_JITTER_REORDER(parent), query);
  }
  return gst_pad_query_default(pad, parent, query);
}

static dv::Ref<gchar> free_pad_name(GstRtpJitterReorder *self, guint ssrc) {
  dv::Ref<gchar> name(g_strdup_printf("src_%u", ssrc));
  for (guint n = 1;; ++n) {
    dv::Ref<GstPad> taken(gst_element_get_static_pad(GST_ELEMENT(self), name.get()));
    if (!taken) return name;
    // The pad of the SSRC's last owner is still on its way out.
    name.reset(g_strdup_printf("src_%u_%u", ssrc, n));
  }
}

static void open_pad(GstRtpJitterReorder *self, const StreamRef &stream) {
  GstPadTemplate *templ = gst_element_get_pad_template(GST_ELEMENT(self), "src_%u");
  GstPad *pad = dv::reorder_pad_new(templ, free_pad_name(self, stream->ssrc).get(), stream);
  dv::Ref<GstPad> keep(GST_PAD(gst_object_ref_sink(pad)));
  gst_pad_set_activatemode_function(pad, src_activate_mode);
  gst_pad_set_query_function(pad, src_query);
  gst_pad_use_fixed_caps(pad);
  gst_pad_set_active(pad, TRUE);
  dv::reorder_pad_begin(pad, GST_ELEMENT(self), self->group_id, self->core->caps_for(*stream),
                        self->core->tags_for(*stream));
  GST_INFO_OBJECT(self, "new stream, ssrc %08x", stream->ssrc);
  gst_element_add_pad(GST_ELEMENT(self), pad);
  self->core->remember_pad(*stream, pad);
  stream->announced = true;
  if (GST_PAD_IS_ACTIVE(pad)) start_pad(self, pad);
}

// --- sink pad ---

static std::vector<dv::Ref<GstPad>> src_pads(GstRtpJitterReorder *self) {
  std::vector<dv::Ref<GstPad>> pads;
  dv::ObjectLock lock(self);
  for (GList *l = GST_ELEMENT(self)->srcpads; l; l = l->next) {
    pads.emplace_back(GST_PAD(gst_object_ref(l->data)));
  }
  return pads;
}

static void ask_live(GstRtpJitterReorder *self) {
  self->asked_live = TRUE;
  dv::Ref<GstQuery> query(gst_query_new_latency());
  gboolean live = FALSE;
  if (gst_pad_peer_query(self->sinkpad, query.get())) {
    gst_query_parse_latency(query.get(), &live, nullptr, nullptr);
  }
  self->core->set_live(live);
}

static GstFlowReturn take_buffers(GstRtpJitterReorder *self,
                                  std::vector<dv::Ref<GstBuffer>> buffers) {
  if (!self->asked_live) ask_live(self);
  const auto result = self->core->receive(std::move(buffers));
  for (const auto &stream : result.opened) open_pad(self, stream);
  if (!self->core->live()) {
    const auto room = self->core->max_size_buffers();
    for (const auto &stream : result.touched) {
      if (room > 0) stream->queue.wait_for_room(room);
    }
  }
  return self->core->flow();
}

static GstFlowReturn sink_chain(GstPad *, GstObject *parent, GstBuffer *raw) {
  auto self = DV_RTP_JITTER_REORDER(parent);
  std::vector<dv::Ref<GstBuffer>> buffers;
  buffers.emplace_back(raw);
  return dv::guarded(self, GST_FLOW_ERROR, [&] { return take_buffers(self, std::move(buffers)); });
}

static GstFlowReturn sink_chain_list(GstPad *, GstObject *parent, GstBufferList *raw) {
  auto self = DV_RTP_JITTER_REORDER(parent);
  dv::Ref<GstBufferList> list(raw);
  std::vector<dv::Ref<GstBuffer>> buffers;
  buffers.reserve(gst_buffer_list_length(raw));
  for (guint i = 0; i < gst_buffer_list_length(raw); ++i) {
    buffers.emplace_back(gst_buffer_ref(gst_buffer_list_get(raw, i)));
  }
  list.reset();
  return dv::guarded(self, GST_FLOW_ERROR, [&] { return take_buffers(self, std::move(buffers)); });
}

static void flush(GstRtpJitterReorder *self, GstEvent *event) {
  const bool start = GST_EVENT_TYPE(event) == GST_EVENT_FLUSH_START;
  if (start) {
    self->core->flush_start();
  } else {
    self->core->flush_stop();
    self->asked_live = FALSE;
  }
  for (const auto &pad : src_pads(self)) {
    auto stream = dv::reorder_pad_stream(pad.get());
    gst_pad_push_event(pad.get(), gst_event_ref(event));
    if (start) {
      gst_pad_pause_task(pad.get());
    } else if (stream->announced && GST_PAD_IS_ACTIVE(pad.get())) {
      start_pad(self, pad.get());
    }
  }
}

/** True if the event was for us; everything else goes to every pad. */
static bool consume_event(GstRtpJitterReorder *self, GstEvent *event) {
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_STREAM_START:
      if (!gst_event_parse_group_id(event, &self->group_id)) {
        self->group_id = gst_util_group_id_next();
      }
      self->asked_live = FALSE;
      return true;
    case GST_EVENT_CAPS: {
      GstCaps *caps = nullptr;
      gst_event_parse_caps(event, &caps);
      self->core->set_caps(caps);
      return true;
    }
    case GST_EVENT_SEGMENT: {
      const GstSegment *segment = nullptr;
      gst_event_parse_segment(event, &segment);
      self->core->set_segment(*segment);
      return true;
    }
    case GST_EVENT_CUSTOM_DOWNSTREAM_STICKY:
      if (auto info = dv::source_info_from_event(event)) self->core->source_info(*info);
      return true;
    case GST_EVENT_EOS:
      self->core->finish();
      gst_element_no_more_pads(GST_ELEMENT(self));
      return true;
    case GST_EVENT_FLUSH_START:
    case GST_EVENT_FLUSH_STOP:
      flush(self, event);
      return true;
    // They speak of the one stream that ends here.
    case GST_EVENT_GAP:
    case GST_EVENT_STREAM_COLLECTION:
    case GST_EVENT_STREAM_GROUP_DONE:
      return true;
    default:
      return false;
  }
}

static gboolean sink_event(GstPad *pad, GstObject *parent, GstEvent *raw) {
  auto self = DV_RTP_JITTER_REORDER(parent);
  dv::Ref<GstEvent> event(raw);
  return dv::guarded(self, FALSE, [&]() -> gboolean {
    if (consume_event(self, event.get())) return TRUE;
    if (!GST_EVENT_IS_SERIALIZED(event.get())) {
      return gst_pad_event_default(pad, parent, event.release());
    }
    self->core->broadcast(event.get());
    return TRUE;
  });
}

// --- life cycle ---

static void clear_ssrc(GstRtpJitterReorder *self, guint ssrc) { self->core->clear_ssrc(ssrc); }

static void stop_streams(GstRtpJitterReorder *self) {
  self->core->stop();
  for (const auto &pad : src_pads(self)) remove_pad(self, pad.get());
}

static GstStateChangeReturn dv_rtp_jitter_reorder_change_state(GstElement *element,
                                                               GstStateChange transition) {
  auto self = DV_RTP_JITTER_REORDER(element);
  if (transition == GST_STATE_CHANGE_NULL_TO_READY) {
    self->core->reset_stats();
  } else if (transition == GST_STATE_CHANGE_READY_TO_PAUSED) {
    ReorderSettings settings;
    {
      dv::ObjectLock lock(self);
      settings = *self->settings;
    }
    self->group_id = gst_util_group_id_next();
    self->asked_live = FALSE;
    self->core->start(settings);
  } else if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) {
    self->core->flush_start();  // wakes a chain that waits for room
  }
  const auto result =
      GST_ELEMENT_CLASS(dv_rtp_jitter_reorder_parent_class)->change_state(element, transition);
  if (result == GST_STATE_CHANGE_FAILURE) return result;
  if (transition == GST_STATE_CHANGE_PAUSED_TO_PLAYING) {
    dv::Ref<GstClock> clock(gst_element_get_clock(element));
    self->core->set_clock(clock.get(), gst_element_get_base_time(element));
  } else if (transition == GST_STATE_CHANGE_PLAYING_TO_PAUSED) {
    self->core->set_clock(nullptr, 0);
  } else if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) {
    stop_streams(self);
  }
  return result;
}

static void dv_rtp_jitter_reorder_finalize(GObject *object) {
  auto self = DV_RTP_JITTER_REORDER(object);
  delete self->core;
  delete self->settings;
  G_OBJECT_CLASS(dv_rtp_jitter_reorder_parent_class)->finalize(object);
}

static void dv_rtp_jitter_reorder_init(GstRtpJitterReorder *self) {
  self->settings = new ReorderSettings;
  self->core = new dv::Reorderer(deliver);
  self->sinkpad = gst_pad_new_from_static_template(&sink_template, "sink");
  gst_pad_set_chain_function(self->sinkpad, GST_DEBUG_FUNCPTR(sink_chain));
  gst_pad_set_chain_list_function(self->sinkpad, GST_DEBUG_FUNCPTR(sink_chain_list));
  gst_pad_set_event_function(self->sinkpad, GST_DEBUG_FUNCPTR(sink_event));
  gst_element_add_pad(GST_ELEMENT(self), self->sinkpad);
}

static void install_properties(GObjectClass *object_class) {
  const ReorderSettings d;
  constexpr auto rw = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS;
  constexpr auto ready = static_cast<GParamFlags>(rw | GST_PARAM_MUTABLE_READY);
  constexpr auto playing = static_cast<GParamFlags>(rw | GST_PARAM_MUTABLE_PLAYING);
  /**
   * rtpjitterreorder:rules: Since: 0.1
   */
  props[PROP_RULES] =
      g_param_spec_enum("rules", "Rules", "What is done with frames that come out of order",
                        rules_get_type(), static_cast<gint>(d.rules), ready);
  /**
   * rtpjitterreorder:latency: Since: 0.1
   */
  props[PROP_LATENCY] = g_param_spec_uint(
      "latency", "Latency",
      "How long a hole in the sequence numbers stays open, in milliseconds (0 = not at all)", 0,
      600000, d.latency_ms, playing);
  /**
   * rtpjitterreorder:max-dropout: Since: 0.1
   */
  props[PROP_MAX_DROPOUT] = g_param_spec_uint(
      "max-dropout", "Max Dropout",
      "A jump forward by more numbers than this, if confirmed, is a restart of the sender", 1,
      32767, d.max_dropout, ready);
  /**
   * rtpjitterreorder:max-misorder: Since: 0.1
   */
  props[PROP_MAX_MISORDER] = g_param_spec_uint(
      "max-misorder", "Max Misorder",
      "A jump back by more numbers than this, if confirmed, is a restart of the sender", 1, 32767,
      d.max_misorder, ready);
  /**
   * rtpjitterreorder:hold-first: Since: 0.1
   */
  props[PROP_HOLD_FIRST] = g_param_spec_boolean(
      "hold-first", "Hold First",
      "Let the first frame of an SSRC wait as well, since the one before it may still come; where "
      "delays differ a lot, up to three times the latency, to learn where it belongs",
      d.hold_first, ready);
  /**
   * rtpjitterreorder:max-size-buffers: Since: 0.1
   */
  props[PROP_MAX_SIZE_BUFFERS] =
      g_param_spec_uint("max-size-buffers", "Max Size Buffers",
                        "Frames that may wait for a slow branch (0 = no limit): beyond that, live "
                        "input loses the oldest, "
                        "other input waits",
                        0, G_MAXUINT, d.max_size_buffers, ready);
  /**
   * rtpjitterreorder:gap-interval: Since: 0.1
   *
   * Muxers and mixers that wait for every input need it; recorders do not. What a stall of the
   * network delivers for time that was already told to be silent is placed after it.
   */
  props[PROP_GAP_INTERVAL] =
      g_param_spec_uint("gap-interval", "Gap Interval",
                        "Tell silence by GAP events at this pace in milliseconds while nobody "
                        "speaks on a pad of a live "
                        "pipeline (0 = never)",
                        0, 60000, d.gap_interval_ms, ready);
  /**
   * rtpjitterreorder:pad-threads: Since: 0.1
   *
   * Without them a frame costs no thread switch, but a branch that blocks holds up all others. Only
   * for branches that never wait for the clock, for each other, or for a preroll.
   */
  props[PROP_PAD_THREADS] = g_param_spec_boolean(
      "pad-threads", "Pad Threads",
      "Push each pad from a thread of its own; without, from the threads that bring frames and "
      "deadlines",
      d.pad_threads, ready);
  /**
   * rtpjitterreorder:stats: Since: 0.1
   *
   * `in = out + late + duplicate + flushed + held`, in sum and per stream.
   */
  props[PROP_STATS] = g_param_spec_boxed(
      "stats", "Statistics", "Counters since the start, in sum and per SSRC (array `streams`)",
      GST_TYPE_STRUCTURE, static_cast<GParamFlags>(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
  g_object_class_install_properties(object_class, N_PROPS, props);
}

static void dv_rtp_jitter_reorder_class_init(GstRtpJitterReorderClass *klass) {
  auto object_class = G_OBJECT_CLASS(klass);
  auto element_class = GST_ELEMENT_CLASS(klass);
  object_class->set_property = dv_rtp_jitter_reorder_set_property;
  object_class->get_property = dv_rtp_jitter_reorder_get_property;
  object_class->finalize = dv_rtp_jitter_reorder_finalize;
  install_properties(object_class);
  /**
   * rtpjitterreorder::clear-ssrc:
   * @ssrc: the SSRC to end
   *
   * Hands on what is held of @ssrc, sends EOS on its pad and removes it. Safe in any state and
   * thread. Since: 0.1
   */
  g_signal_new_class_handler("clear-ssrc", G_TYPE_FROM_CLASS(klass),
                             static_cast<GSignalFlags>(G_SIGNAL_RUN_LAST | G_SIGNAL_ACTION),
                             G_CALLBACK(clear_ssrc), nullptr, nullptr, nullptr, G_TYPE_NONE, 1,
                             G_TYPE_UINT);
  element_class->change_state = GST_DEBUG_FUNCPTR(dv_rtp_jitter_reorder_change_state);
  gst_element_class_add_static_pad_template(element_class, &sink_template);
  gst_element_class_add_static_pad_template_with_gtype(element_class, &src_template,
                                                       DV_TYPE_REORDER_PAD);
  gst_element_class_set_static_metadata(
      element_class, "RTP order and time per SSRC", "Filter/Network/RTP",
      "Splits RTP by SSRC, puts it in order and places it in time, one pad per speaker",
      "gst-discord-voice");
  gst_type_mark_as_plugin_api(rules_get_type(), static_cast<GstPluginAPIFlags>(0));
}
