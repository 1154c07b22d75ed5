// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/filesink/recording_log.hpp"

#include "gst/filesink/peaks.hpp"

namespace dv {
namespace {

JsonLine line_of(const char *type, const TrackInfo &info) {
  JsonLine line(type);
  line.number("track", info.number).id("user", info.user);
  return line;
}

}  // namespace

bool RecordingLog::open(const std::string &path) {
  auto error = index_.open(path);
  if (error) failed_(*error);
  return !error;
}

void RecordingLog::add(const JsonLine &line) {
  if (auto error = index_.append(line)) failed_(*error);
}

void RecordingLog::begin(const Begin &begin) {
  JsonLine line("recording");
  line.number("version", 1)
      .text("start", utc_text(begin.wall_start))
      .seconds("start-unix", begin.wall_start)
      .text("location", begin.location)
      .text("extension", begin.extension);
  if (begin.continues) line.flag("continues", true);
  add(line);
}

void RecordingLog::clock(Time running, Time since_1970) {
  add(JsonLine("clock")
          .seconds("at", running)
          .text("time", utc_text(since_1970))
          .seconds("unix", since_1970));
}

void RecordingLog::user(UserId user, const std::string &name) {
  add(JsonLine("user").id("user", user).text("name", name));
}

void RecordingLog::present(UserId user, bool present, Time at) {
  add(JsonLine(present ? "joined" : "left").id("user", user).seconds("at", at));
}

void RecordingLog::ssrc(std::uint32_t session, Ssrc ssrc, UserId user) {
  add(JsonLine("ssrc").number("session", session).number("ssrc", ssrc).id("user", user));
}

void RecordingLog::anchor(const Anchor &anchor) {
  JsonLine line("anchor");
  line.seconds("at", anchor.at)
      .id("user", anchor.user)
      .number("session", anchor.session)
      .number("ssrc", anchor.ssrc)
      .number("rtp", anchor.rtp);
  if (anchor.arrival) line.seconds("arrival", *anchor.arrival);
  add(line.seconds("unix", anchor.wall));
}

void RecordingLog::marker(Time at, const std::string &text) {
  add(JsonLine("marker").seconds("at", at).text("text", text));
}

void RecordingLog::copy(const char *type, const TrackReport &report) {
  JsonLine line = line_of(type, report.info);
  line.text("format", extension_of(report.info.format))
      .number("part", report.part)
      .text("file", report.location)
      .seconds("start", report.start);
  if (report.reason.empty()) return add(line);
  add(line.seconds("end", report.end).number("bytes", report.bytes).text("reason", report.reason));
}

void RecordingLog::opened(const TrackReport &report, const std::string &name) {
  if (!report.info.primary) return copy("copy-opened", report);
  add(line_of("track-opened", report.info)
          .number("ssrc", report.info.ssrc)
          .text("name", name)
          .number("part", report.part)
          .text("file", report.location)
          .seconds("start", report.start));
}

void RecordingLog::part_closed(const TrackReport &report) {
  if (!report.info.primary) return copy("copy-closed", report);
  add(line_of("part-closed", report.info)
          .number("part", report.part)
          .text("file", report.location)
          .seconds("start", report.start)
          .seconds("end", report.end)
          .number("bytes", report.bytes));
}

void RecordingLog::part_opened(const TrackReport &report) {
  if (!report.info.primary) return copy("copy-opened", report);
  add(line_of("part-opened", report.info)
          .number("part", report.part)
          .text("file", report.location)
          .seconds("start", report.start));
}

void RecordingLog::stretch(const TrackInfo &info, const Stretch &stretch) {
  if (!is_open() || !info.primary) return;
  const bool speech = stretch.kind == Stretch::Kind::speech;
  JsonLine line = line_of(speech ? "spurt" : "gap", info);
  line.seconds("start", stretch.start).seconds("length", stretch.end - stretch.start);
  if (!stretch.peaks.empty()) line.text("peaks", encode_peaks(stretch.peaks));
  if (!speech) line.text("reason", stretch.kind == Stretch::Kind::lost ? "lost" : "concealed");
  add(line);
}

void RecordingLog::track_failed(const TrackInfo &info, const FileError &error) {
  add(line_of("track-failed", info).text("reason", error.text()));
}

void RecordingLog::closed(const TrackReport &report) {
  if (!report.info.primary) return copy("copy-closed", report);
  JsonLine line = line_of("track-closed", report.info);
  if (report.loudness) line.decimal("loudness", *report.loudness);
  add(line.text("file", report.location)
          .seconds("start", report.start)
          .seconds("end", report.end)
          .number("bytes", report.bytes)
          .number("samples", report.placement.samples)
          .number("silence-samples", report.placement.silence)
          .number("overlaps", report.placement.overlaps)
          .number("drift-samples", report.placement.drift_samples)
          .number("lost", report.lost)
          .number("concealed", report.concealed)
          .number("gaps", report.lost + report.concealed)
          .seconds("speech-length", report.speech_length)
          .seconds("lost-length", report.lost_length)
          .seconds("concealed-length", report.concealed_length)
          .text("reason", report.reason));
}

void RecordingLog::mix(const char *type, const TrackReport &report) {
  JsonLine line(type);
  line.text("file", report.location).seconds("start", report.start);
  if (report.reason.empty()) return add(line);
  add(line.seconds("end", report.end).number("bytes", report.bytes).text("reason", report.reason));
}

void RecordingLog::paused(bool paused, Time at) {
  add(JsonLine(paused ? "paused" : "resumed").seconds("at", at));
}

void RecordingLog::end(const std::string &reason, Time duration) {
  add(JsonLine("end").text("reason", reason).seconds("duration", duration));
}

}  // namespace dv
