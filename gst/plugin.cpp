// SPDX-License-Identifier: LGPL-2.1-or-later
#include <gst/gst.h>

#include "ext/voice/gstdiscordvoicesrc.hpp"
#include "ext/decrypt/gstdiscorddecrypt.h"
#include "gst/filesink/gstdiscordfilesink.hpp"
#include "gst/glue/frame_meta.hpp"
#include "gst/reorder/gstrtpjitterreorder.hpp"
#include "gst/voicebin/gstdiscordvoicebin.hpp"

// Elements are registered one by one, so that one missing piece does not hide the rest.
static gboolean plugin_init(GstPlugin *plugin) {
  gboolean any = FALSE;
  dv_rtp_frame_meta_get_info();
  dv_session_meta_get_info();
  any |= GST_ELEMENT_REGISTER(discorddecrypt, plugin);
  any |= GST_ELEMENT_REGISTER(discordfilesink, plugin);
  any |= GST_ELEMENT_REGISTER(discordvoicesrc, plugin);
  any |= GST_ELEMENT_REGISTER(discordvoicebin, plugin);
  any |= GST_ELEMENT_REGISTER(rtpjitterreorder, plugin);
  return any;
}

GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, discordvoice,
                  "Discord voice receive: join a channel, decrypt, order, record", plugin_init,
                  PACKAGE_VERSION, "LGPL", "gst-discord-voice", "https://gstreamer.freedesktop.org")
