// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>

namespace dv::exporter {

/** Everything before the content of the page; `title` is markup. Nothing is loaded but audio. */
std::string page_head(const std::string &title);
/** Everything after it: the script, which plays the tracks in step. */
std::string page_tail();

}  // namespace dv::exporter
