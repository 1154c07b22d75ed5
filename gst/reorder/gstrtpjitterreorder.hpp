// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS
#define DV_TYPE_RTP_JITTER_REORDER (dv_rtp_jitter_reorder_get_type())
G_DECLARE_FINAL_TYPE(GstRtpJitterReorder, dv_rtp_jitter_reorder, DV, RTP_JITTER_REORDER, GstElement)
GST_ELEMENT_REGISTER_DECLARE(rtpjitterreorder)
G_END_DECLS
