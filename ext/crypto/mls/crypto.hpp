// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <optional>
#include <string_view>

#include "ext/crypto/mls/types.hpp"

/** The primitives of cipher suite 2 and the labelled forms of RFC 9420, section 5. */
namespace dv::mls {

Hash sha256(ByteView data);
Hash sha256(ByteView a, ByteView b);
Hash hmac_sha256(ByteView key, ByteView data);
/** Constant time. */
bool same_secret(ByteView a, ByteView b);

Secret random_secret(std::size_t size);

Secret derive_secret(const Secret &secret, std::string_view label);
/** The label is used as it is, without a prefix. */
Hash ref_hash(std::string_view label, ByteView value);
Hash key_package_ref(ByteView key_package);

struct KeyPair {
  Secret private_key;  ///< 32-byte scalar.
  Bytes public_key;    ///< 65-byte uncompressed point.
  KeyPair clone() const { return {private_key.clone(), public_key}; }
};

std::optional<KeyPair> generate_key_pair();
/** Nothing if the scalar is 0 or not below the group order. */
std::optional<KeyPair> key_pair_of(Secret private_key);
/** Uncompressed, on the curve, not at infinity. */
bool valid_public_key(ByteView public_key);
/** The 32-byte X coordinate; nothing for an invalid point. */
std::optional<Secret> ecdh(const Secret &private_key, ByteView public_key);

/** ECDSA P-256 with SHA-256 over SignContent, DER. Empty only when the library fails. */
Bytes sign_with_label(const KeyPair &key, std::string_view label, ByteView content);
bool verify_with_label(ByteView public_key, std::string_view label, ByteView content,
                       ByteView signature);

/** AES-128-GCM with empty AAD and a 16-byte tag at the end. */
std::optional<Bytes> aead_seal(const Secret &key, ByteView nonce, ByteView plain);
std::optional<Secret> aead_open(const Secret &key, ByteView nonce, ByteView sealed);

}  // namespace dv::mls
