// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

/** Caps feature of raw audio that carries frames of several speakers on one pad. */
#define DV_CAPS_FEATURE_META_RTP_FRAME "meta:RtpFrame"
/** Caps of datagrams as received, encrypted; links to nothing but discorddecrypt. */
#define DV_CAPS_DISCORD_RTP "application/x-discord-rtp"

typedef enum {
  DV_FRAME_FLAG_NONE = 0,
  DV_FRAME_FLAG_CONCEALED = 1 << 0, /**< made up for a lost packet (FEC or PLC) */
  DV_FRAME_FLAG_SILENCE = 1 << 1,   /**< Opus silence frame: the end of a talk spurt */
  DV_FRAME_FLAG_AFTER_GAP = 1 << 2, /**< numbers before this one are finally lost: do not wait */
  DV_FRAME_FLAG_RESTART = 1 << 3,   /**< the sender's numbering started anew here */
} DvFrameFlags;

typedef struct _DvRtpFrameMeta DvRtpFrameMeta;

/** Facts about one frame of one speaker; on every buffer with the feature meta:RtpFrame. */
struct _DvRtpFrameMeta {
  GstMeta meta;
  guint32 ssrc;
  guint32 session;      /**< voice session; SSRCs are unique within one only. 0: not known */
  guint64 user_id;      /**< Discord snowflake; 0: not known */
  guint64 extended_seq; /**< RTP sequence number, extended over wraps by the ordering stage */
  guint32 rtp_time;     /**< 48 kHz */
  guint32 samples;      /**< duration in 48 kHz samples */
  GstClockTime arrival; /**< running time at which the datagram was received */
  guint32 flags;        /**< DvFrameFlags */
};

/**
 * On each datagram from discordvoicesrc: the voice session whose keys open it.
 */
typedef struct _DvSessionMeta DvSessionMeta;
struct _DvSessionMeta {
  GstMeta meta;
  guint32 session;
};

GType dv_rtp_frame_meta_api_get_type(void);
const GstMetaInfo *dv_rtp_frame_meta_get_info(void);
DvRtpFrameMeta *dv_buffer_add_rtp_frame_meta(GstBuffer *buffer);
DvRtpFrameMeta *dv_buffer_get_rtp_frame_meta(GstBuffer *buffer);

GType dv_session_meta_api_get_type(void);
const GstMetaInfo *dv_session_meta_get_info(void);
DvSessionMeta *dv_buffer_add_session_meta(GstBuffer *buffer, guint32 session);
DvSessionMeta *dv_buffer_get_session_meta(GstBuffer *buffer);

G_END_DECLS
