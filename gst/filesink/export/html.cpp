// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>
#include <cstdio>

#include "gst/filesink/export/events.hpp"
#include "gst/filesink/export/formats.hpp"
#include "gst/filesink/export/page.hpp"
#include "gst/filesink/export/text.hpp"
#include "gst/filesink/peaks.hpp"
#include "gst/filesink/session_index.hpp"

namespace dv::exporter {
namespace {

// Of the drawing, for the whole length of the recording.
constexpr int kColumns = 2000;
constexpr float kUnknownPeak = 0.3F;
constexpr int kHalf = 20;

class Drawing {
 public:
  explicit Drawing(Time duration) : duration_(std::max(duration, Time(1ms))) {}

  std::string track(const Track &track) const {
    std::string out = "<svg class=\"wave\" viewBox=\"0 0 " + std::to_string(kColumns) + " " +
                      std::to_string(2 * kHalf) +
                      "\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"who spoke when\">";
    for (const Spurt &spurt : track.spurts) out += box(spurt);
    out += "<path d=\"" + wave(track) + "\"/>";
    for (const Gap &gap : track.gaps) {
      if (gap.concealed) continue;
      out += "<rect class=\"lost\" x=\"" + x(gap.start) + "\" y=\"36\" width=\"" +
             width(gap.end - gap.start) + "\" height=\"4\"/>";
    }
    return out + "</svg>";
  }

 private:
  double place(Time at) const {
    return static_cast<double>(at.count()) / static_cast<double>(duration_.count()) * kColumns;
  }
  int column(Time at) const {
    return static_cast<int>(std::clamp(place(at), 0.0, static_cast<double>(kColumns - 1)));
  }
  // Hundredths of a column, without the decimal point of the locale.
  static std::string hundredths(double value) {
    const auto n = static_cast<long long>(std::max(0.0, value) * 100);
    char out[48];
    std::snprintf(out, sizeof out, "%lld.%02lld", n / 100, n % 100);
    return out;
  }
  std::string x(Time at) const { return hundredths(place(at)); }
  std::string width(Time length) const { return hundredths(std::max(place(length), 0.5)); }

  std::string box(const Spurt &spurt) const {
    return "<rect class=\"spurt\" data-at=\"" + seconds_text(spurt.start) + "\" x=\"" +
           x(spurt.start) + "\" y=\"0\" width=\"" + width(spurt.end - spurt.start) +
           "\" height=\"" + std::to_string(2 * kHalf) + "\"><title>" + clock_text(spurt.start) +
           " – " + clock_text(spurt.end) + "</title></rect>";
  }
  std::vector<float> heights(const Track &track) const {
    std::vector<float> out(kColumns, 0.0F);
    auto raise = [&](Time from, Time to, float height) {
      const int last = column(std::max(from, Time(to - Time(1))));
      for (int c = column(from); c <= last; ++c) {
        auto &there = out[static_cast<std::size_t>(c)];
        there = std::max(there, height);
      }
    };
    for (const Spurt &spurt : track.spurts) {
      if (spurt.peaks.empty()) raise(spurt.start, spurt.end, kUnknownPeak);
      for (std::size_t i = 0; i < spurt.peaks.size(); ++i) {
        const Time from = spurt.start + kPeakStep * static_cast<std::int64_t>(i);
        if (from >= spurt.end) break;
        raise(from, std::min(spurt.end, Time(from + kPeakStep)),
              std::max(amplitude_of(spurt.peaks[i]), 0.02F));
      }
    }
    return out;
  }
  std::string wave(const Track &track) const {
    std::string out;
    const auto tops = heights(track);
    for (int c = 0; c < kColumns; ++c) {
      const float height = tops[static_cast<std::size_t>(c)];
      if (height <= 0) continue;
      const int half = std::max(1, static_cast<int>(height * kHalf));
      out += "M" + std::to_string(c) + " " + std::to_string(kHalf - half) + "h1v" +
             std::to_string(2 * half) + "h-1z";
    }
    return out;
  }

  Time duration_;
};

std::string players(const Session &session, const Track &track, const Locate &locate) {
  std::string out;
  for (const MediaFile &file : track.files) {
    out += "<audio controls preload=\"none\" data-from=\"" + seconds_text(file.start) +
           "\" data-to=\"" + seconds_text(end_of(session, file)) + "\" src=\"" +
           markup(url_path(locate(file))) + "\"></audio>";
  }
  return out;
}

std::string loudness_text(const Track &track) {
  if (!track.loudness) return {};
  const auto tenths = static_cast<long long>(*track.loudness * 10 - 0.5);
  return " · " + std::string(tenths < 0 ? "−" : "") + std::to_string(std::abs(tenths) / 10) + "." +
         std::to_string(std::abs(tenths) % 10) + " LUFS";
}

std::string section(const Session &session, const Track &track, const Drawing &drawing,
                    const Locate &locate) {
  return "<section><h2><bdi class=\"name\">" + markup(track.label()) + "</bdi></h2><p>" +
         std::to_string(track.user) + " · " + clock_text(track.speaking()) + " spoken · " +
         std::to_string(track.gaps.size()) + " gaps" + loudness_text(track) + "</p>" +
         drawing.track(track) + players(session, track, locate) + "</section>\n";
}

std::string marker_list(const Session &session) {
  if (session.markers.empty()) return {};
  std::string out = "<section><h2>Markers</h2><ul>";
  for (const Marker &marker : session.markers) {
    out += "<li><button data-at=\"" + seconds_text(marker.at) + "\">" + clock_text(marker.at) +
           "</button> <bdi class=\"marker\">" + markup(marker.text) + "</bdi></li>";
  }
  return out + "</ul></section>\n";
}

}  // namespace

std::string html_page(const Session &session, const std::string &title, const Locate &locate) {
  std::string out = page_head(markup(title));
  out += "<h1><bdi>" + markup(title) + "</bdi></h1><p>" + utc_text(session.start_unix) + " · " +
         clock_text(session.duration) + " · " + std::to_string(session.tracks.size()) + " tracks" +
         (session.complete ? "" : " · ended without notice") +
         "</p><p><button id=\"play\">Play all</button> <output id=\"now\">00:00:00</output></p>\n";
  const Drawing drawing(session.duration);
  for (const Track &track : session.tracks) out += section(session, track, drawing, locate);
  return out + marker_list(session) + page_tail();
}

}  // namespace dv::exporter
