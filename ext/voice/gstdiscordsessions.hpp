// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

#include <memory>

#include "ext/voice/net/main_session.hpp"

/**
 * GstDiscordSessions: what a context of type `discord.sessions` carries in its field `sessions`.
 * Sources that hold the same object and have the same token share one main session. An application
 * makes one with `g_object_new (g_type_from_name ("GstDiscordSessions"), NULL)`; it has no methods
 * and no properties. Any thread.
 */
#define DV_TYPE_DISCORD_SESSIONS (dv_discord_sessions_get_type())
G_DECLARE_FINAL_TYPE(GstDiscordSessions, dv_discord_sessions, DV, DISCORD_SESSIONS, GObject)

namespace dv::voice {

/** Context type of GstDiscordSessions. */
inline constexpr char kSessionsContext[] = "discord.sessions";

/** Of the process: for sources that nobody has given any others. */
const std::shared_ptr<MainSessions> &default_sessions();
/** A context that carries them, transfer full. */
GstContext *sessions_context_new(std::shared_ptr<MainSessions> sessions);
/** Null when the context carries none. */
std::shared_ptr<MainSessions> sessions_from_context(GstContext *context);

}  // namespace dv::voice
