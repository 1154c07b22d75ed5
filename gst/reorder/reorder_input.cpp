// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/reorder/reorder_input.hpp"

#include <gst/rtp/gstrtpbuffer.h>
#include <gst/rtp/gstrtppayloads.h>

#include "ext/wire/opus_packet.hpp"
#include "gst/glue/frame_meta.hpp"

namespace dv {
namespace {

void take_meta(InputFrame &frame, const DvRtpFrameMeta &meta) {
  frame.session = meta.session;
  frame.user = meta.user_id;
  if (GST_CLOCK_TIME_IS_VALID(meta.arrival) && meta.arrival < G_MAXINT64) {
    frame.arrival = Time{static_cast<std::int64_t>(meta.arrival)};
    frame.arrival_is_exact = true;
  }
  frame.after_gap = meta.flags & DV_FRAME_FLAG_AFTER_GAP;
  frame.restart = meta.flags & DV_FRAME_FLAG_RESTART;
  frame.concealed = meta.flags & DV_FRAME_FLAG_CONCEALED;
  frame.silence = meta.flags & DV_FRAME_FLAG_SILENCE;
}

void take_stamps(InputFrame &frame, GstBuffer *buffer, const GstSegment &segment) {
  if (frame.arrival || segment.format != GST_FORMAT_TIME) return;
  const GstClockTime stamp = GST_BUFFER_DTS_OR_PTS(buffer);
  if (!GST_CLOCK_TIME_IS_VALID(stamp)) return;
  const guint64 running = gst_segment_to_running_time(&segment, GST_FORMAT_TIME, stamp);
  if (running < G_MAXINT64) frame.arrival = Time{static_cast<std::int64_t>(running)};
}

void take_opus(InputFrame &frame, GstRTPBuffer *rtp) {
  const ByteView payload{static_cast<const std::uint8_t *>(gst_rtp_buffer_get_payload(rtp)),
                         gst_rtp_buffer_get_payload_len(rtp)};
  if (auto opus = parse_opus(payload)) frame.samples = opus->samples;
  frame.silence = is_opus_silence(payload);
}

}  // namespace

InputFormat input_format(const GstCaps *caps) {
  InputFormat format;
  const GstStructure *s = gst_caps_get_structure(caps, 0);
  format.raw = gst_structure_has_name(s, "audio/x-raw");
  if (format.raw) return format;
  gint rate = 0;
  if (gst_structure_get_int(s, "clock-rate", &rate) && rate > 0) {
    format.clock_rate = static_cast<std::uint32_t>(rate);
  }
  const gchar *encoding = gst_structure_get_string(s, "encoding-name");
  format.opus = encoding && g_ascii_strcasecmp(encoding, "OPUS") == 0 && format.clock_rate == 48000;
  return format;
}

GstCaps *output_caps(const GstCaps *input, std::uint32_t ssrc, std::uint8_t payload_type) {
  GstCaps *caps = gst_caps_copy(input);
  GstStructure *s = gst_caps_get_structure(caps, 0);
  if (gst_structure_has_name(s, "audio/x-raw")) {
    gst_caps_set_features(caps, 0, nullptr);
    return caps;
  }
  gst_structure_set(s, "ssrc", G_TYPE_UINT, ssrc, nullptr);
  if (!gst_structure_has_field(s, "payload")) {
    gst_structure_set(s, "payload", G_TYPE_INT, static_cast<gint>(payload_type), nullptr);
  }
  const GstRTPPayloadInfo *info = gst_rtp_payload_info_for_pt(payload_type);
  if (info && info->clock_rate > 0 && !gst_structure_has_field(s, "clock-rate")) {
    gst_structure_set(s, "clock-rate", G_TYPE_INT, static_cast<gint>(info->clock_rate), nullptr);
  }
  return caps;
}

std::optional<InputFrame> read_frame(GstBuffer *buffer, const InputFormat &format,
                                     const GstSegment &segment) {
  InputFrame frame;
  const DvRtpFrameMeta *meta = dv_buffer_get_rtp_frame_meta(buffer);
  if (meta) take_meta(frame, *meta);
  take_stamps(frame, buffer, segment);
  if (format.raw) {
    if (!meta) return std::nullopt;
    frame.ssrc = meta->ssrc;
    frame.seq = static_cast<std::uint16_t>(meta->extended_seq);
    frame.rtp_time = meta->rtp_time;
    frame.samples = meta->samples;
    return frame;
  }
  GstRTPBuffer rtp = GST_RTP_BUFFER_INIT;
  if (!gst_rtp_buffer_map(buffer, GST_MAP_READ, &rtp)) return std::nullopt;
  frame.ssrc = gst_rtp_buffer_get_ssrc(&rtp);
  frame.payload_type = gst_rtp_buffer_get_payload_type(&rtp);
  frame.seq = gst_rtp_buffer_get_seq(&rtp);
  frame.rtp_time = gst_rtp_buffer_get_timestamp(&rtp);
  if (format.opus) take_opus(frame, &rtp);
  gst_rtp_buffer_unmap(&rtp);
  return frame;
}

}  // namespace dv
