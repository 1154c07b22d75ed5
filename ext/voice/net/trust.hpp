// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gio/gio.h>

#include <string>

namespace dv::voice {

/** The authorities of a PEM file; null with a text when it can not be read or holds none. */
GTlsDatabase *load_trust(const std::string &ca_file, std::string &error);

}  // namespace dv::voice
