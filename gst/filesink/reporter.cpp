// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/filesink/reporter.hpp"

#include <cerrno>

#include "gst/filesink/naming.hpp"
#include "gst/filesink/settings.hpp"

GST_DEBUG_CATEGORY_EXTERN(discordfilesink_debug);
#define GST_CAT_DEFAULT discordfilesink_debug

namespace dv {
namespace {

GstStructure *track_structure(const char *name, const TrackReport &report) {
  const TrackFormat format = report.info.format;
  return gst_structure_new(
      name, "location", G_TYPE_STRING, report.location.c_str(), "user-id", G_TYPE_UINT64,
      static_cast<guint64>(report.info.user), "name", G_TYPE_STRING,
      valid_utf8(report.info.name).c_str(), "ssrc", G_TYPE_UINT, report.info.ssrc, "track",
      G_TYPE_UINT, report.info.number, "format", G_TYPE_STRING,
      format == TrackFormat::profile ? "profile" : extension_of(format), "start", G_TYPE_UINT64,
      static_cast<guint64>(report.start.count() < 0 ? 0 : report.start.count()), nullptr);
}

/** The same figures as in the line `track-closed` of the index. */
void set_quality(GstStructure *s, const TrackReport &report) {
  const auto ns = [](Time time) { return static_cast<guint64>(time.count()); };
  gst_structure_set(s, "lost", G_TYPE_UINT64, static_cast<guint64>(report.lost), "concealed",
                    G_TYPE_UINT64, static_cast<guint64>(report.concealed), "gaps", G_TYPE_UINT64,
                    static_cast<guint64>(report.lost + report.concealed), "speech-length",
                    G_TYPE_UINT64, ns(report.speech_length), "lost-length", G_TYPE_UINT64,
                    ns(report.lost_length), "concealed-length", G_TYPE_UINT64,
                    ns(report.concealed_length), nullptr);
}

void post(GstElement *element, GstStructure *structure) {
  gst_element_post_message(element, gst_message_new_element(GST_OBJECT(element), structure));
}

}  // namespace

void Reporter::on_track_opened(const TrackReport &report) {
  GST_INFO_OBJECT(element_, "track %u opened", report.info.number);
  post(element_, track_structure("discordfilesink-track-opened", report));
}

void Reporter::on_track_closed(const TrackReport &report) {
  GST_INFO_OBJECT(element_, "track %u closed", report.info.number);
  GstStructure *s = track_structure("discordfilesink-track-closed", report);
  gst_structure_set(s, "duration", G_TYPE_UINT64,
                    static_cast<guint64>((report.end - report.start).count()), "bytes",
                    G_TYPE_UINT64, static_cast<guint64>(report.bytes), "samples", G_TYPE_UINT64,
                    static_cast<guint64>(report.placement.samples), "silence-samples",
                    G_TYPE_UINT64, static_cast<guint64>(report.placement.silence), "overlaps",
                    G_TYPE_UINT64, static_cast<guint64>(report.placement.overlaps), "drift-samples",
                    G_TYPE_UINT64, static_cast<guint64>(report.placement.drift_samples), "reason",
                    G_TYPE_STRING, report.reason.c_str(), nullptr);
  set_quality(s, report);
  if (report.loudness) {
    gst_structure_set(s, "loudness", G_TYPE_DOUBLE, *report.loudness, nullptr);
  }
  post(element_, s);
}

void Reporter::on_warning(const FileError &error, const std::string &consequence) {
  GST_ELEMENT_WARNING(element_, RESOURCE, WRITE,
                      ("%s %s", error.text().c_str(), consequence.c_str()),
                      ("%s", error.advice().c_str()));
}

void Reporter::on_error(const FileError &error) {
  constexpr char kRest[] = "Nothing can be recorded any more; what was written is readable.";
  const std::string text = error.text() + " " + error.advice();
  if (error.code == ENOSPC || error.code == EDQUOT) {
    GST_ELEMENT_ERROR(element_, RESOURCE, NO_SPACE_LEFT, ("%s", text.c_str()), ("%s", kRest));
  } else if (error.doing == "create") {
    GST_ELEMENT_ERROR(element_, RESOURCE, OPEN_WRITE, ("%s", text.c_str()), (nullptr));
  } else {
    GST_ELEMENT_ERROR(element_, RESOURCE, WRITE, ("%s", text.c_str()), ("%s", kRest));
  }
}

void Reporter::on_finished() {
  if (finished_ != nullptr) finished_(element_);
}

std::optional<Time> Reporter::now() {
  if (!playing_) return std::nullopt;
  const GstClockTime t = gst_element_get_current_running_time(element_);
  if (!GST_CLOCK_TIME_IS_VALID(t)) return std::nullopt;
  return Time(static_cast<std::int64_t>(t));
}

std::optional<Time> Reporter::wall_zero() {
  // Whoever is interrupted between the two clocks would see one late against the other.
  constexpr int kTries = 5;
  constexpr Time kAtOnce{200'000};
  for (int i = 0; i < kTries; ++i) {
    const auto before = now();
    const Time wall = wall_now();
    const auto after = now();
    if (!before || !after) return std::nullopt;
    if (*after - *before < kAtOnce) return wall - *before;
  }
  return std::nullopt;
}

void Reporter::set_last(const RecordingCounters &counters) {
  std::lock_guard lock(mutex_);
  last_ = counters;
}

RecordingCounters Reporter::last() const {
  std::lock_guard lock(mutex_);
  return last_;
}

GstStructure *stats_structure(const RecordingCounters &c) {
  GstStructure *s = gst_structure_new_empty("application/x-discordfilesink-stats");
  const struct {
    const char *name;
    std::uint64_t value;
  } fields[] = {
      {"tracks", c.tracks},
      {"open-tracks", c.open_tracks},
      {"failed-tracks", c.failed_tracks},
      {"frames", c.frames},
      {"samples", c.samples},
      {"silence-samples", c.silence_samples},
      {"overlaps", c.overlaps},
      {"overlap-samples", c.overlap_samples},
      {"drift-samples", c.drift_samples},
      {"bytes", c.bytes},
      {"dropped-queue-full", c.dropped_queue_full},
      {"dropped-failed", c.dropped_failed},
      {"dropped-paused", c.dropped_paused},
      {"dropped-malformed", c.malformed},
      {"markers", c.markers},
  };
  for (const auto &field : fields) {
    gst_structure_set(s, field.name, G_TYPE_UINT64, static_cast<guint64>(field.value), nullptr);
  }
  return s;
}

}  // namespace dv
