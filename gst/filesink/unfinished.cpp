// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/filesink/unfinished.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <string_view>

#include "gst/filesink/file_length.hpp"
#include "gst/filesink/naming.hpp"
#include "gst/filesink/output_file.hpp"

namespace dv {
namespace {

constexpr Time kMaxAge = std::chrono::hours(24);
// Reading it must not hold up the start for long.
constexpr off_t kMaxIndex = 256 << 20;

/** Whether a path of an index may come from the template: in its directory or below. */
bool may_be_of(std::string_view path, std::string_view location) {
  const std::string_view fixed = location.substr(0, location.find('%'));
  const std::size_t slash = fixed.rfind('/');
  const std::string_view directory = slash == fixed.npos ? "" : fixed.substr(0, slash + 1);
  if (!path.starts_with(directory)) return false;
  const std::string rest = "/" + std::string(path.substr(directory.size())) + "/";
  return rest.size() > 2 && rest[1] != '/' && rest.find("/../") == rest.npos &&
         rest.find('\0') == rest.npos;
}

/** How long a file that was left plays, after giving it its name. */
std::optional<Time> complete_file(const std::string &path) {
  const bool renamed = complete_left_file(path);
  if (renamed) sync_directory(directory_of(path));
  // What could not be renamed is as readable as before.
  auto ends = read_file_ends(path);
  if (!ends) ends = read_file_ends(path + ".part");
  return ends ? playing_time(*ends) : std::nullopt;
}

JsonLine track_line(const char *type, const exporter::Track &track) {
  JsonLine line(type);
  line.number("track", track.number).id("user", track.user);
  return line;
}

}  // namespace

std::optional<exporter::Session> unfinished_recording(const std::string &index,
                                                      const std::string &location, Time now) {
  struct stat st {};
  if (lstat(index.c_str(), &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > kMaxIndex) {
    return std::nullopt;
  }
  const Time written = std::chrono::seconds(st.st_mtim.tv_sec);
  if (now - written > kMaxAge) return std::nullopt;
  std::ifstream in(index, std::ios::binary);
  exporter::IndexLog log = exporter::read_index(in);
  if (log.sessions.empty()) return std::nullopt;
  exporter::Session &last = log.sessions.back();
  if (last.complete || last.location != location) return std::nullopt;
  return std::move(last);
}

std::vector<JsonLine> complete_killed(const exporter::Session &killed, Time now) {
  std::vector<JsonLine> lines;
  const Time until = now - killed.start_unix;
  for (const exporter::Track &track : killed.tracks) {
    Time end{};
    for (const exporter::MediaFile &file : track.files) {
      end = std::max(end, file.end);
      if (file.end >= file.start || !may_be_of(file.path, killed.location)) continue;
      const auto length = complete_file(file.path);
      if (!length) continue;
      end = std::max(end, file.start + *length);
      lines.push_back(track_line("track-closed", track)
                          .text("file", file.path)
                          .seconds("start", file.start - killed.run_zero)
                          .seconds("end", file.start - killed.run_zero + *length)
                          .text("reason", "interrupted"));
    }
    if (end < killed.run_zero || end >= until) continue;
    lines.push_back(track_line("gap", track)
                        .seconds("start", end - killed.run_zero)
                        .seconds("length", until - end)
                        .text("reason", "interrupted"));
  }
  for (const exporter::MediaFile &file : killed.others) {
    if (file.end < file.start && may_be_of(file.path, killed.location)) complete_file(file.path);
  }
  return lines;
}

}  // namespace dv
