// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

namespace dv {

/**
 * Who an SSRC is (RTP-generic, like an SDES item): sent downstream as a sticky event whose structure
 * is named `rtp-source-info-<slot>`, so that the facts about several SSRCs stick side by side. A pad
 * never loses a sticky event of its own name, hence the slots: as many as there are SSRCs at a time.
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

/** Hands out the slots of one pad: each SSRC has one while it is present. One thread. */
class SourceInfoSlots {
 public:
  /** The slot to tell `info` in; with `present` false it is free from then on. */
  unsigned slot_of(const SourceInfo &info);
  void clear();

 private:
  std::map<std::pair<std::uint32_t, std::uint32_t>, unsigned> taken_;  // session, SSRC
  std::set<unsigned> free_;
};

/** A new sticky event, transfer full. */
GstEvent *source_info_event_new(const SourceInfo &info, unsigned slot);
/** Nothing when the event is another one. */
std::optional<SourceInfo> source_info_from_event(GstEvent *event);

}  // namespace dv
