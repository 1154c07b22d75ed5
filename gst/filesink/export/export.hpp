// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gst/filesink/output_file.hpp"

namespace dv::exporter {

enum Format : std::uint32_t {
  kAudacity = 1 << 0,
  kReaper = 1 << 1,
  kVtt = 1 << 2,
  kRttm = 1 << 3,
  kCsv = 1 << 4,
  kHtml = 1 << 5,
  kAll = (1 << 6) - 1,
};

/** `csv`, `all`, `vtt,html` …; nothing for a word that is none. */
std::optional<std::uint32_t> parse_formats(std::string_view words);

struct Result {
  std::vector<std::string> files;  ///< written
  std::size_t lines = 0, bad_lines = 0, sessions = 0;
  std::optional<FileError> error;  ///< the first; nothing was written after it
};

/**
 * Reads a session index and writes each recording in it in the formats asked for, called like the
 * index (`session.csv`; from the second recording on `session-2.csv`). Files of that name are
 * replaced, each when the new one is complete, with mode 0600. An empty directory stands for that
 * of the index. Blocks; may run in any thread.
 */
Result export_index(const std::string &index, std::uint32_t formats, const std::string &directory);

}  // namespace dv::exporter
