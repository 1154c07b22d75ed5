// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "gst/filesink/anchors.hpp"
#include "gst/filesink/session_index.hpp"
#include "gst/filesink/split_output.hpp"
#include "gst/filesink/track.hpp"

namespace dv {

/**
 * What a recording writes into its session index: one call, one line (docs/recordings.md). Does
 * nothing when not open. Any thread.
 */
class RecordingLog {
 public:
  /** `failed` is told of the first failure; the log is closed then. */
  explicit RecordingLog(std::function<void(const FileError &)> failed)
      : failed_(std::move(failed)) {}

  struct Begin {
    std::string location, extension;
    Time wall_start{};
    bool continues = false;
  };

  bool open(const std::string &path);
  bool is_open() const { return index_.is_open(); }
  bool is_alone() const { return index_.is_alone(); }
  void close(bool sync) { index_.close(sync); }

  void add(const JsonLine &line);
  void begin(const Begin &begin);
  void clock(Time running, Time since_1970);
  void user(UserId user, const std::string &name);
  void present(UserId user, bool present, Time at);
  void ssrc(std::uint32_t session, Ssrc ssrc, UserId user);
  void anchor(const Anchor &anchor);
  void marker(Time at, const std::string &text);
  void opened(const TrackReport &report, const std::string &name);
  void part_closed(const TrackReport &report);
  void part_opened(const TrackReport &report);
  void stretch(const TrackInfo &info, const Stretch &stretch);
  void track_failed(const TrackInfo &info, const FileError &error);
  void closed(const TrackReport &report);
  /** `type`: `mix-opened` or `mix-closed`. */
  void mix(const char *type, const TrackReport &report);
  void paused(bool paused, Time at);
  void end(const std::string &reason, Time duration);

 private:
  void copy(const char *type, const TrackReport &report);

  std::function<void(const FileError &)> failed_;
  SessionIndex index_;
};

}  // namespace dv
