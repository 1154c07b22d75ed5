// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

#include <atomic>
#include <memory>
#include <optional>

#include "gst/filesink/recording.hpp"

namespace dv {

/**
 * What one SSRC's pad brings, turned into frames of its user. Buffers and events come from the
 * pad's streaming thread; `identify` may be called from another.
 */
class FrameIntake {
 public:
  /** `decoded`: samples of packets that come over another pad as well. */
  explicit FrameIntake(Ssrc ssrc, bool decoded = false) : ssrc_(ssrc), decoded_(decoded) {}

  Ssrc ssrc() const { return ssrc_; }
  /** False when these caps cannot be recorded. */
  bool set_caps(GstCaps *caps);
  void set_segment(const GstSegment &segment) { segment_ = segment; }
  /** Who speaks here: where a decoder in between has dropped the frame meta. */
  void identify(UserId user, std::uint32_t session);
  /** Takes the buffer; false when nothing can be recorded any more. */
  bool push(Recording &recording, Ref<GstBuffer> buffer);
  /** Nothing more will come. */
  void end(Recording &recording) { recording.order().ended(stream_); }
  /** End of a GAP event in running time. */
  std::optional<Time> gap_end(GstEvent *event) const;

 private:
  Time running_time(GstClockTime pts) const;
  bool fill_opus(TrackFrame &frame);
  bool fill_pcm(TrackFrame &frame);

  const Ssrc ssrc_;
  const bool decoded_;
  std::atomic<UserId> user_{0};
  std::atomic<std::uint32_t> session_{0};
  GstSegment segment_{};
  PcmFormat pcm_;
  std::atomic<std::uint64_t> stream_{0};
  bool opus_ = false, rtp_ = false, known_ = false;
};

/** Tells the recording of a frame on its way into the reordering. */
void note_entered(Recording &recording, GstBuffer *buffer);
/** And of one that leaves it, by this pad. */
void note_ordered(Recording &recording, GstPad *pad, GstBuffer *buffer);

}  // namespace dv
