// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * SECTION:element-discordfilesink
 *
 * Records each speaker of a call into a file of their own. The files of a recording have one common
 * zero (the running time at which the pipeline went to PLAYING) and one common end, and hold
 * silence where nobody spoke, so that they can be put on top of each other in any editor.
 *
 * It takes what discorddecrypt gives: PCM or Opus of many speakers on one pad. Inside,
 * rtpjitterreorder splits them; a few threads write. Files are called `NAME.part` until they are
 * complete, have mode 0600 and are readable even after `kill -9`. An existing file is left alone:
 * the new one gets a number (`NAME-2.wav`). A speaker whose file cannot be written is reported by a
 * warning; when nobody's can be, by an error.
 *
 * For each file the messages `discordfilesink-track-opened` and `discordfilesink-track-closed` are
 * posted on the bus; the latter tells how the track went: `lost`, `concealed` and `gaps` (their
 * numbers), `speech-length`, `lost-length` and `concealed-length` (in nanoseconds). EOS is posted
 * when all files are complete.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 -e discordvoicesrc guild-id=1 channel-id=2 ! discorddecrypt ! discordfilesink
 * location=DIR/%u.wav gst-launch-1.0 -e discordvoicesrc guild-id=1 channel-id=2 ! discorddecrypt
 * decode=false ! discordfilesink location=DIR/%d-%u-%n.%x format=opus
 * index-location=DIR/session.jsonl
 * ]|
 * The first records WAV files named by user id, the second Opus as it was sent, with an index of
 * who spoke when.
 *
 * Since: 0.1
 */
#include "gst/filesink/gstdiscordfilesink.hpp"

#include <cstdio>
#include <optional>
#include <string>
#include <utility>

#include "gst/filesink/branches.hpp"
#include "gst/filesink/collector.hpp"
#include "gst/filesink/frame_intake.hpp"
#include "gst/filesink/reporter.hpp"
#include "gst/filesink/settings.hpp"
#include "gst/glue/frame_meta.hpp"
#include "gst/glue/source_info.hpp"

GST_DEBUG_CATEGORY(discordfilesink_debug);
#define GST_CAT_DEFAULT discordfilesink_debug

namespace {

GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE(
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS,
    GST_STATIC_CAPS("audio/x-raw(" DV_CAPS_FEATURE_META_RTP_FRAME
                    "), format = (string) { S16LE, F32LE }, layout = (string) interleaved, "
                    "rate = (int) [ 8000, 192000 ], channels = (int) [ 1, 8 ]; "
                    "application/x-rtp, media = (string) audio, encoding-name = (string) OPUS, "
                    "clock-rate = (int) 48000"));

}  // namespace

struct _GstDiscordFileSink {
  GstBin parent_instance;
  dv::SinkSettings *settings;  // under OBJECT_LOCK; a copy is taken when a recording starts
  dv::Reporter *reporter;
  GstPad *sink;         // owned by the element, as are the two below by the bin
  GstElement *reorder;  // null when the element could not be made
  DvTrackCollector *collector;
};

G_DEFINE_FINAL_TYPE(GstDiscordFileSink, dv_discord_file_sink, GST_TYPE_BIN)
GST_ELEMENT_REGISTER_DEFINE_WITH_CODE(
    discordfilesink, "discordfilesink", GST_RANK_NONE, DV_TYPE_DISCORD_FILE_SINK,
    GST_DEBUG_CATEGORY_INIT(discordfilesink_debug, "discordfilesink", 0, "one file per speaker"))

namespace {

bool begin_recording(GstDiscordFileSink *self) {
  if (self->reorder == nullptr) {
    GST_ELEMENT_ERROR(self, CORE, MISSING_PLUGIN,
                      ("The element rtpjitterreorder is missing; it is part of this plugin."),
                      (nullptr));
    return false;
  }
  dv::RecordingConfig config;
  std::optional<std::string> contradiction;
  {
    dv::ObjectLock lock(self);
    config = self->settings->config();
    contradiction = self->settings->contradiction();
  }
  if (contradiction) {
    GST_ELEMENT_ERROR(self, RESOURCE, SETTINGS, ("%s.", contradiction->c_str()), (nullptr));
    return false;
  }
  if (auto problem = dv::template_error(config.location)) {
    GST_ELEMENT_ERROR(
        self, RESOURCE, SETTINGS,
        ("The location \"%s\" cannot be used: %s.", config.location.c_str(), problem->c_str()),
        (nullptr));
    return false;
  }
  const std::string directory = dv::directory_of(config.location);
  if (directory.find('%') == std::string::npos) {
    if (auto problem = dv::directory_problem(directory)) {
      GST_ELEMENT_ERROR(self, RESOURCE, OPEN_WRITE,
                        ("%s %s", problem->text().c_str(), problem->advice().c_str()), (nullptr));
      return false;
    }
  }
  if (config.exports != 0 && config.index_location.empty()) {
    GST_ELEMENT_WARNING(self, RESOURCE, SETTINGS,
                        ("Exports are made from the session index: set index-location, too."),
                        (nullptr));
  }
  dv_track_collector_set_recording(
      self->collector,
      std::make_shared<dv::Recording>(GST_BIN(self), *self->reporter, std::move(config)));
  return true;
}

bool upstream_is_live(GstDiscordFileSink *self) {
  gboolean live = FALSE;
  dv::Ref<GstQuery> query(gst_query_new_latency());
  if (gst_pad_peer_query(self->sink, query.get())) {
    gst_query_parse_latency(query.get(), &live, nullptr, nullptr);
  }
  return live != FALSE;
}

void begin_playing(GstDiscordFileSink *self) {
  self->reporter->set_playing(true);
  auto recording = dv_track_collector_recording(self->collector);
  if (!recording) return;
  recording->set_live(upstream_is_live(self));
  if (auto now = self->reporter->now()) recording->note_clock(*now, dv::wall_now());
}

GstStateChangeReturn dv_discord_file_sink_change_state(GstElement *element,
                                                       GstStateChange transition) {
  auto self = DV_DISCORD_FILE_SINK(element);
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED) {
    const bool ok = dv::guarded(element, false, [self] { return begin_recording(self); });
    if (!ok) return GST_STATE_CHANGE_FAILURE;
  } else if (transition == GST_STATE_CHANGE_PLAYING_TO_PAUSED) {
    self->reporter->set_playing(false);
  } else if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) {
    // The encoders are children: files must be complete before their state goes down.
    if (auto recording = dv_track_collector_recording(self->collector)) {
      recording->stop();
      self->reporter->set_last(recording->counters());
    }
  }
  auto result =
      GST_ELEMENT_CLASS(dv_discord_file_sink_parent_class)->change_state(element, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_PLAYING && result != GST_STATE_CHANGE_FAILURE) {
    begin_playing(self);
  } else if (transition == GST_STATE_CHANGE_PAUSED_TO_READY ||
             (transition == GST_STATE_CHANGE_READY_TO_PAUSED &&
              result == GST_STATE_CHANGE_FAILURE)) {
    dv_track_collector_set_recording(self->collector, nullptr);
  }
  return result;
}

/** In which forms the Opus of a pad is recorded. */
dv::Forms forms_of(GstDiscordFileSink *self, GstPad *pad) {
  if (!dv::brings_opus(pad)) return {};
  dv::ObjectLock lock(self);
  dv::Forms forms{false, self->settings->mix != FALSE};
  for (const auto format : self->settings->resolved_formats()) {
    (format == dv::TrackFormat::opus ? forms.packets : forms.samples) = true;
  }
  return forms;
}

void on_pad_added(GstElement *, GstPad *pad, gpointer user) {
  auto self = DV_DISCORD_FILE_SINK(user);
  unsigned ssrc = 0;
  dv::Ref<gchar> name(gst_pad_get_name(pad));
  if (sscanf(name.get(), "src_%u", &ssrc) != 1) return;
  if (dv::add_branch(GST_BIN(self), self->collector, pad, ssrc, forms_of(self, pad))) return;
  GST_ELEMENT_ERROR(self, CORE, MISSING_PLUGIN,
                    ("Opus cannot be decoded: rtpopusdepay, opusdec or tee is missing."),
                    (nullptr));
}

void on_pad_removed(GstElement *, GstPad *pad, gpointer user) {
  dv::remove_branch(GST_BIN(user), DV_DISCORD_FILE_SINK(user)->collector, pad);
}

gboolean sink_event(GstPad *pad, GstObject *parent, GstEvent *event) {
  auto self = DV_DISCORD_FILE_SINK(parent);
  if (auto info = dv::source_info_from_event(event)) {
    dv::guarded(self, 0, [&] {
      dv_track_collector_source_info(self->collector, *info);
      return 0;
    });
  }
  if (GST_EVENT_TYPE(event) == GST_EVENT_SEGMENT) {
    // Asked again with the first data: at the change to PLAYING upstream may not have been there.
    auto recording = dv_track_collector_recording(self->collector);
    if (recording) recording->set_live(upstream_is_live(self));
  }
  const bool eos = GST_EVENT_TYPE(event) == GST_EVENT_EOS;
  const guint32 seqnum = gst_event_get_seqnum(event);
  const gboolean handled = gst_pad_event_default(pad, parent, event);
  if (eos) dv_track_collector_upstream_eos(self->collector, seqnum);
  return handled;
}

GstPadProbeReturn entry_probe(GstPad *, GstPadProbeInfo *info, gpointer user) {
  auto recording = dv_track_collector_recording(DV_DISCORD_FILE_SINK(user)->collector);
  if (!recording) return GST_PAD_PROBE_OK;
  return dv::guarded(user, GST_PAD_PROBE_OK, [&] {
    if (GST_PAD_PROBE_INFO_TYPE(info) & GST_PAD_PROBE_TYPE_BUFFER) {
      dv::note_entered(*recording, GST_PAD_PROBE_INFO_BUFFER(info));
    } else {
      GstBufferList *list = GST_PAD_PROBE_INFO_BUFFER_LIST(info);
      for (guint i = 0; i < gst_buffer_list_length(list); ++i) {
        dv::note_entered(*recording, gst_buffer_list_get(list, i));
      }
    }
    return GST_PAD_PROBE_OK;
  });
}

void add_marker(GstDiscordFileSink *self, const gchar *text) {
  auto recording = dv_track_collector_recording(self->collector);
  if (!recording) return;
  dv::guarded(self, 0, [&] {
    recording->add_marker(self->reporter->now(), text != nullptr ? text : "");
    return 0;
  });
}

void set_property(GObject *object, guint id, const GValue *value, GParamSpec *pspec) {
  auto self = DV_DISCORD_FILE_SINK(object);
  if (id == dv::kPropLatency) {
    if (self->reorder != nullptr) g_object_set_property(G_OBJECT(self->reorder), "latency", value);
    return;
  }
  {
    dv::ObjectLock lock(self);
    if (!dv::set_sink_setting(*self->settings, id, value)) {
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
    }
  }
  if (id != dv::kPropPaused) return;
  dv::guarded(self, 0, [&] {
    auto recording = dv_track_collector_recording(self->collector);
    if (recording) recording->set_paused(g_value_get_boolean(value), self->reporter->now());
    return 0;
  });
}

void get_property(GObject *object, guint id, GValue *value, GParamSpec *pspec) {
  auto self = DV_DISCORD_FILE_SINK(object);
  if (id == dv::kPropStats) {
    auto recording = dv_track_collector_recording(self->collector);
    g_value_take_boxed(
        value, dv::stats_structure(recording ? recording->counters() : self->reporter->last()));
    return;
  }
  if (id == dv::kPropLatency) {
    if (self->reorder != nullptr) g_object_get_property(G_OBJECT(self->reorder), "latency", value);
    return;
  }
  dv::ObjectLock lock(self);
  if (!dv::get_sink_setting(*self->settings, id, value)) {
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
  }
}

gboolean sink_query(GstElement *element, GstQuery *query) {
  // Frames are written as they come and never wait for the clock: upstream's answer is ours.
  if (GST_QUERY_TYPE(query) == GST_QUERY_LATENCY) {
    return gst_pad_peer_query(DV_DISCORD_FILE_SINK(element)->sink, query);
  }
  return GST_ELEMENT_CLASS(dv_discord_file_sink_parent_class)->query(element, query);
}

/** Whether a message comes from an encoder: its failure is that of one track, and told as such. */
bool from_encoder(GstBin *bin, GstObject *source) {
  for (GstObject *o = source; o != nullptr; o = GST_OBJECT_PARENT(o)) {
    if (GST_OBJECT_PARENT(o) == GST_OBJECT(bin)) return g_str_has_prefix(o->name, "encoder_");
  }
  return false;
}

void handle_message(GstBin *bin, GstMessage *message) {
  const bool trouble = GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR ||
                       GST_MESSAGE_TYPE(message) == GST_MESSAGE_WARNING;
  if (trouble && from_encoder(bin, GST_MESSAGE_SRC(message))) {
    GST_WARNING_OBJECT(bin, "an encoder says %" GST_PTR_FORMAT, message);
    gst_message_unref(message);
    return;
  }
  GST_BIN_CLASS(dv_discord_file_sink_parent_class)->handle_message(bin, message);
}

void recording_finished(GstElement *element) {
  dv_track_collector_post_eos(DV_DISCORD_FILE_SINK(element)->collector);
}

void finalize(GObject *object) {
  auto self = DV_DISCORD_FILE_SINK(object);
  delete self->settings;
  delete self->reporter;
  G_OBJECT_CLASS(dv_discord_file_sink_parent_class)->finalize(object);
}

}  // namespace

static void dv_discord_file_sink_init(GstDiscordFileSink *self) {
  self->settings = new dv::SinkSettings;
  self->reporter = new dv::Reporter(GST_ELEMENT(self));
  self->reporter->set_finished(recording_finished);
  self->collector = DV_TRACK_COLLECTOR(dv_track_collector_new());
  gst_bin_add(GST_BIN(self), GST_ELEMENT(self->collector));
  GstPadTemplate *templ = gst_static_pad_template_get(&sink_template);
  self->reorder = gst_element_factory_make("rtpjitterreorder", "reorder");
  if (self->reorder != nullptr) {
    // The tracks' own queues take what comes; a thread for each speaker would only wait for frames.
    g_object_set(self->reorder, "pad-threads", FALSE, nullptr);
    gst_bin_add(GST_BIN(self), self->reorder);
    g_signal_connect(self->reorder, "pad-added", G_CALLBACK(on_pad_added), self);
    g_signal_connect(self->reorder, "pad-removed", G_CALLBACK(on_pad_removed), self);
    dv::Ref<GstPad> target(gst_element_get_static_pad(self->reorder, "sink"));
    self->sink = gst_ghost_pad_new_from_template("sink", target.get(), templ);
  } else {
    self->sink = gst_ghost_pad_new_no_target_from_template("sink", templ);
  }
  gst_object_unref(templ);
  gst_pad_add_probe(
      self->sink,
      static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST),
      entry_probe, self, nullptr);
  gst_pad_set_event_function(self->sink, GST_DEBUG_FUNCPTR(sink_event));
  gst_element_add_pad(GST_ELEMENT(self), self->sink);
}

static void dv_discord_file_sink_class_init(GstDiscordFileSinkClass *klass) {
  auto object = G_OBJECT_CLASS(klass);
  auto element = GST_ELEMENT_CLASS(klass);
  object->set_property = set_property;
  object->get_property = get_property;
  object->finalize = finalize;
  element->change_state = GST_DEBUG_FUNCPTR(dv_discord_file_sink_change_state);
  element->query = GST_DEBUG_FUNCPTR(sink_query);
  GST_BIN_CLASS(klass)->handle_message = GST_DEBUG_FUNCPTR(handle_message);
  dv::install_sink_properties(object);
  /**
   * GstDiscordFileSink::add-marker:
   * @text: what to remember
   *
   * Writes a marker at the current running time into the session index. Safe in any state and from
   * any thread; without a recording it does nothing.
   */
  g_signal_new_class_handler("add-marker", G_TYPE_FROM_CLASS(klass),
                             static_cast<GSignalFlags>(G_SIGNAL_RUN_LAST | G_SIGNAL_ACTION),
                             G_CALLBACK(add_marker), nullptr, nullptr, nullptr, G_TYPE_NONE, 1,
                             G_TYPE_STRING);
  gst_element_class_add_static_pad_template(element, &sink_template);
  gst_element_class_set_static_metadata(element, "Discord file sink", "Sink/File/Audio",
                                        "Records each speaker of a call into a file of their own",
                                        "gst-discord-voice");
}
