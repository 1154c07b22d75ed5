// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>

namespace dv {

struct WorkerLocation {
  std::string path;   ///< empty: not found
  std::string error;  ///< for people, if it was not
};

/**
 * Environment GST_DISCORD_WORKER (and then nothing else) -> relative to the loaded plugin
 * -> path compiled in.
 */
WorkerLocation locate_worker();

}  // namespace dv
