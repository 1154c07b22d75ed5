// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <optional>
#include <string>

#include "ext/wire/bytes.hpp"
#include "ext/wire/ids.hpp"

/** What users compare to know that nobody sits between them (DAVE whitepaper, "Verification"). */
namespace dv::dave {

/**
 * Decimal digits of `data` in groups of `group_size` (1 to 8, a divisor of `length`); nothing if
 * the parameters do not fit or `data` has fewer than `length` bytes.
 */
std::optional<std::string> displayable_code(ByteView data, std::size_t length,
                                            std::size_t group_size);

/** 30 digits of an epoch authenticator; empty for anything shorter than that needs. */
std::string privacy_code(ByteView epoch_authenticator);

/** Fingerprint version 0 of a user's signature key. */
Bytes key_fingerprint(ByteView signature_key, UserId user);

/** 64 bytes; the same from both sides. Takes about 100 ms and 16 MiB: not for streaming threads. */
std::optional<Bytes> pairwise_fingerprint(ByteView key_a, UserId user_a, ByteView key_b,
                                          UserId user_b);
/** 45 digits of it. */
std::optional<std::string> pairwise_code(ByteView key_a, UserId user_a, ByteView key_b,
                                         UserId user_b);

}  // namespace dv::dave
