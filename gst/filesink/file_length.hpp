// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <optional>
#include <string>

#include "ext/wire/bytes.hpp"
#include "ext/wire/ids.hpp"

namespace dv {

/** The two ends of a file: all that is looked at, whatever its length. They may overlap. */
struct FileEnds {
  std::uint64_t size = 0;
  Bytes head, tail;
};

/** Reads up to 64 KiB of each end. Nothing if it is no regular file, or a link. */
std::optional<FileEnds> read_file_ends(const std::string &path);

/**
 * How long a WAV, FLAC, Ogg Opus or MP3 (of a constant rate) plays, also when it was never
 * completed. Nothing for other files. Believes nothing: the file may be damaged.
 */
std::optional<Time> playing_time(const FileEnds &ends);

}  // namespace dv
