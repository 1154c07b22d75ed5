// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gio/gio.h>

#include "ext/voice/net/websocket.hpp"

typedef struct _SoupMessage SoupMessage;

namespace dv::voice {

/** Sorts a failed connection attempt into what a person can act upon. */
ConnectError describe_connect_error(const GError *error, SoupMessage *message, bool timed_out);

}  // namespace dv::voice
