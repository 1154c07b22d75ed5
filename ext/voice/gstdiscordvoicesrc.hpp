// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/base/gstpushsrc.h>

G_BEGIN_DECLS

#define DV_TYPE_DISCORD_VOICE_SRC (dv_discord_voice_src_get_type())
G_DECLARE_FINAL_TYPE(GstDiscordVoiceSrc, dv_discord_voice_src, DV, DISCORD_VOICE_SRC, GstPushSrc)

GST_ELEMENT_REGISTER_DECLARE(discordvoicesrc)

G_END_DECLS
