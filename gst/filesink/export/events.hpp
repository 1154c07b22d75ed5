// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <vector>

#include "gst/filesink/export/session.hpp"

namespace dv::exporter {

/** A spurt and whose it is. */
struct Turn {
  const Track *track;
  const Spurt *spurt;
};

/** The spurts of all tracks, by start, then by track. */
std::vector<Turn> turns_of(const Session &session);

/** Where a file ends; the end of the recording where the index does not tell. */
Time end_of(const Session &session, const MediaFile &file);

}  // namespace dv::exporter
