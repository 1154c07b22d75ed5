// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "ext/crypto/mls/crypto.hpp"

namespace dv::mls {

/**
 * Which rules apply. DAVE takes Add and Remove proposals by reference from its one external sender,
 * and members with 8-byte identities; the other setting is what the working group's vectors need
 * beyond that: Update, GroupContextExtensions, proposals by value, external PSKs of a Welcome.
 */
enum class Rules { dave, rfc };

/** A key package with everything private that belongs to it. */
struct KeyPackageBundle {
  KeyPackage package;
  Bytes encoded;
  Hash ref{};
  KeyPair init;
  KeyPair leaf;
};

/** Identities of DAVE are 8-byte big-endian user ids. */
Bytes identity_of(std::uint64_t user);
/** 0 for anything that is not such an identity. */
std::uint64_t user_of(const Credential &credential);

/** As libdave and davey make it: lifetime 0 to the end of time, capabilities of suite 2 only. */
std::optional<KeyPackageBundle> make_key_package(const KeyPair &signature, ByteView identity);
/** From recorded parts; nothing if they do not fit each other. */
std::optional<KeyPackageBundle> load_key_package(ByteView encoded, Secret init_private,
                                                 Secret leaf_private);

/** Without the signature: RFC 9420, 7.3, without lifetimes, which DAVE must not judge. */
Status check_leaf(const LeafNode &leaf, Rules rules, const Extensions &group_extensions);
/** Group id and index only matter for leaves that were made inside of a group. */
bool verify_leaf(const LeafNode &leaf, ByteView group_id, LeafIndex index);
bool sign_leaf(LeafNode &leaf, const KeyPair &signature, ByteView group_id, LeafIndex index);
/** With both signatures (RFC 9420, 10.1). */
Status check_key_package(const KeyPackage &package, Rules rules,
                         const Extensions &group_extensions);

}  // namespace dv::mls
