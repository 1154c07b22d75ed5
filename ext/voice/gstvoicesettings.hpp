// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

#include <optional>
#include <string>

#include "ext/voice/gstvoicecontroller.hpp"
#include "ext/voice/gstvoiceenums.hpp"

namespace dv::voice {

/** The properties of discordvoicesrc as set; guarded by the element's object lock. */
struct Settings {
  Secret token;
  std::string token_file;
  std::string guild_id;
  std::string channel_id;
  bool self_mute = true;
  bool self_deaf = false;
  std::string gateway_url = "wss://gateway.discord.gg";
  std::string ca_file;
  std::shared_ptr<GTlsDatabase> tls_database;
  EncryptionMode encryption_mode = EncryptionMode::automatic;
  guint max_dave_version = 1;
  guint64 timeout = 20 * GST_SECOND;
  guint buffer_size = 4 * 1024 * 1024;
  bool follow = true;
  std::string endpoint;
  Secret session_id;
  Secret voice_token;
  std::string user_id;
  int handover_fd = -1;
  std::string context_token_file;          ///< from a GstContext
  std::shared_ptr<MainSessions> sessions;  ///< from a GstContext

  Settings clone() const;
  bool hand_over() const {
    return !endpoint.empty() || !session_id.empty() || !voice_token.empty() || !user_id.empty() ||
           handover_fd >= 0;
  }
};

/** Context type with a field `token-file` (string), for sources that have no token of their own. */
inline constexpr char kCredentialsContext[] = "discord.credentials";

/**
 * Checks the settings and finds the token. What is wrong is posted as one error, and nothing is
 * returned.
 */
std::optional<RunConfig> make_run_config(GstElement *element, const Settings &settings);
/** Whether the token would have to come from somewhere else. */
bool lacks_token(const Settings &settings);

void install_properties(GObjectClass *klass);
void set_property(GObject *object, Settings &settings, guint id, const GValue *value);
void get_property(GObject *object, const Settings &settings, guint id, GValue *value);

/** Ids of the properties that the element handles itself. */
inline constexpr guint kPropPaused = 1;
inline constexpr guint kPropStats = 2;

std::optional<std::uint64_t> parse_snowflake(std::string_view text);

}  // namespace dv::voice
