// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>

#include "gst/filesink/export/formats.hpp"

/** Names files in an export as the index does. */
inline std::string as_is(const dv::exporter::MediaFile &file) { return file.path; }
