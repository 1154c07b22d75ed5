// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>
#include <cctype>

#include "gst/filesink/export/events.hpp"
#include "gst/filesink/export/formats.hpp"
#include "gst/filesink/export/text.hpp"
#include "gst/filesink/json_line.hpp"

namespace dv::exporter {
namespace {

std::string label_line(Time start, Time end, const std::string &text) {
  return seconds_text(start) + "\t" + seconds_text(end) + "\t" + one_line(text) + "\n";
}

/** What Reaper calls the decoder of a file. */
const char *source_type(std::string path) {
  std::transform(path.begin(), path.end(), path.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (path.ends_with(".part")) path.resize(path.size() - 5);
  if (path.ends_with(".mp3")) return "MP3";
  if (path.ends_with(".flac")) return "FLAC";
  if (path.ends_with(".opus") || path.ends_with(".ogg")) return "OPUS";
  return "WAVE";
}

std::string reaper_item(const Session &session, const Track &track, const MediaFile &file,
                        const Locate &locate) {
  const std::string path = locate(file);
  if (!rpp_exact(path)) return {};
  return "    <ITEM\n      POSITION " + seconds_text(file.start) + "\n      LENGTH " +
         seconds_text(end_of(session, file) - file.start) + "\n      LOOP 0\n      NAME " +
         rpp_string(track.label()) + "\n      <SOURCE " + source_type(path) + "\n        FILE " +
         rpp_string(path) + "\n      >\n    >\n";
}

}  // namespace

std::string audacity_labels(const Session &session) {
  struct Label {
    Time start;
    std::string line;
  };
  std::vector<Label> labels;
  for (const auto &[track, spurt] : turns_of(session)) {
    labels.push_back({spurt->start, label_line(spurt->start, spurt->end, track->label())});
  }
  for (const Marker &marker : session.markers) {
    labels.push_back({marker.at, label_line(marker.at, marker.at, marker.text)});
  }
  std::stable_sort(labels.begin(), labels.end(),
                   [](const Label &a, const Label &b) { return a.start < b.start; });
  std::string out;
  for (const Label &label : labels) out += label.line;
  return out;
}

std::string audacity_files(const Session &session, const Locate &locate) {
  std::string out = "window offset 0\n";
  for (const Track &track : session.tracks) {
    for (const MediaFile &file : track.files) {
      const std::string path = locate(file);
      // The format has no escapes: such a path cannot be written.
      if (path.find('"') != std::string::npos || one_line(path) != path) continue;
      out += "file \"" + path + "\" offset " + seconds_text(file.start) + "\n";
    }
  }
  return out;
}

std::string reaper_project(const Session &session, const Locate &locate) {
  const std::string start = std::to_string(session.start_unix.count() / 1000000000);
  std::string out = "<REAPER_PROJECT 0.1 \"6.0\" " + start + "\n  <NOTES 0 2\n";
  for (const Track &track : session.tracks) {
    // As JSON, since a name in a Reaper project cannot hold line feeds nor all kinds of quotes.
    out += "    |track " + std::to_string(track.number) + " user " + std::to_string(track.user) +
           " name " + json_string(track.label()) + "\n";
  }
  out += "  >\n  TEMPO 120 4 4\n";
  for (std::size_t i = 0; i < session.markers.size(); ++i) {
    out += "  MARKER " + std::to_string(i + 1) + " " + seconds_text(session.markers[i].at) + " " +
           rpp_string(session.markers[i].text) + " 0\n";
  }
  for (const Track &track : session.tracks) {
    out += "  <TRACK\n    NAME " + rpp_string(track.label()) + "\n";
    for (const MediaFile &file : track.files) out += reaper_item(session, track, file, locate);
    out += "  >\n";
  }
  return out + ">\n";
}

}  // namespace dv::exporter
