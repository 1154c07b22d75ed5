// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/crypto/mls/key_package.hpp"

#include <algorithm>

namespace dv::mls {
namespace {

template <class T>
bool contains(const std::vector<T> &list, T value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

/** RFC 9420, 7.2: the default extension types are understood by everybody. */
bool is_default_extension(std::uint16_t type) {
  return type >= kExtApplicationId && type <= kExtExternalSenders;
}

bool lists_extensions(const LeafNode &leaf, const Extensions &extensions) {
  return std::all_of(extensions.begin(), extensions.end(), [&](const Extension &e) {
    return is_default_extension(e.type) || contains(leaf.capabilities.extensions, e.type);
  });
}

Bytes leaf_tbs(const LeafNode &leaf, ByteView group_id, LeafIndex index) {
  Writer w;
  write_tbs(w, leaf);
  if (leaf.source != LeafSource::key_package) {
    write_vec(w, group_id);
    w.u32(index);
  }
  return w.release();
}

template <class T>
Bytes tbs(const T &value) {
  Writer w;
  write_tbs(w, value);
  return w.release();
}

}  // namespace

Bytes identity_of(std::uint64_t user) {
  Bytes identity(8);
  store_be64(identity.data(), user);
  return identity;
}

std::uint64_t user_of(const Credential &credential) {
  if (credential.type != kCredentialBasic || credential.identity.size() != 8) return 0;
  return load_be64(credential.identity.data());
}

std::optional<KeyPackageBundle> make_key_package(const KeyPair &signature, ByteView identity) {
  auto init = generate_key_pair();
  auto leaf_key = generate_key_pair();
  if (!init || !leaf_key) return std::nullopt;
  KeyPackageBundle bundle;
  bundle.init = std::move(*init);
  bundle.leaf = std::move(*leaf_key);
  KeyPackage &package = bundle.package;
  package.init_key = bundle.init.public_key;
  LeafNode &leaf = package.leaf;
  leaf.encryption_key = bundle.leaf.public_key;
  leaf.signature_key = signature.public_key;
  leaf.credential.identity.assign(identity.begin(), identity.end());
  leaf.capabilities.versions = {kVersion10};
  leaf.capabilities.cipher_suites = {kSuite};
  leaf.capabilities.credentials = {kCredentialBasic};
  if (!sign_leaf(leaf, signature, {}, 0)) return std::nullopt;
  package.signature = sign_with_label(signature, "KeyPackageTBS", tbs(package));
  if (package.signature.empty()) return std::nullopt;
  bundle.encoded = encode(package);
  bundle.ref = key_package_ref(bundle.encoded);
  return bundle;
}

std::optional<KeyPackageBundle> load_key_package(ByteView encoded, Secret init_private,
                                                 Secret leaf_private) {
  KeyPackageBundle bundle;
  auto init = key_pair_of(std::move(init_private));
  auto leaf = key_pair_of(std::move(leaf_private));
  if (!init || !leaf || !decode(encoded, bundle.package) ||
      bundle.package.init_key != init->public_key ||
      bundle.package.leaf.encryption_key != leaf->public_key)
    return std::nullopt;
  bundle.init = std::move(*init);
  bundle.leaf = std::move(*leaf);
  bundle.encoded.assign(encoded.begin(), encoded.end());
  bundle.ref = key_package_ref(encoded);
  return bundle;
}

Status check_leaf(const LeafNode &leaf, Rules rules, const Extensions &group_extensions) {
  if (rules == Rules::dave && user_of(leaf.credential) == 0)
    return Error{"leaf without a user id as its identity"};
  const Capabilities &can = leaf.capabilities;
  if (!contains(can.versions, kVersion10) || !contains(can.cipher_suites, kSuite))
    return Error{"leaf does not support the group's version and suite"};
  if (!contains(can.credentials, leaf.credential.type))
    return Error{"leaf does not support its credential"};
  if (!lists_extensions(leaf, leaf.extensions) || !lists_extensions(leaf, group_extensions))
    return Error{"leaf does not support an extension in use"};
  if (!valid_public_key(leaf.encryption_key) || !valid_public_key(leaf.signature_key))
    return Error{"leaf key is not a point of the curve"};
  return {};
}

bool verify_leaf(const LeafNode &leaf, ByteView group_id, LeafIndex index) {
  return verify_with_label(leaf.signature_key, "LeafNodeTBS", leaf_tbs(leaf, group_id, index),
                           leaf.signature);
}

bool sign_leaf(LeafNode &leaf, const KeyPair &signature, ByteView group_id, LeafIndex index) {
  leaf.signature = sign_with_label(signature, "LeafNodeTBS", leaf_tbs(leaf, group_id, index));
  return !leaf.signature.empty();
}

Status check_key_package(const KeyPackage &package, Rules rules,
                         const Extensions &group_extensions) {
  if (package.version != kVersion10 || package.cipher_suite != kSuite)
    return Error{"key package of another version or suite"};
  if (package.leaf.source != LeafSource::key_package)
    return Error{"key package with a leaf from elsewhere"};
  if (package.init_key == package.leaf.encryption_key)
    return Error{"key package uses one key twice"};
  if (!valid_public_key(package.init_key)) return Error{"init key is not a point of the curve"};
  if (const Status s = check_leaf(package.leaf, rules, group_extensions); !s) return s;
  if (!verify_leaf(package.leaf, {}, 0)) return Error{"leaf signature wrong"};
  if (!verify_with_label(package.leaf.signature_key, "KeyPackageTBS", tbs(package),
                         package.signature))
    return Error{"key package signature wrong"};
  return {};
}

}  // namespace dv::mls
