// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gio/gio.h>

#include <string>

namespace dv::voice {

/**
 * Keys and signatures of less than 112 bits of security (RSA 2048, SHA-224; NIST SP 800-57 part 1)
 * anywhere in the peer's chain, which GnuTLS lets pass in its default profile. Empty: none.
 */
std::string peer_weakness(GTlsConnection *connection);

}  // namespace dv::voice
