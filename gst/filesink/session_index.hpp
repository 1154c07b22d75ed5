// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <mutex>
#include <optional>
#include <string>

#include "gst/filesink/json_line.hpp"
#include "gst/filesink/output_file.hpp"

namespace dv {

/**
 * The index of a recording: JSON lines, appended by one write(2) each, so that the file is valid at
 * every moment. May be used by any thread. The format is described in docs/recordings.md.
 */
class SessionIndex {
 public:
  SessionIndex() = default;
  ~SessionIndex();
  SessionIndex(const SessionIndex &) = delete;
  SessionIndex &operator=(const SessionIndex &) = delete;

  /** Creates the file with mode 0600, or appends to the one that is there. */
  std::optional<FileError> open(const std::string &path);
  bool is_open() const;
  /** No other recording has it open: what it holds unfinished was killed. */
  bool is_alone() const { return alone_; }
  /** Does nothing when not open. The first failure is returned and closes the index. */
  std::optional<FileError> append(const JsonLine &line);
  void close(bool sync);

 private:
  mutable std::mutex mutex_;  // the descriptor, for the time of one write
  int fd_ = -1;
  bool alone_ = false;
  std::string path_;
};

/** `2026-01-31T12:00:00.123456Z` */
std::string utc_text(Time since_1970);

}  // namespace dv
