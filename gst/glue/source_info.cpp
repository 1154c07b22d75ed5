// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/glue/source_info.hpp"

#include <cstring>

namespace dv {
namespace {
constexpr char kPrefix[] = "rtp-source-info-";
}

unsigned SourceInfoSlots::slot_of(const SourceInfo &info) {
  const std::pair key{info.session, info.ssrc};
  const auto known = taken_.find(key);
  unsigned slot = static_cast<unsigned>(taken_.size());
  if (known != taken_.end()) {
    slot = known->second;
  } else if (!free_.empty()) {
    slot = *free_.begin();
  }
  if (info.present) {
    taken_.emplace(key, slot);
    free_.erase(slot);
  } else if (known != taken_.end()) {
    taken_.erase(known);
    free_.insert(slot);
  }
  return slot;
}

void SourceInfoSlots::clear() {
  taken_.clear();
  free_.clear();
}

GstEvent *source_info_event_new(const SourceInfo &info, unsigned slot) {
  const std::string name = kPrefix + std::to_string(slot);
  // Invalid UTF-8 must not enter a structure: whoever prints or serialises it would stumble.
  gchar *valid = g_utf8_make_valid(info.name.c_str(), static_cast<gssize>(info.name.size()));
  GstStructure *s = gst_structure_new(name.c_str(), "session", G_TYPE_UINT, info.session, "ssrc",
                                      G_TYPE_UINT, info.ssrc, "cname", G_TYPE_STRING,
                                      info.cname.c_str(), "name", G_TYPE_STRING, valid, "bot",
                                      G_TYPE_BOOLEAN, static_cast<gboolean>(info.bot), "present",
                                      G_TYPE_BOOLEAN, static_cast<gboolean>(info.present), nullptr);
  g_free(valid);
  return gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM_STICKY, s);
}

std::optional<SourceInfo> source_info_from_event(GstEvent *event) {
  if (GST_EVENT_TYPE(event) != GST_EVENT_CUSTOM_DOWNSTREAM_STICKY) return std::nullopt;
  const GstStructure *s = gst_event_get_structure(event);
  if (s == nullptr || !g_str_has_prefix(gst_structure_get_name(s), kPrefix)) return std::nullopt;
  SourceInfo info;
  gboolean bot = FALSE, present = TRUE;
  if (!gst_structure_get_uint(s, "session", &info.session) ||
      !gst_structure_get_uint(s, "ssrc", &info.ssrc)) {
    return std::nullopt;
  }
  gst_structure_get_boolean(s, "bot", &bot);
  gst_structure_get_boolean(s, "present", &present);
  if (const gchar *cname = gst_structure_get_string(s, "cname")) info.cname = cname;
  if (const gchar *name = gst_structure_get_string(s, "name")) info.name = name;
  info.bot = bot;
  info.present = present;
  return info;
}

}  // namespace dv
