// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <istream>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ext/wire/ids.hpp"

namespace dv::exporter {

/** Somebody spoke. `peaks`: greatest amplitude of each tenth of a second, 0–63; may be empty. */
struct Spurt {
  Time start{}, end{};
  std::vector<std::uint8_t> peaks;
};

struct Gap {
  Time start{}, end{};
  bool concealed = false;
};

/** A file of a track. `end` before `start`: not known, the recording ended without telling. */
struct MediaFile {
  std::string path;  ///< as in the index
  Time start{}, end{};
};

struct Track {
  unsigned number = 1;
  UserId user = 0;  ///< 0: not known
  Ssrc ssrc = 0;
  std::string name;  ///< the last one known; empty when none was
  std::vector<MediaFile> files;
  std::vector<Spurt> spurts;  ///< in order, pieces joined
  std::vector<Gap> gaps;
  std::optional<double> loudness;  ///< LUFS

  /** The name, else the user id, else `unknown-SSRC`. */
  std::string label() const;
  Time speaking() const;
};

struct Marker {
  Time at{};
  std::string text;
};

/** An anchor: a moment of the time line, and the time of day it was. */
struct Tie {
  Time at{}, unix{};
};

/** One recording. All times count from its zero. */
struct Session {
  Time start_unix{};  ///< wall clock at time 0, since 1970
  Time started{};     ///< wall clock when it was begun: what file names show
  Time run_zero{};    ///< time 0 of the last run
  std::string location;
  std::vector<Track> tracks;  ///< by number
  std::vector<Marker> markers;
  std::vector<Tie> ties;          ///< by time
  std::vector<MediaFile> others;  ///< mix, and tracks in further formats
  Time duration{};
  unsigned last_part = 1;
  unsigned runs = 1;      ///< processes that wrote it: more than one after a continued crash
  bool complete = false;  ///< ended properly

  /** The time of day at a moment: by the last anchor before it, else by the start. */
  Time unix_at(Time at) const;
};

struct IndexLog {
  std::vector<Session> sessions;
  std::size_t lines = 0;
  std::size_t bad_lines = 0;  ///< torn, no JSON, out of range, or beyond the limits
};

/** What a reader believes at most. Beyond it lines are skipped and counted. */
struct Limits {
  std::size_t line_bytes = 1 << 20;
  std::size_t text_bytes = 64 << 10;
  std::size_t sessions = 1000, tracks = 10000, items = 4000000;
  Time time = std::chrono::hours(24 * 3660);
};

/** Reads a session index. Never fails: what cannot be used is counted. */
IndexLog read_index(std::istream &in, const Limits &limits = {});

}  // namespace dv::exporter
