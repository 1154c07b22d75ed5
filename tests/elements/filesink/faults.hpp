// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <string>

namespace bench {

/**
 * Makes calls of the C library fail for this process, also those of the plugin: `call` is one of
 * create, write, rename, sync. A file is meant when its path contains `path`. Writes fail once the
 * file would get longer than `after` bytes.
 */
struct Fault {
  std::string call, path;
  int code = 0;
  std::uint64_t after = 0;
};
void set_fault(const Fault &fault);

}  // namespace bench
