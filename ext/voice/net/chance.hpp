// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <sodium.h>

#include "ext/voice/core/types.hpp"

namespace dv::voice {

/** Uniform in [0, 1), from the system's generator: sources of one process must not agree. */
inline Random chance() {
  return [] { return randombytes_random() * (1.0 / 4294967296.0); };
}

}  // namespace dv::voice
