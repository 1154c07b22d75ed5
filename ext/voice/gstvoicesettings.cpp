// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/voice/gstvoicesettings.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "ext/voice/core/endpoint.hpp"
#include "ext/voice/net/trust.hpp"

namespace dv::voice {
namespace {

constexpr gsize kMaxToken = 4096;

std::string_view trim(std::string_view text) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

/** Empty when it can not be a token. The prefix of HTTP headers is a common slip. */
Secret clean_token(std::string_view text) {
  text = trim(text);
  if (text.starts_with("Bot ")) text = trim(text.substr(4));
  const bool plain =
      std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 127; });
  return plain && text.size() <= kMaxToken ? Secret::from_text(text) : Secret{};
}

std::optional<Secret> token_from_file(GstElement *element, const std::string &path) {
  gchar *text = nullptr;
  gsize size = 0;
  GError *error = nullptr;
  if (!g_file_get_contents(path.c_str(), &text, &size, &error)) {
    GST_ELEMENT_ERROR(element, RESOURCE, OPEN_READ, ("The token file can not be read."),
                      ("%s", error->message));
    g_error_free(error);
    return std::nullopt;
  }
  Secret token = clean_token({text, size});
  wipe_memory(text, size);
  g_free(text);
  if (token.empty()) {
    GST_ELEMENT_ERROR(element, RESOURCE, SETTINGS,
                      ("The token file '%s' holds no bot token.", path.c_str()), (nullptr));
    return std::nullopt;
  }
  return token;
}

std::optional<Secret> find_token(GstElement *element, const Settings &settings) {
  if (!settings.token.empty()) {
    Secret token = clean_token(settings.token.text());
    if (!token.empty()) return token;
    GST_ELEMENT_ERROR(element, RESOURCE, SETTINGS,
                      ("The property 'token' holds characters that no bot token has."), (nullptr));
    return std::nullopt;
  }
  if (!settings.token_file.empty()) return token_from_file(element, settings.token_file);
  if (const char *text = std::getenv("DISCORD_TOKEN"); text != nullptr && *text != '\0') {
    Secret token = clean_token(text);
    if (!token.empty()) return token;
    GST_ELEMENT_ERROR(
        element, RESOURCE, SETTINGS,
        ("The environment variable DISCORD_TOKEN holds characters that no bot token has."),
        (nullptr));
    return std::nullopt;
  }
  if (!settings.context_token_file.empty()) {
    return token_from_file(element, settings.context_token_file);
  }
  GST_ELEMENT_ERROR(element, RESOURCE, SETTINGS,
                    ("No bot token: set the environment variable DISCORD_TOKEN, the property "
                     "'token-file' or the property 'token'."),
                    (nullptr));
  return std::nullopt;
}

/** A required id; 0 after it has posted what is wrong. */
std::uint64_t required_id(GstElement *element, const char *property, const std::string &text) {
  if (text.empty()) {
    GST_ELEMENT_ERROR(element, RESOURCE, SETTINGS, ("The property '%s' is not set.", property),
                      (nullptr));
    return 0;
  }
  if (const auto id = parse_snowflake(text)) return *id;
  GST_ELEMENT_ERROR(
      element, RESOURCE, SETTINGS,
      ("The property '%s' must be a Discord id (digits only), not '%s'.", property, text.c_str()),
      (nullptr));
  return 0;
}

bool check_trust(GstElement *element, const std::string &ca_file) {
  if (ca_file.empty()) return true;
  std::string problem;
  GTlsDatabase *trust = load_trust(ca_file, problem);
  if (trust != nullptr) {
    g_object_unref(trust);
    return true;
  }
  GST_ELEMENT_ERROR(
      element, RESOURCE, SETTINGS,
      ("The certificate authorities in ca-file '%s' can not be used.", ca_file.c_str()),
      ("%s", problem.c_str()));
  return false;
}

VoiceConfig voice_config(const Settings &settings) {
  VoiceConfig voice;
  voice.self_mute = settings.self_mute;
  voice.self_deaf = settings.self_deaf;
  voice.follow = settings.follow;
  voice.loopback = is_loopback_url(settings.gateway_url);
  voice.preferred_mode = settings.encryption_mode == EncryptionMode::xchacha20
                             ? TransportMode::xchacha20_poly1305_rtpsize
                             : TransportMode::aes256_gcm_rtpsize;
  voice.max_dave_version = static_cast<std::uint16_t>(settings.max_dave_version);
  voice.timeout = Time(static_cast<std::int64_t>(settings.timeout));
  return voice;
}

std::optional<RunConfig> hand_over_config(GstElement *element, const Settings &settings,
                                          RunConfig run) {
  VoiceConfig &voice = run.session.voice;
  voice.hand_over = true;
  run.hand_over_fd = settings.handover_fd;
  // What is missing may still come by the signal or the descriptor; what is there must be right.
  for (const auto &[property, text, id] :
       {std::tuple{"guild-id", &settings.guild_id, &voice.guild},
        std::tuple{"channel-id", &settings.channel_id, &voice.channel},
        std::tuple{"user-id", &settings.user_id, &voice.self}}) {
    if (text->empty()) continue;
    *id = required_id(element, property, *text);
    if (*id == 0) return std::nullopt;
  }
  HandOver &given = run.hand_over;
  if (voice.guild != 0) given.guild = voice.guild;
  if (voice.self != 0) given.user = voice.self;
  if (voice.channel != 0) {
    given.has_channel = true;
    given.channel = voice.channel;
  }
  if (!settings.session_id.empty()) given.session_id = settings.session_id.clone();
  if (!settings.voice_token.empty()) given.token = settings.voice_token.clone();
  if (!settings.endpoint.empty()) {
    given.has_endpoint = true;
    given.endpoint = settings.endpoint;
  }
  return run;
}

}  // namespace

std::optional<std::uint64_t> parse_snowflake(std::string_view text) {
  std::uint64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc{} || end != text.data() + text.size() || id == 0) return std::nullopt;
  return id;
}

Settings Settings::clone() const {
  Settings copy;
  copy.token = token.clone();
  copy.token_file = token_file;
  copy.guild_id = guild_id;
  copy.channel_id = channel_id;
  copy.self_mute = self_mute;
  copy.self_deaf = self_deaf;
  copy.gateway_url = gateway_url;
  copy.ca_file = ca_file;
  copy.tls_database = tls_database;
  copy.encryption_mode = encryption_mode;
  copy.max_dave_version = max_dave_version;
  copy.timeout = timeout;
  copy.buffer_size = buffer_size;
  copy.follow = follow;
  copy.endpoint = endpoint;
  copy.session_id = session_id.clone();
  copy.voice_token = voice_token.clone();
  copy.user_id = user_id;
  copy.handover_fd = handover_fd;
  copy.context_token_file = context_token_file;
  copy.sessions = sessions;
  return copy;
}

bool lacks_token(const Settings &settings) {
  const char *text = std::getenv("DISCORD_TOKEN");
  return !settings.hand_over() && settings.token.empty() && settings.token_file.empty() &&
         settings.context_token_file.empty() && (text == nullptr || *text == '\0');
}

std::optional<RunConfig> make_run_config(GstElement *element, const Settings &settings) {
  RunConfig run;
  run.session.voice = voice_config(settings);
  run.session.udp_buffer_size = static_cast<int>(settings.buffer_size);
  MainKey &main = run.session.main;
  main.ca_file = settings.ca_file;
  main.trust = settings.tls_database;
  main.startup_timeout = run.session.voice.timeout;
  if (!main.trust && !check_trust(element, settings.ca_file)) return std::nullopt;
  if (settings.hand_over()) return hand_over_config(element, settings, std::move(run));

  const auto url = gateway_url(settings.gateway_url);
  if (!url) {
    GST_ELEMENT_ERROR(element, RESOURCE, SETTINGS,
                      ("The property 'gateway-url' must be a wss:// URL, not '%s'.",
                       settings.gateway_url.c_str()),
                      (nullptr));
    return std::nullopt;
  }
  main.url = *url;
  run.session.sessions = settings.sessions;
  run.session.voice.guild = required_id(element, "guild-id", settings.guild_id);
  if (run.session.voice.guild == 0) return std::nullopt;
  run.session.voice.channel = required_id(element, "channel-id", settings.channel_id);
  if (run.session.voice.channel == 0) return std::nullopt;
  auto token = find_token(element, settings);
  if (!token) return std::nullopt;
  main.token = std::move(*token);
  return run;
}

}  // namespace dv::voice
