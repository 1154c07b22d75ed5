// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

#include <cstdint>
#include <optional>
#include <string>

namespace dv {

/**
 * Who an SSRC is (RTP-generic, like an SDES item): sent downstream as a sticky event whose structure
 * is named `rtp-source-info-<session>-<ssrc>`, so that the facts about several SSRCs stick side by side.
 * For Discord `cname` is the user id in decimal and `name` the display name as received (hostile!).
 */
struct SourceInfo {
  std::uint32_t session = 0;
  std::uint32_t ssrc = 0;
  std::string cname;
  std::string name;
  bool bot = false;
  bool present = true;  ///< false: has left; the pad of this SSRC may end
};

/** A new sticky event, transfer full. */
GstEvent *source_info_event_new(const SourceInfo &info);
/** Nothing when the event is another one. */
std::optional<SourceInfo> source_info_from_event(GstEvent *event);

}  // namespace dv
