// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/filesink/frame_intake.hpp"

#include <gst/audio/audio.h>
#include <gst/rtp/gstrtpbuffer.h>

#include <utility>

#include "gst/filesink/opus_packet.hpp"
#include "gst/glue/frame_meta.hpp"

namespace dv {
namespace {

Time running_time_in(const GstSegment &segment, GstClockTime pts) {
  if (!GST_CLOCK_TIME_IS_VALID(pts)) return kNever;
  if (segment.format != GST_FORMAT_TIME) return Time(static_cast<std::int64_t>(pts));
  guint64 running = 0;
  const int sign = gst_segment_to_running_time_full(&segment, GST_FORMAT_TIME, pts, &running);
  if (sign == 0) return kNever;
  return Time(sign * static_cast<std::int64_t>(running));
}

/** Running time at which the sticky segment of a pad puts a buffer. */
Time position_on(GstPad *pad, GstBuffer *buffer) {
  GstSegment segment{};
  if (Ref<GstEvent> event{gst_pad_get_sticky_event(pad, GST_EVENT_SEGMENT, 0)}) {
    gst_event_copy_segment(event.get(), &segment);
  }
  return running_time_in(segment, GST_BUFFER_PTS(buffer));
}

}  // namespace

void note_entered(Recording &recording, GstBuffer *buffer) {
  const DvRtpFrameMeta *meta = dv_buffer_get_rtp_frame_meta(buffer);
  if (meta == nullptr) return;
  recording.order().entered(meta->user_id, stream_id({meta->user_id, meta->session, meta->ssrc}),
                            Time(static_cast<std::int64_t>(meta->arrival)));
}

void note_ordered(Recording &recording, GstPad *pad, GstBuffer *buffer) {
  const DvRtpFrameMeta *meta = dv_buffer_get_rtp_frame_meta(buffer);
  // Of what is made up nothing was sent.
  if (meta == nullptr || (meta->flags & DV_FRAME_FLAG_CONCEALED) != 0) return;
  const Time position = position_on(pad, buffer);
  if (position == kNever) return;
  Anchor frame{meta->user_id, meta->session, meta->ssrc, meta->rtp_time, position};
  if (GST_CLOCK_TIME_IS_VALID(meta->arrival)) {
    frame.arrival = Time(static_cast<std::int64_t>(meta->arrival));
  }
  recording.note_frame(frame, time_of(meta->samples, 48000),
                       (meta->flags & DV_FRAME_FLAG_RESTART) != 0);
}

bool FrameIntake::set_caps(GstCaps *caps) {
  const GstStructure *s = gst_caps_get_structure(caps, 0);
  known_ = false;
  rtp_ = gst_structure_has_name(s, "application/x-rtp");
  opus_ = rtp_ || gst_structure_has_name(s, "audio/x-opus");
  if (opus_) {
    pcm_ = PcmFormat{};
    return known_ = true;
  }
  // The feature says who speaks, not how samples lie: without it the caps are those of raw audio.
  Ref<GstCaps> plain(gst_caps_copy(caps));
  gst_caps_set_features_simple(plain.get(), nullptr);
  GstAudioInfo info;
  if (!gst_audio_info_from_caps(&info, plain.get())) return false;
  const GstAudioFormat format = GST_AUDIO_INFO_FORMAT(&info);
  if (format != GST_AUDIO_FORMAT_S16LE && format != GST_AUDIO_FORMAT_F32LE) return false;
  pcm_.rate = static_cast<std::uint32_t>(info.rate);
  pcm_.channels = static_cast<std::uint16_t>(info.channels);
  pcm_.is_float = format == GST_AUDIO_FORMAT_F32LE;
  pcm_.bytes_per_sample = pcm_.is_float ? 4 : 2;
  return known_ = true;
}

void FrameIntake::identify(UserId user, std::uint32_t session) {
  if (user != 0) user_ = user;
  if (session != 0) session_ = session;
}

Time FrameIntake::running_time(GstClockTime pts) const { return running_time_in(segment_, pts); }

bool FrameIntake::fill_opus(TrackFrame &frame) {
  if (rtp_) {
    GstRTPBuffer rtp = GST_RTP_BUFFER_INIT;
    if (!gst_rtp_buffer_map(frame.buffer.get(), GST_MAP_READ, &rtp)) return false;
    GstBuffer *payload = gst_rtp_buffer_get_payload_buffer(&rtp);
    gst_rtp_buffer_unmap(&rtp);
    if (payload == nullptr) return false;
    frame.buffer.reset(payload);
  }
  GstMapInfo map;
  if (!gst_buffer_map(frame.buffer.get(), &map, GST_MAP_READ)) return false;
  const ByteView packet(map.data, map.size);
  const auto samples = opus_packet_samples(packet);
  // Discord's end-of-spurt frame, for the index: not speech.
  if (map.size == 3 && map.data[0] == 0xf8 && map.data[1] == 0xff && map.data[2] == 0xfe) {
    frame.silence = true;
  }
  gst_buffer_unmap(frame.buffer.get(), &map);
  frame.samples = samples.value_or(0);
  return samples.has_value();
}

bool FrameIntake::fill_pcm(TrackFrame &frame) {
  const gsize size = gst_buffer_get_size(frame.buffer.get());
  frame.samples = size / pcm_.frame_bytes();
  return frame.samples > 0 && size % pcm_.frame_bytes() == 0;
}

bool FrameIntake::push(Recording &recording, Ref<GstBuffer> buffer) {
  if (!known_) return true;
  TrackFrame frame;
  Time arrival{};
  FrameSource source{user_, session_, ssrc_};
  if (const DvRtpFrameMeta *meta = dv_buffer_get_rtp_frame_meta(buffer.get())) {
    if (meta->user_id != 0) source.user = meta->user_id;
    source.session = meta->session;
    source.ssrc = meta->ssrc;
    frame.seq = meta->extended_seq;
    frame.has_seq = true;
    arrival = Time(static_cast<std::int64_t>(meta->arrival));
    frame.concealed = (meta->flags & DV_FRAME_FLAG_CONCEALED) != 0;
    frame.silence = (meta->flags & DV_FRAME_FLAG_SILENCE) != 0;
    frame.after_gap = (meta->flags & (DV_FRAME_FLAG_AFTER_GAP | DV_FRAME_FLAG_RESTART)) != 0;
    identify(source.user, source.session);
  } else {
    frame.continues = !GST_BUFFER_FLAG_IS_SET(buffer.get(), GST_BUFFER_FLAG_DISCONT);
  }
  frame.stream = stream_id(source);
  stream_ = frame.stream;
  frame.pcm = pcm_;
  frame.opus = opus_;
  frame.decoded = decoded_;
  frame.position = running_time(GST_BUFFER_PTS(buffer.get()));
  frame.buffer = std::move(buffer);
  if (!(opus_ ? fill_opus(frame) : fill_pcm(frame))) {
    recording.count_malformed();
    return true;
  }
  if (!frame.has_seq) return recording.push(source, std::move(frame));
  const std::uint64_t stream = frame.stream;
  return recording.order().pass(stream, {source, std::move(frame)}, arrival,
                                std::chrono::steady_clock::now().time_since_epoch());
}

std::optional<Time> FrameIntake::gap_end(GstEvent *event) const {
  GstClockTime at = GST_CLOCK_TIME_NONE, length = 0;
  gst_event_parse_gap(event, &at, &length);
  if (!GST_CLOCK_TIME_IS_VALID(at)) return std::nullopt;
  if (GST_CLOCK_TIME_IS_VALID(length)) at += length;
  const Time end = running_time(at);
  return end == kNever ? std::nullopt : std::optional<Time>(end);
}

}  // namespace dv
