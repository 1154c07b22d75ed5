// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

#include <memory>

#include "ext/crypto/key_store.hpp"

namespace dv {

/**
 * The sticky event `discord-key-store` with which a source hands its key store downstream. It holds
 * the store as an opaque boxed pointer without serialiser: whoever prints the event sees `NULL`.
 */
GstEvent *key_store_event_new(std::shared_ptr<KeyStore> store);
/** Null when the event is another one. */
std::shared_ptr<KeyStore> key_store_from_event(GstEvent *event);

}  // namespace dv
