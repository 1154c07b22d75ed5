// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>

#include "gst/filesink/export/events.hpp"
#include "gst/filesink/export/formats.hpp"
#include "gst/filesink/export/text.hpp"
#include "gst/filesink/session_index.hpp"

namespace dv::exporter {

std::vector<Turn> turns_of(const Session &session) {
  std::vector<Turn> turns;
  for (const Track &track : session.tracks) {
    for (const Spurt &spurt : track.spurts) turns.push_back({&track, &spurt});
  }
  std::stable_sort(turns.begin(), turns.end(),
                   [](const Turn &a, const Turn &b) { return a.spurt->start < b.spurt->start; });
  return turns;
}

Time end_of(const Session &session, const MediaFile &file) {
  return file.end >= file.start ? file.end : std::max(file.start, session.duration);
}

std::string web_vtt(const Session &session) {
  std::string out = "WEBVTT\n";
  std::size_t number = 0;
  for (const auto &[track, spurt] : turns_of(session)) {
    const std::string name = markup(track->label());
    out += "\n" + std::to_string(++number) + "\n" + clock_text(spurt->start) + " --> " +
           // A cue must not end where it begins.
           clock_text(std::max(spurt->end, Time(spurt->start + 1ms))) + "\n<v " + name + ">" +
           name + "\n";
  }
  return out;
}

std::string rttm(const Session &session, const std::string &recording) {
  std::string id = one_line(recording);
  std::replace(id.begin(), id.end(), ' ', '_');
  std::string out;
  for (const auto &[track, spurt] : turns_of(session)) {
    const std::string who =
        track->user != 0 ? std::to_string(track->user) : "unknown-" + std::to_string(track->ssrc);
    out += "SPEAKER " + id + " 1 " + seconds_text(spurt->start) + " " +
           seconds_text(spurt->end - spurt->start) + " <NA> <NA> " + who + " <NA> <NA>\n";
  }
  return out;
}

namespace {

std::string csv_row(const Session &session, const char *kind, Time start, Time end,
                    const Track *track, const std::string &text) {
  std::string out = seconds_text(start) + "," + seconds_text(end) + "," +
                    seconds_text(end - start) + "," + kind + ",";
  if (track != nullptr) {
    // Quoted: spreadsheets round numbers of this size.
    out += std::to_string(track->number) + "," + csv_field(std::to_string(track->user)) + "," +
           csv_field(track->label());
  } else {
    out += ",,";
  }
  // Milliseconds: no clock of a sender or of this machine is known more exactly.
  return out + "," + csv_field(text) + "," + utc_text(session.unix_at(start)).substr(0, 23) +
         "Z\r\n";
}

}  // namespace

std::string csv(const Session &session) {
  struct Row {
    Time start;
    std::string text;
  };
  std::vector<Row> rows;
  for (const auto &[track, spurt] : turns_of(session)) {
    rows.push_back({spurt->start, csv_row(session, "speech", spurt->start, spurt->end, track, "")});
  }
  for (const Track &track : session.tracks) {
    for (const Gap &gap : track.gaps) {
      const char *kind = gap.concealed ? "concealed" : "lost";
      rows.push_back({gap.start, csv_row(session, kind, gap.start, gap.end, &track, "")});
    }
  }
  for (const Marker &marker : session.markers) {
    rows.push_back(
        {marker.at, csv_row(session, "marker", marker.at, marker.at, nullptr, marker.text)});
  }
  std::stable_sort(rows.begin(), rows.end(),
                   [](const Row &a, const Row &b) { return a.start < b.start; });
  std::string out = "start,end,length,kind,track,user,name,text,utc\r\n";
  for (const Row &row : rows) out += row.text;
  return out;
}

}  // namespace dv::exporter
