// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

#define DV_TYPE_DISCORD_DECRYPT (dv_discord_decrypt_get_type())
G_DECLARE_FINAL_TYPE(GstDiscordDecrypt, dv_discord_decrypt, DV, DISCORD_DECRYPT, GstElement)
GST_ELEMENT_REGISTER_DECLARE(discorddecrypt)

G_END_DECLS
