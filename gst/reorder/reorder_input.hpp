// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

#include <cstdint>
#include <optional>

#include "ext/wire/ids.hpp"

namespace dv {

/** What the caps of the sink pad say. */
struct InputFormat {
  bool raw = false;   ///< audio/x-raw(meta:RtpFrame): decoded, facts in the meta
  bool opus = false;  ///< RTP payloads are Opus packets
  std::uint32_t clock_rate = 48000;
};

InputFormat input_format(const GstCaps *caps);
/** Caps of the pad of one SSRC whose packets have this payload type. Transfer full. */
GstCaps *output_caps(const GstCaps *input, std::uint32_t ssrc, std::uint8_t payload_type);

/** Facts about one received frame. */
struct InputFrame {
  std::uint32_t session = 0;
  std::uint32_t ssrc = 0;
  UserId user = 0;
  std::uint8_t payload_type = 0;
  std::uint16_t seq = 0;
  std::uint32_t rtp_time = 0;
  std::uint32_t samples = 0;  ///< in units of the clock rate; 0: not known
  std::optional<Time> arrival;
  bool arrival_is_exact = false;  ///< stamped where the datagram was received
  bool after_gap = false, restart = false, concealed = false, silence = false;
};

/** Nothing if the buffer is not what the caps promise. `segment` turns time stamps into running
 * time. */
std::optional<InputFrame> read_frame(GstBuffer *buffer, const InputFormat &format,
                                     const GstSegment &segment);

}  // namespace dv
