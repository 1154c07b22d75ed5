// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS
#define DV_TYPE_DISCORD_FILE_SINK (dv_discord_file_sink_get_type())
G_DECLARE_FINAL_TYPE(GstDiscordFileSink, dv_discord_file_sink, DV, DISCORD_FILE_SINK, GstBin)
GST_ELEMENT_REGISTER_DECLARE(discordfilesink)
G_END_DECLS
