// SPDX-License-Identifier: LGPL-2.1-or-later

/**
 * SECTION:element-discordvoicebin
 * @title: discordvoicebin
 *
 * Joins a Discord voice channel and has a pad of plain PCM for each speaker: discordvoicesrc,
 * discorddecrypt and rtpjitterreorder in one. With `mix=true` there is one pad instead, on which
 * stock elements mix everybody; that is what players get for a URI `discord://GUILD/CHANNEL`.
 * Either way stream collections tell who can be heard: a stream for each speaker, with the name as
 * title, posted anew when somebody appears or leaves.
 *
 * The inner elements are reachable by GstChildProxy as `source`, `decrypt`, `reorder` and `mixer`.
 * The token comes from the environment variable `DISCORD_TOKEN`, `token-file`, `token` or a
 * GstContext `discord.credentials` with the field `token-file`, never from the URI. Players set no
 * properties: the environment variables `DISCORD_GATEWAY_URL` and `DISCORD_CA_FILE` replace the
 * defaults of `gateway-url` and `ca-file`.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 discordvoicebin guild-id=GUILD channel-id=CHANNEL mix=true ! autoaudiosink
 * gst-play-1.0 discord://GUILD/CHANNEL
 * ]|
 *
 * Since: 0.1
 */
#include "gst/voicebin/gstdiscordvoicebin.hpp"

#include <array>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include <gst/pbutils/missing-plugins.h>

#include "gst/glue/ref.hpp"

GST_DEBUG_CATEGORY_STATIC(dv_voice_bin_debug);
#define GST_CAT_DEFAULT dv_voice_bin_debug

namespace {

using dv::Ref;

/** Handed through to a child under the same name; everything else is set on the children. */
struct ChildProperty {
  const char *child, *name, *nick, *blurb;
  GParamFlags access;
};
constexpr std::array<ChildProperty, 8> kChildProperties{{
    {"source", "guild-id", "Guild id", "Snowflake of the guild, in decimal", G_PARAM_READWRITE},
    {"source", "channel-id", "Channel id", "Snowflake of the voice channel, in decimal",
     G_PARAM_READWRITE},
    {"source", "token", "Bot token",
     "Token of the bot; prefer token-file or the environment DISCORD_TOKEN", G_PARAM_WRITABLE},
    {"source", "token-file", "Token file", "Path of a file whose first line is the bot's token",
     G_PARAM_READWRITE},
    {"source", "gateway-url", "Gateway URL", "wss:// address of the main gateway",
     G_PARAM_READWRITE},
    {"source", "ca-file", "CA file", "PEM file with a private CA to trust instead of the system's",
     G_PARAM_READWRITE},
    {"decrypt", "allow-users", "Allow users",
     "Hear these users only: user ids separated by commas; NULL: everybody", G_PARAM_READWRITE},
    {"decrypt", "deny-users", "Deny users",
     "Never hear these users: user ids separated by commas; goes before allow-users",
     G_PARAM_READWRITE},
}};
constexpr guint kDefaultMixLatency = 240;

enum Property : guint { kPropNone, kPropMix, kPropMixLatency, kPropFirstOfChildren };

constexpr char kRawCaps[] = "audio/x-raw";

GstStaticPadTemplate speaker_template =
    GST_STATIC_PAD_TEMPLATE("src_%u", GST_PAD_SRC, GST_PAD_SOMETIMES, GST_STATIC_CAPS(kRawCaps));
GstStaticPadTemplate mix_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_SOMETIMES, GST_STATIC_CAPS(kRawCaps));

/** How one of the inner pads is shown: by a ghost pad, or by a branch into the mixer. */
struct Output {
  GstPad *ghost = nullptr;       // owned by the bin
  GstElement *branch = nullptr;  // owned by the bin
  GstPad *mixer_pad = nullptr;   // one reference
};

struct State {
  std::mutex mutex;                    // guards `outputs`; never held across a call out
  std::map<GstPad *, Output> outputs;  // by pad of the reorder element
};

}  // namespace

struct _GstDiscordVoiceBin {
  GstBin parent_instance;
  GstElement *source, *decrypt, *reorder, *mixer;  // owned by the bin
  gboolean mix;                                    // under the object lock
  guint mix_latency;                               // milliseconds; under the object lock
  State *state;
};

static void dv_voice_bin_uri_handler_init(gpointer iface, gpointer);

G_DEFINE_FINAL_TYPE_WITH_CODE(GstDiscordVoiceBin, dv_voice_bin, GST_TYPE_BIN,
                              G_IMPLEMENT_INTERFACE(GST_TYPE_URI_HANDLER,
                                                    dv_voice_bin_uri_handler_init))
GST_ELEMENT_REGISTER_DEFINE_WITH_CODE(discordvoicebin, "discordvoicebin", GST_RANK_PRIMARY,
                                      DV_TYPE_VOICE_BIN,
                                      GST_DEBUG_CATEGORY_INIT(dv_voice_bin_debug, "discordvoicebin",
                                                              0, "Discord voice channel as a bin"))

// --- properties ---------------------------------------------------------------------------------

static GstElement *child_of(GstDiscordVoiceBin *self, guint id) {
  const char *child = kChildProperties[id - kPropFirstOfChildren].child;
  return g_str_equal(child, "source") ? self->source : self->decrypt;
}

static void dv_voice_bin_set_property(GObject *object, guint id, const GValue *value,
                                      GParamSpec *pspec) {
  auto *self = DV_VOICE_BIN(object);
  if (id >= kPropFirstOfChildren) {
    if (GstElement *child = child_of(self, id)) {
      g_object_set_property(G_OBJECT(child), pspec->name, value);
    }
    return;
  }
  dv::ObjectLock lock(self);
  if (id == kPropMix) self->mix = g_value_get_boolean(value);
  if (id == kPropMixLatency) self->mix_latency = g_value_get_uint(value);
}

static void dv_voice_bin_get_property(GObject *object, guint id, GValue *value, GParamSpec *pspec) {
  auto *self = DV_VOICE_BIN(object);
  if (id >= kPropFirstOfChildren) {
    if (GstElement *child = child_of(self, id)) {
      g_object_get_property(G_OBJECT(child), pspec->name, value);
    }
    return;
  }
  dv::ObjectLock lock(self);
  if (id == kPropMix) g_value_set_boolean(value, self->mix);
  if (id == kPropMixLatency) g_value_set_uint(value, self->mix_latency);
}

// --- pads ---------------------------------------------------------------------------------------

/** The stream of one speaker's pad, as its events describe it. */
static GstStream *stream_of(GstPad *pad) {
  Ref<gchar> id(gst_pad_get_stream_id(pad));
  Ref<GstCaps> caps(gst_pad_get_current_caps(pad));
  GstStream *stream =
      gst_stream_new(id.get(), caps.get(), GST_STREAM_TYPE_AUDIO, GST_STREAM_FLAG_NONE);
  if (Ref<GstEvent> event{gst_pad_get_sticky_event(pad, GST_EVENT_TAG, 0)}) {
    GstTagList *tags = nullptr;
    gst_event_parse_tag(event.get(), &tags);
    gst_stream_set_tags(stream, tags);
  }
  return stream;
}

static void post_collection(GstDiscordVoiceBin *self) {
  GstStreamCollection *collection = gst_stream_collection_new(nullptr);
  std::vector<Ref<GstPad>> pads;
  {
    std::lock_guard lock(self->state->mutex);
    for (const auto &[inner, output] : self->state->outputs) {
      pads.emplace_back(GST_PAD(gst_object_ref(inner)));
    }
  }
  for (const auto &pad : pads) gst_stream_collection_add_stream(collection, stream_of(pad.get()));
  gst_element_post_message(GST_ELEMENT(self),
                           gst_message_new_stream_collection(GST_OBJECT(self), collection));
  gst_object_unref(collection);
}

static void show_speaker(GstDiscordVoiceBin *self, GstPad *inner) {
  Ref<gchar> name(gst_pad_get_name(inner));
  GstPadTemplate *templ = gst_static_pad_template_get(&speaker_template);
  GstPad *ghost = gst_ghost_pad_new_from_template(name.get(), inner, templ);
  gst_object_unref(templ);
  {
    std::lock_guard lock(self->state->mutex);
    self->state->outputs[inner].ghost = ghost;
  }
  gst_pad_set_active(ghost, TRUE);
  // Ghost pads learn their events with the first push; whoever looks in pad-added wants them now.
  gst_pad_sticky_events_foreach(
      inner,
      [](GstPad *, GstEvent **event, gpointer to) -> gboolean {
        gst_pad_store_sticky_event(GST_PAD(to), *event);
        return TRUE;
      },
      ghost);
  gst_element_add_pad(GST_ELEMENT(self), ghost);
  post_collection(self);
}

/** How long the mixer waits for what belongs to a moment. */
static GstClockTime mix_delay(GstDiscordVoiceBin *self) {
  guint order = 0;
  g_object_get(self->reorder, "latency", &order, nullptr);
  dv::ObjectLock lock(self);
  return (guint64{order} + self->mix_latency) * GST_MSECOND;
}

static void mix_speaker(GstDiscordVoiceBin *self, GstPad *inner) {
  GError *raw = nullptr;
  // The queue holds what the mixer is not ready for yet: as much as its delay, and some to spare.
  Ref<gchar> description(g_strdup_printf(
      "queue max-size-bytes=0 max-size-buffers=0 max-size-time=%" G_GUINT64_FORMAT
      " ! audioconvert ! audioresample",
      mix_delay(self) + GST_SECOND));
  GstElement *branch = gst_parse_bin_from_description(description.get(), TRUE, &raw);
  Ref<GError> error(raw);
  if (branch == nullptr) {
    GST_ELEMENT_ERROR(self, CORE, MISSING_PLUGIN, ("A speaker can not be mixed."),
                      ("%s", error != nullptr ? error->message : "no details"));
    return;
  }
  GstPad *mixer_pad = gst_element_request_pad_simple(self->mixer, "sink_%u");
  gst_bin_add(GST_BIN(self), branch);
  {
    std::lock_guard lock(self->state->mutex);
    Output &output = self->state->outputs[inner];
    output.branch = branch;
    output.mixer_pad = mixer_pad;
  }
  Ref<GstPad> out(gst_element_get_static_pad(branch, "src"));
  Ref<GstPad> in(gst_element_get_static_pad(branch, "sink"));
  gst_pad_link(out.get(), mixer_pad);
  gst_element_sync_state_with_parent(branch);
  if (GST_PAD_LINK_FAILED(gst_pad_link(inner, in.get()))) {
    GST_WARNING_OBJECT(self, "could not link %" GST_PTR_FORMAT " to the mixer", inner);
  }
  post_collection(self);
}

static void on_pad_added(GstElement *, GstPad *inner, gpointer data) {
  auto *self = DV_VOICE_BIN(data);
  if (GST_PAD_IS_SINK(inner)) return;
  if (self->mixer != nullptr) {
    mix_speaker(self, inner);
  } else {
    show_speaker(self, inner);
  }
}

static void drop_output(GstDiscordVoiceBin *self, const Output &output) {
  if (output.ghost != nullptr) {
    gst_pad_set_active(output.ghost, FALSE);
    gst_element_remove_pad(GST_ELEMENT(self), output.ghost);
  }
  if (output.mixer_pad != nullptr) {
    gst_element_release_request_pad(self->mixer, output.mixer_pad);
    gst_object_unref(output.mixer_pad);
  }
  if (output.branch != nullptr) {
    gst_object_ref(output.branch);
    gst_bin_remove(GST_BIN(self), output.branch);
    gst_element_set_state(output.branch, GST_STATE_NULL);
    gst_object_unref(output.branch);
  }
}

static void on_pad_removed(GstElement *, GstPad *inner, gpointer data) {
  auto *self = DV_VOICE_BIN(data);
  Output output;
  {
    std::lock_guard lock(self->state->mutex);
    const auto found = self->state->outputs.find(inner);
    if (found == self->state->outputs.end()) return;
    output = found->second;
    self->state->outputs.erase(found);
  }
  drop_output(self, output);
  post_collection(self);
}

// --- life cycle ---------------------------------------------------------------------------------

static GstElement *add_child(GstDiscordVoiceBin *self, const char *factory, const char *name) {
  GstElement *child = gst_element_factory_make(factory, name);
  if (child == nullptr) {
    gst_element_post_message(GST_ELEMENT(self),
                             gst_missing_element_message_new(GST_ELEMENT(self), factory));
    GST_ELEMENT_ERROR(self, CORE, MISSING_PLUGIN, ("The element %s was not found.", factory),
                      (nullptr));
    return nullptr;
  }
  gst_bin_add(GST_BIN(self), child);
  return child;
}

static gboolean add_mixer(GstDiscordVoiceBin *self) {
  // Live silence keeps the mixer going while nobody speaks, and gives it its pace. It is late by
  // all of the latency: a speaker who begins is then in time, too, although until now the mixer
  // had nobody to wait for.
  GstElement *silence = add_child(self, "audiotestsrc", "silence");
  GstElement *delay = add_child(self, "queue", "delay");
  GstElement *format = add_child(self, "capsfilter", "format");
  GstElement *mixer = add_child(self, "audiomixer", "mixer");
  if (!silence || !delay || !format || !mixer) return FALSE;
  Ref<GstCaps> caps(gst_caps_from_string("audio/x-raw,format=S16LE,rate=48000,channels=2"));
  g_object_set(silence, "is-live", TRUE, "volume", 0.0, nullptr);
  g_object_set(format, "caps", caps.get(), nullptr);
  g_object_set(delay, "min-threshold-time", mix_delay(self), "max-size-time", guint64{0},
               "max-size-buffers", 0u, "max-size-bytes", 0u, nullptr);
  if (!gst_element_link_many(silence, format, delay, mixer, nullptr)) return FALSE;
  self->mixer = mixer;
  Ref<GstPad> target(gst_element_get_static_pad(mixer, "src"));
  GstPadTemplate *templ = gst_static_pad_template_get(&mix_template);
  GstPad *ghost = gst_ghost_pad_new_from_template("src", target.get(), templ);
  gst_object_unref(templ);
  gst_pad_set_active(ghost, TRUE);
  gst_element_add_pad(GST_ELEMENT(self), ghost);
  gst_element_no_more_pads(GST_ELEMENT(self));
  return TRUE;
}

static gboolean complete(GstDiscordVoiceBin *self) {
  for (const auto *child : {self->source, self->decrypt, self->reorder}) {
    if (child == nullptr) {
      GST_ELEMENT_ERROR(self, CORE, MISSING_PLUGIN, ("An element of this plugin is missing."),
                        ("discordvoicesrc, discorddecrypt, rtpjitterreorder are needed"));
      return FALSE;
    }
  }
  gboolean mix;
  {
    dv::ObjectLock lock(self);
    mix = self->mix;
  }
  return !mix || self->mixer != nullptr || add_mixer(self);
}

static GstStateChangeReturn dv_voice_bin_change_state(GstElement *element,
                                                      GstStateChange transition) {
  auto *self = DV_VOICE_BIN(element);
  if (transition == GST_STATE_CHANGE_NULL_TO_READY && !complete(self)) {
    return GST_STATE_CHANGE_FAILURE;
  }
  return GST_ELEMENT_CLASS(dv_voice_bin_parent_class)->change_state(element, transition);
}

// --- discord:// ---------------------------------------------------------------------------------

static GstURIType uri_type(GType) { return GST_URI_SRC; }

static const gchar *const *uri_protocols(GType) {
  static const gchar *protocols[] = {"discord", nullptr};
  return protocols;
}

static gchar *uri_get(GstURIHandler *handler) {
  auto *self = DV_VOICE_BIN(handler);
  return self->source != nullptr ? gst_uri_handler_get_uri(GST_URI_HANDLER(self->source)) : nullptr;
}

static gboolean uri_set(GstURIHandler *handler, const gchar *uri, GError **error) {
  auto *self = DV_VOICE_BIN(handler);
  if (self->source == nullptr) {
    g_set_error(error, GST_URI_ERROR, GST_URI_ERROR_BAD_STATE,
                "The element discordvoicesrc is missing; it is part of this plugin");
    return FALSE;
  }
  if (!gst_uri_handler_set_uri(GST_URI_HANDLER(self->source), uri, error)) return FALSE;
  // A player plays one stream, and whoever opens a channel wants to hear everybody.
  dv::ObjectLock lock(self);
  self->mix = TRUE;
  return TRUE;
}

static void dv_voice_bin_uri_handler_init(gpointer iface, gpointer) {
  auto *handler = static_cast<GstURIHandlerInterface *>(iface);
  handler->get_type = uri_type;
  handler->get_protocols = uri_protocols;
  handler->get_uri = uri_get;
  handler->set_uri = uri_set;
}

// --- class --------------------------------------------------------------------------------------

static void dv_voice_bin_finalize(GObject *object) {
  delete DV_VOICE_BIN(object)->state;
  G_OBJECT_CLASS(dv_voice_bin_parent_class)->finalize(object);
}

static void dv_voice_bin_init(GstDiscordVoiceBin *self) {
  self->state = new State;
  GST_OBJECT_FLAG_SET(self, GST_ELEMENT_FLAG_SOURCE);
  self->source = gst_element_factory_make("discordvoicesrc", "source");
  self->decrypt = gst_element_factory_make("discorddecrypt", "decrypt");
  self->reorder = gst_element_factory_make("rtpjitterreorder", "reorder");
  for (auto *child : {self->source, self->decrypt, self->reorder}) {
    if (child != nullptr) gst_bin_add(GST_BIN(self), child);
  }
  self->mix_latency = kDefaultMixLatency;
  if (self->source == nullptr || self->decrypt == nullptr || self->reorder == nullptr) return;
  for (const auto &[variable, property] : {std::pair{"DISCORD_GATEWAY_URL", "gateway-url"},
                                           std::pair{"DISCORD_CA_FILE", "ca-file"}}) {
    const gchar *value = g_getenv(variable);
    if (value != nullptr && *value != '\0') g_object_set(self->source, property, value, nullptr);
  }
  gst_element_link_many(self->source, self->decrypt, self->reorder, nullptr);
  // Its pads go in threads of their own, which may outlive the bin.
  for (const auto &[signal, callback] : {std::pair{"pad-added", G_CALLBACK(on_pad_added)},
                                         std::pair{"pad-removed", G_CALLBACK(on_pad_removed)}}) {
    g_signal_connect_object(self->reorder, signal, callback, self, GConnectFlags(0));
  }
}

static void dv_voice_bin_class_init(GstDiscordVoiceBinClass *klass) {
  auto *object_class = G_OBJECT_CLASS(klass);
  auto *element_class = GST_ELEMENT_CLASS(klass);
  object_class->set_property = dv_voice_bin_set_property;
  object_class->get_property = dv_voice_bin_get_property;
  object_class->finalize = dv_voice_bin_finalize;
  element_class->change_state = GST_DEBUG_FUNCPTR(dv_voice_bin_change_state);

  g_object_class_install_property(
      object_class, kPropMix,
      g_param_spec_boolean("mix", "Mix",
                           "One pad with everybody mixed instead of a pad for each speaker", FALSE,
                           static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
                                                    GST_PARAM_MUTABLE_READY)));
  g_object_class_install_property(
      object_class, kPropMixLatency,
      g_param_spec_uint("mix-latency", "Mix latency",
                        "With mix: milliseconds the mixer waits for what comes late, besides the "
                        "latency of the other elements; what comes later still is not heard",
                        0, 60000, kDefaultMixLatency,
                        static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
                                                 GST_PARAM_MUTABLE_READY)));
  guint id = kPropFirstOfChildren;
  for (const auto &p : kChildProperties) {
    g_object_class_install_property(
        object_class, id++,
        g_param_spec_string(
            p.name, p.nick, p.blurb, nullptr,
            static_cast<GParamFlags>(p.access | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY)));
  }
  gst_element_class_add_static_pad_template(element_class, &speaker_template);
  gst_element_class_add_static_pad_template(element_class, &mix_template);
  gst_element_class_set_static_metadata(
      element_class, "Discord voice channel", "Source/Network/Audio",
      "Receives a Discord voice channel: a pad of PCM for each speaker, or everybody mixed",
      "gst-discord-voice developers");
}
