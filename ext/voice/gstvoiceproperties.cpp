// SPDX-License-Identifier: LGPL-2.1-or-later
// The properties of discordvoicesrc: what they are, set and read. All but `paused` and `stats` only
// store; `start` takes a copy.
#include "ext/voice/gstvoicesettings.hpp"

namespace dv::voice {
namespace {

enum : guint {
  kToken = kPropStats + 1,
  kTokenFile,
  kGuildId,
  kChannelId,
  kSelfMute,
  kSelfDeaf,
  kGatewayUrl,
  kCaFile,
  kTlsDatabase,
  kEncryptionMode,
  kMaxDaveVersion,
  kTimeout,
  kBufferSize,
  kFollow,
  kEndpoint,
  kSessionId,
  kVoiceToken,
  kUserId,
  kHandoverFd,
  kLast,
};

constexpr auto kFlags =
    static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY);
constexpr auto kSecretFlags =
    static_cast<GParamFlags>(G_PARAM_WRITABLE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY);
constexpr auto kPlayingFlags = static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
                                                        GST_PARAM_MUTABLE_PLAYING);
constexpr auto kReadFlags = static_cast<GParamFlags>(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

void install_account(GObjectClass *klass) {
  g_object_class_install_property(
      klass, kToken,
      g_param_spec_string("token", "Token",
                          "Bot token, without the prefix \"Bot \". Descriptions of pipelines are "
                          "logged and command lines are public: prefer token-file or the "
                          "environment variable DISCORD_TOKEN, which is read when neither is set",
                          nullptr, kSecretFlags));
  g_object_class_install_property(
      klass, kTokenFile,
      g_param_spec_string("token-file", "Token File",
                          "File that holds the bot token and nothing else but white space", nullptr,
                          kFlags));
  g_object_class_install_property(
      klass, kGuildId,
      g_param_spec_string("guild-id", "Guild Id", "Id of the guild (server), in digits", nullptr,
                          kFlags));
  g_object_class_install_property(
      klass, kChannelId,
      g_param_spec_string("channel-id", "Channel Id",
                          "Id of the voice or stage channel to join, in digits", nullptr, kFlags));
  g_object_class_install_property(
      klass, kSelfMute,
      g_param_spec_boolean("self-mute", "Self Mute", "Show the bot as muted in the channel", TRUE,
                           kFlags));
  g_object_class_install_property(
      klass, kSelfDeaf,
      g_param_spec_boolean("self-deaf", "Self Deaf",
                           "Show the bot as deafened; it receives all the same, and people should "
                           "see that they are heard",
                           FALSE, kFlags));
  g_object_class_install_property(
      klass, kFollow,
      g_param_spec_boolean("follow", "Follow",
                           "Go on in the channel that a moderator moves the bot to; otherwise the "
                           "stream ends there",
                           TRUE, kFlags));
}

void install_connection(GObjectClass *klass) {
  g_object_class_install_property(
      klass, kGatewayUrl,
      g_param_spec_string(
          "gateway-url", "Gateway URL",
          "Main gateway (wss), with or without query. Voice servers on the loopback "
          "are accepted only when this URL is on the loopback",
          "wss://gateway.discord.gg", kFlags));
  g_object_class_install_property(
      klass, kCaFile,
      g_param_spec_string("ca-file", "CA File",
                          "PEM file of the certificate authorities to trust instead of the "
                          "system's. Certificates are always verified",
                          nullptr, kFlags));
  g_object_class_install_property(
      klass, kTlsDatabase,
      g_param_spec_object("tls-database", "TLS Database",
                          "Certificate authorities to trust, instead of ca-file or the system's",
                          G_TYPE_TLS_DATABASE, kFlags));
  g_object_class_install_property(
      klass, kEncryptionMode,
      g_param_spec_enum("encryption-mode", "Encryption Mode",
                        "Transport encryption to choose where the server offers it, else the other "
                        "one",
                        encryption_mode_type(), static_cast<gint>(EncryptionMode::automatic),
                        kFlags));
  g_object_class_install_property(
      klass, kMaxDaveVersion,
      g_param_spec_uint("max-dave-version", "Max DAVE Version",
                        "Newest version of the end-to-end encryption DAVE to offer (0 = none: only "
                        "stage channels let such a bot in)",
                        0, 1, 1, kFlags));
  g_object_class_install_property(
      klass, kTimeout,
      g_param_spec_uint64("timeout", "Timeout",
                          "How long the gateway, the answer to a join and the voice handshake may "
                          "take each, in nanoseconds",
                          GST_SECOND, 3600 * GST_SECOND, 20 * GST_SECOND, kFlags));
  g_object_class_install_property(
      klass, kBufferSize,
      g_param_spec_uint("buffer-size", "Buffer Size",
                        "Size of the UDP socket's receive buffer in bytes (0 = system's default); "
                        "stats tell what was granted",
                        0, 1u << 30, 4 * 1024 * 1024, kFlags));
}

void install_hand_over(GObjectClass *klass) {
  g_object_class_install_property(
      klass, kEndpoint,
      g_param_spec_string(
          "endpoint", "Endpoint",
          "Hand-over mode: voice endpoint (host or host:port) that another program's "
          "bot was told in VOICE_SERVER_UPDATE. With any property of this mode set no "
          "main gateway is opened",
          nullptr, kFlags));
  g_object_class_install_property(
      klass, kSessionId,
      g_param_spec_string("session-id", "Session Id",
                          "Hand-over mode: session id of the bot's own voice state", nullptr,
                          kSecretFlags));
  g_object_class_install_property(
      klass, kVoiceToken,
      g_param_spec_string("voice-token", "Voice Token",
                          "Hand-over mode: token of VOICE_SERVER_UPDATE", nullptr, kSecretFlags));
  g_object_class_install_property(
      klass, kUserId,
      g_param_spec_string("user-id", "User Id", "Hand-over mode: id of the bot's user, in digits",
                          nullptr, kFlags));
  g_object_class_install_property(
      klass, kHandoverFd,
      g_param_spec_int("handover-fd", "Handover FD",
                       "Hand-over mode: descriptor from which JSON lines are read, with the fields "
                       "token, endpoint, sessionId, channelId, guildId, userId (-1 = none)",
                       -1, G_MAXINT, -1, kFlags));
}

void assign(std::string &field, const GValue *value) {
  const gchar *text = g_value_get_string(value);
  field = text != nullptr ? text : "";
}

void assign(Secret &field, const GValue *value) {
  const gchar *text = g_value_get_string(value);
  field = text != nullptr ? Secret::from_text(text) : Secret{};
}

std::string *text_field(Settings &settings, guint id) {
  switch (id) {
    case kTokenFile:
      return &settings.token_file;
    case kGuildId:
      return &settings.guild_id;
    case kChannelId:
      return &settings.channel_id;
    case kGatewayUrl:
      return &settings.gateway_url;
    case kCaFile:
      return &settings.ca_file;
    case kEndpoint:
      return &settings.endpoint;
    case kUserId:
      return &settings.user_id;
    default:
      return nullptr;
  }
}

Secret *secret_field(Settings &settings, guint id) {
  switch (id) {
    case kToken:
      return &settings.token;
    case kSessionId:
      return &settings.session_id;
    case kVoiceToken:
      return &settings.voice_token;
    default:
      return nullptr;
  }
}

std::shared_ptr<GTlsDatabase> share(GTlsDatabase *trust) {
  if (trust == nullptr) return nullptr;
  return {trust, [](GTlsDatabase *p) { g_object_unref(p); }};
}

}  // namespace

void install_properties(GObjectClass *klass) {
  install_account(klass);
  install_connection(klass);
  install_hand_over(klass);
  g_object_class_install_property(
      klass, kPropPaused,
      g_param_spec_boolean("paused", "Paused",
                           "Stay in the channel, but discard what arrives (counted in stats)",
                           FALSE, kPlayingFlags));
  g_object_class_install_property(
      klass, kPropStats,
      g_param_spec_boxed("stats", "Statistics",
                         "Counters of this run: received = delivered + queued + all drop-…; times "
                         "in nanoseconds",
                         GST_TYPE_STRUCTURE, kReadFlags));
}

void set_property(GObject *object, Settings &settings, guint id, const GValue *value) {
  if (std::string *text = text_field(settings, id)) return assign(*text, value);
  if (Secret *secret = secret_field(settings, id)) return assign(*secret, value);
  switch (id) {
    case kSelfMute:
      settings.self_mute = g_value_get_boolean(value);
      break;
    case kSelfDeaf:
      settings.self_deaf = g_value_get_boolean(value);
      break;
    case kTlsDatabase:
      settings.tls_database = share(G_TLS_DATABASE(g_value_dup_object(value)));
      break;
    case kEncryptionMode:
      settings.encryption_mode = static_cast<EncryptionMode>(g_value_get_enum(value));
      break;
    case kMaxDaveVersion:
      settings.max_dave_version = g_value_get_uint(value);
      break;
    case kTimeout:
      settings.timeout = g_value_get_uint64(value);
      break;
    case kBufferSize:
      settings.buffer_size = g_value_get_uint(value);
      break;
    case kFollow:
      settings.follow = g_value_get_boolean(value);
      break;
    case kHandoverFd:
      settings.handover_fd = g_value_get_int(value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, nullptr);
  }
}

void get_property(GObject *object, const Settings &settings, guint id, GValue *value) {
  if (const std::string *text = text_field(const_cast<Settings &>(settings), id)) {
    g_value_set_string(value, text->empty() ? nullptr : text->c_str());
    return;
  }
  switch (id) {
    case kSelfMute:
      g_value_set_boolean(value, settings.self_mute);
      break;
    case kSelfDeaf:
      g_value_set_boolean(value, settings.self_deaf);
      break;
    case kTlsDatabase:
      g_value_set_object(value, settings.tls_database.get());
      break;
    case kEncryptionMode:
      g_value_set_enum(value, static_cast<gint>(settings.encryption_mode));
      break;
    case kMaxDaveVersion:
      g_value_set_uint(value, settings.max_dave_version);
      break;
    case kTimeout:
      g_value_set_uint64(value, settings.timeout);
      break;
    case kBufferSize:
      g_value_set_uint(value, settings.buffer_size);
      break;
    case kFollow:
      g_value_set_boolean(value, settings.follow);
      break;
    case kHandoverFd:
      g_value_set_int(value, settings.handover_fd);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, nullptr);
  }
}

}  // namespace dv::voice
