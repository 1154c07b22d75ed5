// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "gst/filesink/export/session.hpp"
#include "gst/filesink/json_line.hpp"

namespace dv {

/**
 * The last recording of an index, if it was killed: it has no end, it recorded to the same location
 * template, and the index was written to within the last day. `now`: since 1970.
 */
std::optional<exporter::Session> unfinished_recording(const std::string &index,
                                                      const std::string &location, Time now);

/**
 * Gives the files that a killed recording left as `.part` their names. Returns the lines that the
 * killed run can no more write: the ends of its tracks, and the gap from there to `now`. Nothing
 * outside of the location's directory is touched.
 */
std::vector<JsonLine> complete_killed(const exporter::Session &killed, Time now);

}  // namespace dv
