// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gio/gio.h>

#include "ext/voice/core/types.hpp"

typedef struct _SoupMessage SoupMessage;

namespace dv::voice {

/** Sorts a failed connection attempt into what a person can act upon. */
ConnectFailure classify_failure(const GError *error, SoupMessage *message, bool timed_out);

}  // namespace dv::voice
