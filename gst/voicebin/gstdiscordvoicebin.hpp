// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

#define DV_TYPE_VOICE_BIN (dv_voice_bin_get_type())
G_DECLARE_FINAL_TYPE(GstDiscordVoiceBin, dv_voice_bin, DV, VOICE_BIN, GstBin)

GST_ELEMENT_REGISTER_DECLARE(discordvoicebin)

G_END_DECLS
