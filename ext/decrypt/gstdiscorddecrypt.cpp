// SPDX-License-Identifier: LGPL-2.1-or-later

/**
 * SECTION:element-discorddecrypt
 * @title: discorddecrypt
 * @short_description: opens and decodes the voice packets of a Discord channel
 *
 * Takes datagrams as received by discordvoicesrc, opens their transport and end-to-end encryption,
 * puts each speaker's packets in order and decodes them. All speakers leave on one pad; a meta on
 * each buffer says whose it is, and rtpjitterreorder or discordfilesink split them.
 *
 * The work is done by sandboxed worker processes that are started when they are needed, shared by
 * all elements with the same #GstDiscordDecrypt:pool and replaced when they die;
 * #GstDiscordDecrypt:max-workers of 0 does it in this process. What is lost is concealed and
 * marked. In a live pipeline the element adds #GstDiscordDecrypt:latency to the latency, and delays
 * only packets behind a hole.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 -e discordvoicesrc guild-id=1 channel-id=2 token-file=token ! discorddecrypt !
 * discordfilesink location=%u.wav
 * ]|
 * One file per speaker.
 * |[
 * gst-launch-1.0 -e discordvoicesrc guild-id=1 channel-id=2 token-file=token ! discorddecrypt
 * decode=false ! rtpjitterreorder name=r r. ! rtpopusdepay ! oggmux ! filesink location=first.ogg
 * ]|
 * The first speaker as Ogg Opus, without decoding.
 */

#include "ext/decrypt/gstdiscorddecrypt.h"

#include "ext/decrypt/decryptor.hpp"
#include "gst/glue/frame_meta.hpp"
#include "gst/glue/ref.hpp"

GST_DEBUG_CATEGORY(discorddecrypt_debug);

namespace {

enum {
  PROP_0,
  PROP_MAX_WORKERS,
  PROP_DECODE,
  PROP_LATENCY,
  PROP_PLC,
  PROP_FEC,
  PROP_IDLE_TIMEOUT,
  PROP_REPLY_TIMEOUT,
  PROP_MAX_BATCH_TIME,
  PROP_POOL,
  PROP_SANDBOX,
  PROP_ALLOW_USERS,
  PROP_DENY_USERS,
  PROP_STATS,
  N_PROPS,
};
GParamSpec *props[N_PROPS];

GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
                                                             GST_STATIC_CAPS(DV_CAPS_DISCORD_RTP));

GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE(
    "src", GST_PAD_SRC, GST_PAD_ALWAYS,
    GST_STATIC_CAPS("audio/x-raw(" DV_CAPS_FEATURE_META_RTP_FRAME
                    "), format = (string) { S16LE, F32LE }, layout = (string) interleaved, "
                    "rate = (int) { 48000, 24000, 16000, 12000, 8000 }, channels = (int) { 2, 1 }; "
                    "application/x-rtp, media = (string) audio, encoding-name = (string) OPUS, "
                    "clock-rate = (int) 48000, payload = (int) 120"));

GstStaticPadTemplate rtcp_template = GST_STATIC_PAD_TEMPLATE(
    "rtcp_src", GST_PAD_SRC, GST_PAD_REQUEST, GST_STATIC_CAPS("application/x-rtcp"));

}  // namespace

struct _GstDiscordDecrypt {
  GstElement parent_instance;
  GstPad *sink;
  GstPad *src;
  dv::DecryptSettings *settings;  // under the object lock; a copy is taken in READY -> PAUSED
  dv::Decryptor *decryptor;       // own locks; its task has ended before finalize
};

/**
 * DvDecryptSandbox:
 * @require: fail if a worker can not be confined fully
 * @try: confine as far as the system allows
 * @off: do not confine
 *
 * How workers are confined.
 */
#define DV_TYPE_DECRYPT_SANDBOX (dv_decrypt_sandbox_get_type())
static GType dv_decrypt_sandbox_get_type() {
  static const GEnumValue values[] = {
      {static_cast<gint>(dv::SandboxMode::require), "Fail if a worker can not be confined",
       "require"},
      {static_cast<gint>(dv::SandboxMode::attempt), "Confine as far as the system allows", "try"},
      {static_cast<gint>(dv::SandboxMode::off), "Do not confine workers", "off"},
      {0, nullptr, nullptr},
  };
  static const GType type = g_enum_register_static("DvDecryptSandbox", values);
  return type;
}

G_DEFINE_FINAL_TYPE(GstDiscordDecrypt, dv_discord_decrypt, GST_TYPE_ELEMENT)
GST_ELEMENT_REGISTER_DEFINE_WITH_CODE(
    discorddecrypt, "discorddecrypt", GST_RANK_NONE, DV_TYPE_DISCORD_DECRYPT,
    GST_DEBUG_CATEGORY_INIT(discorddecrypt_debug, "discorddecrypt", 0, "Discord voice decryption"))

static void dv_discord_decrypt_set_property(GObject *object, guint id, const GValue *value,
                                            GParamSpec *pspec) {
  auto *self = DV_DISCORD_DECRYPT(object);
  dv::ObjectLock lock(self);
  dv::DecryptSettings &s = *self->settings;
  switch (id) {
    case PROP_MAX_WORKERS:
      s.max_workers = g_value_get_uint(value);
      break;
    case PROP_DECODE:
      s.decode = g_value_get_boolean(value);
      break;
    case PROP_LATENCY:
      s.latency_ms = g_value_get_uint(value);
      break;
    case PROP_PLC:
      s.plc = g_value_get_boolean(value);
      break;
    case PROP_FEC:
      s.fec = g_value_get_boolean(value);
      break;
    case PROP_IDLE_TIMEOUT:
      s.idle_timeout_ms = g_value_get_uint(value);
      break;
    case PROP_REPLY_TIMEOUT:
      s.reply_timeout_ms = g_value_get_uint(value);
      break;
    case PROP_MAX_BATCH_TIME:
      s.max_batch_us = g_value_get_uint(value);
      break;
    case PROP_POOL:
      s.pool = g_value_get_string(value) ? g_value_get_string(value) : "";
      break;
    case PROP_ALLOW_USERS:
      s.allow_users = g_value_get_string(value) ? g_value_get_string(value) : "";
      break;
    case PROP_DENY_USERS:
      s.deny_users = g_value_get_string(value) ? g_value_get_string(value) : "";
      break;
    case PROP_SANDBOX:
      s.sandbox = static_cast<dv::SandboxMode>(g_value_get_enum(value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
      break;
  }
}

static void dv_discord_decrypt_get_property(GObject *object, guint id, GValue *value,
                                            GParamSpec *pspec) {
  auto *self = DV_DISCORD_DECRYPT(object);
  if (id == PROP_STATS) {
    g_value_take_boxed(value, self->decryptor->stats());
    return;
  }
  dv::ObjectLock lock(self);
  const dv::DecryptSettings &s = *self->settings;
  switch (id) {
    case PROP_MAX_WORKERS:
      g_value_set_uint(value, s.max_workers);
      break;
    case PROP_DECODE:
      g_value_set_boolean(value, s.decode);
      break;
    case PROP_LATENCY:
      g_value_set_uint(value, s.latency_ms);
      break;
    case PROP_PLC:
      g_value_set_boolean(value, s.plc);
      break;
    case PROP_FEC:
      g_value_set_boolean(value, s.fec);
      break;
    case PROP_IDLE_TIMEOUT:
      g_value_set_uint(value, s.idle_timeout_ms);
      break;
    case PROP_REPLY_TIMEOUT:
      g_value_set_uint(value, s.reply_timeout_ms);
      break;
    case PROP_MAX_BATCH_TIME:
      g_value_set_uint(value, s.max_batch_us);
      break;
    case PROP_POOL:
      g_value_set_string(value, s.pool.c_str());
      break;
    case PROP_ALLOW_USERS:
      g_value_set_string(value, s.allow_users.empty() ? nullptr : s.allow_users.c_str());
      break;
    case PROP_DENY_USERS:
      g_value_set_string(value, s.deny_users.empty() ? nullptr : s.deny_users.c_str());
      break;
    case PROP_SANDBOX:
      g_value_set_enum(value, static_cast<gint>(s.sandbox));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
      break;
  }
}

static GstFlowReturn dv_discord_decrypt_chain(GstPad *, GstObject *parent, GstBuffer *buffer) {
  auto *self = DV_DISCORD_DECRYPT(parent);
  return dv::guarded(self, GST_FLOW_ERROR, [&] { return self->decryptor->chain(buffer); });
}

static GstFlowReturn dv_discord_decrypt_chain_list(GstPad *, GstObject *parent,
                                                   GstBufferList *list) {
  auto *self = DV_DISCORD_DECRYPT(parent);
  return dv::guarded(self, GST_FLOW_ERROR, [&] { return self->decryptor->chain_list(list); });
}

static gboolean dv_discord_decrypt_sink_event(GstPad *, GstObject *parent, GstEvent *event) {
  auto *self = DV_DISCORD_DECRYPT(parent);
  return dv::guarded(self, FALSE, [&] { return self->decryptor->sink_event(event); });
}

static gboolean dv_discord_decrypt_sink_query(GstPad *pad, GstObject *parent, GstQuery *query) {
  // Buffers made for datagrams do not come from whoever takes the audio.
  if (GST_QUERY_TYPE(query) == GST_QUERY_ALLOCATION) return FALSE;
  if (GST_QUERY_TYPE(query) == GST_QUERY_CAPS) {
    dv::Ref<GstCaps> caps(gst_pad_get_pad_template_caps(pad));
    GstCaps *filter = nullptr;
    gst_query_parse_caps(query, &filter);
    if (filter != nullptr) {
      caps.reset(gst_caps_intersect_full(filter, caps.get(), GST_CAPS_INTERSECT_FIRST));
    }
    gst_query_set_caps_result(query, caps.get());
    return TRUE;
  }
  return gst_pad_query_default(pad, parent, query);
}

static gboolean dv_discord_decrypt_src_query(GstPad *pad, GstObject *parent, GstQuery *query) {
  auto *self = DV_DISCORD_DECRYPT(parent);
  if (GST_QUERY_TYPE(query) != GST_QUERY_LATENCY) return gst_pad_query_default(pad, parent, query);
  if (!gst_pad_peer_query(self->sink, query)) return FALSE;
  gboolean live = FALSE;
  GstClockTime min = 0, max = GST_CLOCK_TIME_NONE;
  gst_query_parse_latency(query, &live, &min, &max);
  if (!live) return TRUE;
  const GstClockTime own = self->decryptor->latency();
  min += own;
  if (GST_CLOCK_TIME_IS_VALID(max)) max += own;
  gst_query_set_latency(query, live, min, max);
  return TRUE;
}

static gboolean dv_discord_decrypt_src_activate_mode(GstPad *pad, GstObject *parent,
                                                     GstPadMode mode, gboolean active) {
  if (mode != GST_PAD_MODE_PUSH) return FALSE;
  auto *self = DV_DISCORD_DECRYPT(parent);
  if (active) return self->decryptor->start_task();
  self->decryptor->unblock();
  return gst_pad_stop_task(pad);
}

static GstPad *dv_discord_decrypt_request_new_pad(GstElement *element, GstPadTemplate *templ,
                                                  const gchar *, const GstCaps *) {
  auto *self = DV_DISCORD_DECRYPT(element);
  GstPad *present = gst_element_get_static_pad(element, "rtcp_src");
  if (present != nullptr) {
    gst_object_unref(present);
    return nullptr;
  }
  GstPad *pad = gst_pad_new_from_template(templ, "rtcp_src");
  gst_pad_use_fixed_caps(pad);
  gst_pad_set_active(pad, TRUE);
  gst_element_add_pad(element, pad);
  self->decryptor->set_rtcp_pad(pad);
  return pad;
}

static void dv_discord_decrypt_release_pad(GstElement *element, GstPad *pad) {
  DV_DISCORD_DECRYPT(element)->decryptor->set_rtcp_pad(nullptr);
  gst_pad_set_active(pad, FALSE);
  gst_element_remove_pad(element, pad);
}

static GstStateChangeReturn dv_discord_decrypt_change_state(GstElement *element,
                                                            GstStateChange transition) {
  auto *self = DV_DISCORD_DECRYPT(element);
  if (transition == GST_STATE_CHANGE_NULL_TO_READY) self->decryptor->reset_stats();
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED) {
    dv::DecryptSettings settings;
    {
      dv::ObjectLock lock(self);
      settings = *self->settings;
    }
    const bool ok = dv::guarded(self, false, [&] { return self->decryptor->start(settings); });
    if (!ok) return GST_STATE_CHANGE_FAILURE;
  }
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) self->decryptor->unblock();
  const GstStateChangeReturn result =
      GST_ELEMENT_CLASS(dv_discord_decrypt_parent_class)->change_state(element, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) self->decryptor->stop();
  return result;
}

static void dv_discord_decrypt_finalize(GObject *object) {
  auto *self = DV_DISCORD_DECRYPT(object);
  delete self->decryptor;
  delete self->settings;
  G_OBJECT_CLASS(dv_discord_decrypt_parent_class)->finalize(object);
}

static void dv_discord_decrypt_init(GstDiscordDecrypt *self) {
  self->sink = gst_pad_new_from_static_template(&sink_template, "sink");
  gst_pad_set_chain_function(self->sink, GST_DEBUG_FUNCPTR(dv_discord_decrypt_chain));
  gst_pad_set_chain_list_function(self->sink, GST_DEBUG_FUNCPTR(dv_discord_decrypt_chain_list));
  gst_pad_set_event_function(self->sink, GST_DEBUG_FUNCPTR(dv_discord_decrypt_sink_event));
  gst_pad_set_query_function(self->sink, GST_DEBUG_FUNCPTR(dv_discord_decrypt_sink_query));
  gst_element_add_pad(GST_ELEMENT(self), self->sink);
  self->src = gst_pad_new_from_static_template(&src_template, "src");
  gst_pad_set_query_function(self->src, GST_DEBUG_FUNCPTR(dv_discord_decrypt_src_query));
  gst_pad_set_activatemode_function(self->src,
                                    GST_DEBUG_FUNCPTR(dv_discord_decrypt_src_activate_mode));
  gst_element_add_pad(GST_ELEMENT(self), self->src);
  self->settings = new dv::DecryptSettings;
  self->decryptor = new dv::Decryptor(GST_ELEMENT(self), self->sink, self->src);
}

static void install_properties(GObjectClass *object_class) {
  constexpr auto flags = static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
                                                  GST_PARAM_MUTABLE_READY);
  const dv::DecryptSettings d;
  props[PROP_MAX_WORKERS] = g_param_spec_uint(
      "max-workers", "Maximum workers",
      "Number of worker processes at most; 0 decrypts and decodes in this process (default: number "
      "of processors, at most 8)",
      0, dv::DecryptSettings::kMaxWorkers, d.max_workers,
      static_cast<GParamFlags>(flags | GST_PARAM_DOC_SHOW_DEFAULT));
  props[PROP_DECODE] = g_param_spec_boolean(
      "decode", "Decode",
      "Decode to PCM; false gives decrypted Opus as RTP packets in order of arrival", d.decode,
      flags);
  props[PROP_LATENCY] = g_param_spec_uint("latency", "Latency",
                                          "How long in milliseconds a missing packet is waited for "
                                          "before decoding goes on without it; 0 "
                                          "decodes in order of arrival",
                                          0, 10000, d.latency_ms, flags);
  props[PROP_PLC] = g_param_spec_boolean("plc", "Packet loss concealment",
                                         "Let the decoder make up for what is lost", d.plc, flags);
  props[PROP_FEC] = g_param_spec_boolean(
      "fec", "Forward error correction",
      "Recover a lost packet from the next one where the sender put a copy there", d.fec, flags);
  props[PROP_IDLE_TIMEOUT] = g_param_spec_uint(
      "idle-timeout", "Idle timeout",
      "Milliseconds after which a worker process without streams is ended; 0 ends it at once", 0,
      G_MAXUINT, d.idle_timeout_ms, flags);
  props[PROP_REPLY_TIMEOUT] = g_param_spec_uint(
      "reply-timeout", "Reply timeout",
      "Milliseconds without progress, with work pending, after which a worker process is replaced",
      100, 600000, d.reply_timeout_ms, flags);
  props[PROP_MAX_BATCH_TIME] = g_param_spec_uint("max-batch-time", "Maximum batch time",
                                                 "Microseconds for which packets may be gathered "
                                                 "before a busy worker process looks at them; 0 "
                                                 "hands over each at once",
                                                 0, 100000, d.max_batch_us, flags);
  props[PROP_ALLOW_USERS] = g_param_spec_string(
      "allow-users", "Allow users",
      "Open the audio of these users only: user ids separated by commas; NULL: everybody", nullptr,
      flags);
  props[PROP_DENY_USERS] = g_param_spec_string(
      "deny-users", "Deny users",
      "Never open the audio of these users: user ids separated by commas; goes before allow-users",
      nullptr, flags);
  props[PROP_POOL] = g_param_spec_string(
      "pool", "Pool", "Elements of this process with the same pool name share worker processes",
      d.pool.c_str(), flags);
  props[PROP_SANDBOX] =
      g_param_spec_enum("sandbox", "Sandbox", "How worker processes are confined",
                        DV_TYPE_DECRYPT_SANDBOX, static_cast<gint>(d.sandbox), flags);
  props[PROP_STATS] = g_param_spec_boxed(
      "stats", "Statistics",
      "Counters since NULL: received = delivered + the sum of all drop-* + pending, in sum and per "
      "stream; lost, concealed; workers",
      GST_TYPE_STRUCTURE, static_cast<GParamFlags>(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
  g_object_class_install_properties(object_class, N_PROPS, props);
}

static void dv_discord_decrypt_class_init(GstDiscordDecryptClass *klass) {
  auto *object_class = G_OBJECT_CLASS(klass);
  auto *element_class = GST_ELEMENT_CLASS(klass);
  object_class->set_property = dv_discord_decrypt_set_property;
  object_class->get_property = dv_discord_decrypt_get_property;
  object_class->finalize = dv_discord_decrypt_finalize;
  install_properties(object_class);
  element_class->change_state = GST_DEBUG_FUNCPTR(dv_discord_decrypt_change_state);
  element_class->request_new_pad = GST_DEBUG_FUNCPTR(dv_discord_decrypt_request_new_pad);
  element_class->release_pad = GST_DEBUG_FUNCPTR(dv_discord_decrypt_release_pad);
  gst_element_class_add_static_pad_template(element_class, &sink_template);
  gst_element_class_add_static_pad_template(element_class, &src_template);
  gst_element_class_add_static_pad_template(element_class, &rtcp_template);
  gst_element_class_set_static_metadata(
      element_class, "Discord voice decryptor", "Decryptor/Audio/Network",
      "Opens, orders and decodes the voice packets of a Discord channel, in sandboxed processes",
      "gst-discord-voice");
  gst_type_mark_as_plugin_api(DV_TYPE_DECRYPT_SANDBOX, static_cast<GstPluginAPIFlags>(0));
}
