// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "ext/crypto/mls/crypto.hpp"

/**
 * HPKE (RFC 9180) base mode, single shot, empty AAD: DHKEM(P-256, HKDF-SHA256), HKDF-SHA256,
 * AES-128-GCM.
 */
namespace dv::mls {

/** DeriveKeyPair (RFC 9180, 7.1.3). */
std::optional<KeyPair> hpke_derive_key_pair(ByteView ikm);

/** What both sides of one exchange derive (RFC 9180, 5.1). */
struct HpkeKeys {
  Secret key;         ///< 16 bytes
  Secret base_nonce;  ///< 12 bytes
};
HpkeKeys hpke_key_schedule(const Secret &shared_secret, ByteView info);
/** Decap (RFC 9180, 4.1); nothing if `enc` is no point. */
std::optional<Secret> hpke_decap(ByteView enc, const KeyPair &recipient);

std::optional<HpkeCiphertext> hpke_seal(ByteView public_key, ByteView info, ByteView plain);
/** With the sender's ephemeral key given, for known answers. */
std::optional<HpkeCiphertext> hpke_seal_with(const KeyPair &ephemeral, ByteView public_key,
                                             ByteView info, ByteView plain);
std::optional<Secret> hpke_open(const KeyPair &recipient, ByteView info,
                                const HpkeCiphertext &sealed);

/** EncryptWithLabel and DecryptWithLabel (RFC 9420, 5.1.3). */
std::optional<HpkeCiphertext> encrypt_with_label(ByteView public_key, std::string_view label,
                                                 ByteView context, ByteView plain);
std::optional<Secret> decrypt_with_label(const KeyPair &recipient, std::string_view label,
                                         ByteView context, const HpkeCiphertext &sealed);

}  // namespace dv::mls
