// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "ext/crypto/secret.hpp"
#include "ext/wire/bytes.hpp"

/** HKDF with SHA-256 (RFC 5869) and the labelled forms of MLS (RFC 9420, sections 8 and 9). */
namespace dv {

/** An empty salt stands for 32 zero bytes. */
Secret hkdf_extract(ByteView salt, ByteView ikm);
/** `size` up to 8160 bytes (255 blocks); more gives an empty secret. */
Secret hkdf_expand(ByteView prk, ByteView info, std::size_t size);
/** The label gets the prefix "MLS 1.0 ". */
Secret expand_with_label(ByteView secret, std::string_view label, ByteView context,
                         std::size_t size);
Secret derive_tree_secret(ByteView secret, std::string_view label, std::uint32_t generation,
                          std::size_t size);

}  // namespace dv
