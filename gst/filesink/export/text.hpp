// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>
#include <string_view>

#include "ext/wire/ids.hpp"

namespace dv::exporter {

/** `12.345678`, whatever the locale. */
std::string seconds_text(Time time);
/** `01:02:03.004`, hours as many as there are. */
std::string clock_text(Time time);

/** For text and attributes of HTML, and for WebVTT: reads back exactly. */
std::string markup(std::string_view text);
/** A field of RFC 4180, always quoted. Reads back exactly. */
std::string csv_field(std::string_view text);
/** Control characters become spaces: for formats that have no way to write them. */
std::string one_line(std::string_view text);
/** A string of a Reaper project. It has three kinds of quotes and no escapes: see `rpp_exact`. */
std::string rpp_string(std::string_view text);
/** Whether `rpp_string` reads back exactly. */
bool rpp_exact(std::string_view text);
/** A relative or absolute path as a URL reference that cannot be taken for anything but a path. */
std::string url_path(std::string_view path);

}  // namespace dv::exporter
