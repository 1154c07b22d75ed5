// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * SECTION:element-discordvoicesrc
 * @title: discordvoicesrc
 *
 * Joins a voice channel of Discord as a bot and receives what everybody there says: a live source
 * of encrypted datagrams (`application/x-discord-rtp`) for discorddecrypt.
 *
 * The element connects in PAUSED and delivers in PLAYING. Sockets live on one network thread for
 * all sources of the process, and sources with the same token share one main session. A lost
 * connection is taken up again while the stream goes on; an end that can not be repaired is one
 * error message, an end by others (kicked, channel deleted) is end of stream. Every end is told by
 * one element message `discordvoicesrc-ended` with its reason and the final statistics.
 *
 * ## Messages
 *
 * `discordvoicesrc-connected`, `-speaker-joined`, `-speaker-left`, `-speaking`, `-reconnecting`,
 * `-resumed`, `-moved`, `-deafened`, `-epoch`, `-healing`, `-ended`.
 *
 * ## Contexts
 *
 * Without a token of its own the element asks for a context `discord.credentials`, whose field
 * `token-file` (string) names the file with the token. The main session to share it finds by a
 * context `discord.sessions`, whose field `sessions` holds an object of the type
 * `GstDiscordSessions`: sources with the same object and the same token share one. When nobody
 * answers it takes those of the process and tells so (have-context).
 *
 * ## Example launch line
 * |[
 * DISCORD_TOKEN=… gst-launch-1.0 -e discordvoicesrc guild-id=81384788765712384
 * channel-id=81384788765712385 ! discorddecrypt ! discordfilesink location=%u.wav
 * ]| Records every speaker into a file of his own.
 *
 * Since: 0.1
 */
#include "ext/voice/gstdiscordvoicesrc.hpp"

#include <sodium.h>

#include <cstring>
#include <utility>

#include "ext/voice/gstdiscordsessions.hpp"
#include "ext/voice/gstvoicecontroller.hpp"
#include "ext/voice/gstvoicesettings.hpp"
#include "gst/glue/frame_meta.hpp"
#include "gst/glue/ref.hpp"

GST_DEBUG_CATEGORY(dv_discord_voice_src_debug);
#define GST_CAT_DEFAULT dv_discord_voice_src_debug

using dv::voice::Controller;
using dv::voice::RunConfig;
using dv::voice::Settings;

namespace {

GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS,
                                                            GST_STATIC_CAPS(DV_CAPS_DISCORD_RTP));

constexpr char kScheme[] = "discord";

enum { kSignalPause, kSignalResume, kSignalUpdateVoice, kSignalGatewayPayload, kSignals };
guint signals[kSignals];

void uri_handler_init(gpointer iface, gpointer);

}  // namespace

struct _GstDiscordVoiceSrc {
  GstPushSrc parent_instance;
  Settings *settings;      // under the object lock
  Controller *controller;  // own lock
  RunConfig *run;          // state changes only: checked, and taken by start
};

G_DEFINE_FINAL_TYPE_WITH_CODE(GstDiscordVoiceSrc, dv_discord_voice_src, GST_TYPE_PUSH_SRC,
                              G_IMPLEMENT_INTERFACE(GST_TYPE_URI_HANDLER, uri_handler_init))
GST_ELEMENT_REGISTER_DEFINE_WITH_CODE(discordvoicesrc, "discordvoicesrc", GST_RANK_NONE,
                                      DV_TYPE_DISCORD_VOICE_SRC,
                                      GST_DEBUG_CATEGORY_INIT(dv_discord_voice_src_debug,
                                                              "discordvoicesrc", 0,
                                                              "Discord voice source"))

static void dv_discord_voice_src_set_property(GObject *object, guint id, const GValue *value,
                                              GParamSpec *) {
  auto *self = DV_DISCORD_VOICE_SRC(object);
  if (id == dv::voice::kPropPaused) {
    self->controller->intake.set_paused(g_value_get_boolean(value));
    return;
  }
  dv::ObjectLock lock(self);
  dv::voice::set_property(object, *self->settings, id, value);
}

static void dv_discord_voice_src_get_property(GObject *object, guint id, GValue *value,
                                              GParamSpec *) {
  auto *self = DV_DISCORD_VOICE_SRC(object);
  if (id == dv::voice::kPropPaused) {
    g_value_set_boolean(value, self->controller->intake.paused());
  } else if (id == dv::voice::kPropStats) {
    g_value_take_boxed(value, self->controller->stats());
  } else {
    dv::ObjectLock lock(self);
    dv::voice::get_property(object, *self->settings, id, value);
  }
}

// Life cycle

static Settings dv_discord_voice_src_copy_settings(GstDiscordVoiceSrc *self) {
  dv::ObjectLock lock(self);
  return self->settings->clone();
}

/** Sources find the main session to share by a context; who is the first to ask gives one. */
static void dv_discord_voice_src_find_sessions(GstDiscordVoiceSrc *self) {
  auto *element = GST_ELEMENT(self);
  const auto missing = [self] {
    dv::ObjectLock lock(self);
    return !self->settings->sessions && !self->settings->hand_over();
  };
  if (!missing()) return;
  gst_element_post_message(
      element, gst_message_new_need_context(GST_OBJECT(self), dv::voice::kSessionsContext));
  if (!missing()) return;
  GstContext *ours = dv::voice::sessions_context_new(dv::voice::default_sessions());
  gst_element_set_context(element, ours);
  gst_element_post_message(element, gst_message_new_have_context(GST_OBJECT(self), ours));
}

/** Checks everything that can be known without a network; posts what is wrong. */
static gboolean dv_discord_voice_src_prepare(GstDiscordVoiceSrc *self) {
  return dv::guarded<gboolean>(self, FALSE, [self]() -> gboolean {
    auto *element = GST_ELEMENT(self);
    dv_discord_voice_src_find_sessions(self);
    Settings settings = dv_discord_voice_src_copy_settings(self);
    if (dv::voice::lacks_token(settings)) {
      // Whoever has credentials answers at once, by set_context.
      gst_element_post_message(
          element, gst_message_new_need_context(GST_OBJECT(self), dv::voice::kCredentialsContext));
      settings = dv_discord_voice_src_copy_settings(self);
    }
    auto run = dv::voice::make_run_config(element, settings);
    if (!run) return FALSE;
    *self->run = std::move(*run);
    return TRUE;
  });
}

static gboolean dv_discord_voice_src_start(GstBaseSrc *src) {
  auto *self = DV_DISCORD_VOICE_SRC(src);
  return dv::guarded<gboolean>(self, FALSE, [self]() -> gboolean {
    self->controller->start(std::exchange(*self->run, {}));
    return TRUE;
  });
}

static gboolean dv_discord_voice_src_stop(GstBaseSrc *src) {
  DV_DISCORD_VOICE_SRC(src)->controller->stop();
  return TRUE;
}

static gboolean dv_discord_voice_src_unlock(GstBaseSrc *src) {
  DV_DISCORD_VOICE_SRC(src)->controller->intake.set_flushing(true);
  return TRUE;
}

static gboolean dv_discord_voice_src_unlock_stop(GstBaseSrc *src) {
  DV_DISCORD_VOICE_SRC(src)->controller->intake.set_flushing(false);
  return TRUE;
}

static GstStateChangeReturn dv_discord_voice_src_change_state(GstElement *element,
                                                              GstStateChange transition) {
  auto *self = DV_DISCORD_VOICE_SRC(element);
  // Not in `start`: the base class would follow its failure with a second error that says nothing.
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED && !dv_discord_voice_src_prepare(self)) {
    return GST_STATE_CHANGE_FAILURE;
  }
  if (transition == GST_STATE_CHANGE_PLAYING_TO_PAUSED) {
    self->controller->intake.set_playing(false);
  }
  const GstStateChangeReturn result =
      GST_ELEMENT_CLASS(dv_discord_voice_src_parent_class)->change_state(element, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_PLAYING && result != GST_STATE_CHANGE_FAILURE) {
    self->controller->intake.set_playing(true);
  }
  return result;
}

static void dv_discord_voice_src_set_context(GstElement *element, GstContext *context) {
  auto *self = DV_DISCORD_VOICE_SRC(element);
  if (gst_context_has_context_type(context, dv::voice::kCredentialsContext)) {
    const gchar *file = gst_structure_get_string(gst_context_get_structure(context), "token-file");
    dv::ObjectLock lock(self);
    self->settings->context_token_file = file != nullptr ? file : "";
  }
  if (gst_context_has_context_type(context, dv::voice::kSessionsContext)) {
    auto sessions = dv::voice::sessions_from_context(context);
    dv::ObjectLock lock(self);
    self->settings->sessions = std::move(sessions);
  }
  GST_ELEMENT_CLASS(dv_discord_voice_src_parent_class)->set_context(element, context);
}

// Data

static void dv_discord_voice_src_give_event(GstDiscordVoiceSrc *self, dv::Ref<GstEvent> event) {
  GstPad *pad = GST_BASE_SRC_PAD(self);
  // The base class sends the segment with the first buffer; before it an event can only be left on
  // the pad, which passes it on in its place.
  if (GstEvent *segment = gst_pad_get_sticky_event(pad, GST_EVENT_SEGMENT, 0)) {
    gst_event_unref(segment);
    gst_pad_push_event(pad, event.release());
  } else {
    gst_pad_store_sticky_event(pad, event.get());
  }
}

static GstFlowReturn dv_discord_voice_src_create(GstPushSrc *src, GstBuffer **out) {
  auto *self = DV_DISCORD_VOICE_SRC(src);
  for (;;) {
    dv::voice::Intake::Taken taken = self->controller->intake.pop();
    if (taken.flow != GST_FLOW_OK) {
      if (taken.flow == GST_FLOW_EOS) self->controller->stream_ended();
      return taken.flow;
    }
    if (taken.event) {
      dv_discord_voice_src_give_event(self, std::move(taken.event));
      continue;
    }
    if (gst_buffer_list_length(taken.buffers.get()) == 1) {
      *out = gst_buffer_ref(gst_buffer_list_get(taken.buffers.get(), 0));
    } else {
      gst_base_src_submit_buffer_list(GST_BASE_SRC(src), taken.buffers.release());
    }
    return GST_FLOW_OK;
  }
}

static gboolean dv_discord_voice_src_send_event(GstElement *element, GstEvent *event) {
  auto *self = DV_DISCORD_VOICE_SRC(element);
  // The base class would flush the queue; this way everything received so far goes before the EOS.
  if (GST_EVENT_TYPE(event) == GST_EVENT_EOS && self->controller->finish()) {
    gst_event_unref(event);
    return TRUE;
  }
  return GST_ELEMENT_CLASS(dv_discord_voice_src_parent_class)->send_event(element, event);
}

static gboolean dv_discord_voice_src_is_seekable(GstBaseSrc *) { return FALSE; }

// Commands

static void dv_discord_voice_src_pause(GstDiscordVoiceSrc *self) {
  self->controller->intake.set_paused(true);
  g_object_notify(G_OBJECT(self), "paused");
}

static void dv_discord_voice_src_resume(GstDiscordVoiceSrc *self) {
  self->controller->intake.set_paused(false);
  g_object_notify(G_OBJECT(self), "paused");
}

static gboolean dv_discord_voice_src_update_voice(GstDiscordVoiceSrc *self, const gchar *json) {
  if (json == nullptr) return FALSE;
  auto update = dv::voice::parse_hand_over(json);
  return update && self->controller->hand_over(std::move(*update));
}

// discord://GUILD/CHANNEL

static gboolean dv_discord_voice_src_set_uri(GstURIHandler *handler, const gchar *text,
                                             GError **error) {
  auto *self = DV_DISCORD_VOICE_SRC(handler);
  if (GST_STATE(self) > GST_STATE_READY) {
    g_set_error(error, GST_URI_ERROR, GST_URI_ERROR_BAD_STATE,
                "The URI can not be changed while the element is connected");
    return FALSE;
  }
  const std::string_view uri = text;
  if (uri.find_first_of("@?#") != std::string_view::npos) {
    // Not repeated here: it may hold a token.
    g_set_error(error, GST_URI_ERROR, GST_URI_ERROR_BAD_URI,
                "A voice channel is discord://GUILD/CHANNEL and nothing else. URIs are shown and "
                "logged: the token comes from DISCORD_TOKEN, token-file or a GstContext");
    return FALSE;
  }
  const std::size_t start = std::strlen(kScheme) + 3;
  const std::size_t slash = uri.find('/', std::min(start, uri.size()));
  if (slash != std::string_view::npos) {
    std::string_view channel = uri.substr(slash + 1);
    if (channel.ends_with('/')) channel.remove_suffix(1);
    const auto guild_id = dv::voice::parse_snowflake(uri.substr(start, slash - start));
    const auto channel_id = dv::voice::parse_snowflake(channel);
    if (guild_id && channel_id) {
      dv::ObjectLock lock(self);
      self->settings->guild_id = std::to_string(*guild_id);
      self->settings->channel_id = std::to_string(*channel_id);
      return TRUE;
    }
  }
  g_set_error(error, GST_URI_ERROR, GST_URI_ERROR_BAD_URI,
              "A voice channel is discord://GUILD/CHANNEL, both in digits");
  return FALSE;
}

static gchar *dv_discord_voice_src_get_uri(GstURIHandler *handler) {
  auto *self = DV_DISCORD_VOICE_SRC(handler);
  dv::ObjectLock lock(self);
  const Settings &s = *self->settings;
  if (s.guild_id.empty() || s.channel_id.empty()) return nullptr;
  return g_strdup_printf("%s://%s/%s", kScheme, s.guild_id.c_str(), s.channel_id.c_str());
}

namespace {
void uri_handler_init(gpointer iface, gpointer) {
  auto *handler = static_cast<GstURIHandlerInterface *>(iface);
  handler->get_type = [](GType) { return GST_URI_SRC; };
  handler->get_protocols = [](GType) -> const gchar *const * {
    static const gchar *const protocols[] = {kScheme, nullptr};
    return protocols;
  };
  handler->get_uri = dv_discord_voice_src_get_uri;
  handler->set_uri = dv_discord_voice_src_set_uri;
}
}  // namespace

static void dv_discord_voice_src_finalize(GObject *object) {
  auto *self = DV_DISCORD_VOICE_SRC(object);
  delete self->controller;
  delete self->run;
  delete self->settings;
  G_OBJECT_CLASS(dv_discord_voice_src_parent_class)->finalize(object);
}

static void dv_discord_voice_src_init(GstDiscordVoiceSrc *self) {
  self->settings = new Settings;
  self->controller = new Controller(GST_ELEMENT(self));
  self->run = new RunConfig;
  gst_base_src_set_live(GST_BASE_SRC(self), TRUE);
  gst_base_src_set_format(GST_BASE_SRC(self), GST_FORMAT_TIME);
}

static void dv_discord_voice_src_install_signals(GObjectClass *klass) {
  const GType type = G_TYPE_FROM_CLASS(klass);
  const auto action = static_cast<GSignalFlags>(G_SIGNAL_RUN_LAST | G_SIGNAL_ACTION);
  /**
   * discordvoicesrc::pause:
   * Sets the property `paused`. Any thread, any state.
   */
  signals[kSignalPause] =
      g_signal_new_class_handler("pause", type, action, G_CALLBACK(dv_discord_voice_src_pause),
                                 nullptr, nullptr, nullptr, G_TYPE_NONE, 0);
  /**
   * discordvoicesrc::resume:
   * Clears the property `paused`. Any thread, any state.
   */
  signals[kSignalResume] =
      g_signal_new_class_handler("resume", type, action, G_CALLBACK(dv_discord_voice_src_resume),
                                 nullptr, nullptr, nullptr, G_TYPE_NONE, 0);
  /**
   * discordvoicesrc::update-voice:
   * @json: one object as on `handover-fd`; what is absent is unchanged, a null `channelId` means
   * that the bot has left, a null `endpoint` that another one follows
   *
   * Hand-over mode: new voice credentials. Returns FALSE when the text is not understood or the
   * element is not running in that mode. Any thread.
   */
  signals[kSignalUpdateVoice] = g_signal_new_class_handler(
      "update-voice", type, action, G_CALLBACK(dv_discord_voice_src_update_voice), nullptr, nullptr,
      nullptr, G_TYPE_BOOLEAN, 1, G_TYPE_STRING);
  /**
   * discordvoicesrc::send-gateway-payload:
   * @json: a payload of the main gateway
   *
   * Hand-over mode: the bot should send this (op 4: join anew after a loss, or leave). Emitted from
   * the network thread, without a lock; do not wait in it.
   */
  signals[kSignalGatewayPayload] =
      g_signal_new("send-gateway-payload", type, G_SIGNAL_RUN_LAST, 0, nullptr, nullptr, nullptr,
                   G_TYPE_NONE, 1, G_TYPE_STRING);
}

static void dv_discord_voice_src_class_init(GstDiscordVoiceSrcClass *klass) {
  auto *object_class = G_OBJECT_CLASS(klass);
  auto *element_class = GST_ELEMENT_CLASS(klass);
  auto *base_class = GST_BASE_SRC_CLASS(klass);
  // Key material and random numbers need it, and it is not thread-safe the first time.
  if (sodium_init() < 0) g_critical("libsodium can not be initialised");

  object_class->set_property = dv_discord_voice_src_set_property;
  object_class->get_property = dv_discord_voice_src_get_property;
  object_class->finalize = dv_discord_voice_src_finalize;
  dv::voice::install_properties(object_class);
  dv_discord_voice_src_install_signals(object_class);
  g_type_ensure(DV_TYPE_DISCORD_SESSIONS);
  gst_type_mark_as_plugin_api(dv::voice::encryption_mode_type(), static_cast<GstPluginAPIFlags>(0));

  element_class->change_state = GST_DEBUG_FUNCPTR(dv_discord_voice_src_change_state);
  element_class->send_event = GST_DEBUG_FUNCPTR(dv_discord_voice_src_send_event);
  element_class->set_context = GST_DEBUG_FUNCPTR(dv_discord_voice_src_set_context);
  base_class->start = GST_DEBUG_FUNCPTR(dv_discord_voice_src_start);
  base_class->stop = GST_DEBUG_FUNCPTR(dv_discord_voice_src_stop);
  base_class->unlock = GST_DEBUG_FUNCPTR(dv_discord_voice_src_unlock);
  base_class->unlock_stop = GST_DEBUG_FUNCPTR(dv_discord_voice_src_unlock_stop);
  base_class->is_seekable = GST_DEBUG_FUNCPTR(dv_discord_voice_src_is_seekable);
  GST_PUSH_SRC_CLASS(klass)->create = GST_DEBUG_FUNCPTR(dv_discord_voice_src_create);

  gst_element_class_add_static_pad_template(element_class, &src_template);
  gst_element_class_set_static_metadata(
      element_class, "Discord voice source", "Source/Network/Audio",
      "Joins a Discord voice channel and receives everybody's voice, encrypted",
      "gst-discord-voice maintainers");
}
