// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <glib-object.h>

#include "ext/crypto/key_store.hpp"

namespace dv::voice {

enum class EncryptionMode : int { automatic, aes256_gcm, xchacha20 };

GType encryption_mode_type();
/** "aes256-gcm" or "xchacha20". */
const char *mode_nick(TransportMode mode);

}  // namespace dv::voice
