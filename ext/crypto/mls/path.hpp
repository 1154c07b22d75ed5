// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <functional>
#include <map>

#include "ext/crypto/mls/key_package.hpp"
#include "ext/crypto/mls/tree.hpp"

/** UpdatePaths: TreeKEM (RFC 9420, sections 7.4 to 7.6). */
namespace dv::mls {

/** Private keys of one member: its leaf's and those of ancestors it was told. By node. */
using NodeKeys = std::map<NodeIndex, Secret>;
NodeKeys clone(const NodeKeys &keys);
/** Forgets the keys of nodes that are blank or gone. */
void forget_blank(NodeKeys &keys, const RatchetTree &tree);

/** The provisional group context for a given root hash. */
using ContextOf = std::function<Bytes(const Hash &tree_hash)>;

struct NewPath {
  UpdatePath path;
  Secret commit_secret;
  NodeKeys keys;                             ///< All that the sender has now.
  std::map<NodeIndex, Secret> path_secrets;  ///< For Welcomes.
};
struct PathMaker {
  LeafIndex own = 0;
  const KeyPair &signature;
  ByteView group_id;
  const std::vector<LeafIndex> &added;  ///< Leaves of this commit, which get the Welcome instead.
  ContextOf context;
};
/** `tree` already has the proposals applied and gets the path. */
Result<NewPath> make_path(RatchetTree &tree, const PathMaker &maker);

/** Installs the public part and checks it against the parent hash; no signature check. */
Status merge_path(RatchetTree &tree, LeafIndex sender, const UpdatePath &path);

struct PathReader {
  LeafIndex sender = 0;
  LeafIndex own = 0;
  const std::vector<LeafIndex> &added;
  ByteView group_context;  ///< Provisional.
};
/** Decrypts our part of a merged path, adds to `keys`, and returns the commit secret. */
Result<Secret> open_path(const RatchetTree &tree, const UpdatePath &path, const PathReader &reader,
                         NodeKeys &keys);

/**
 * From the path secret of a node upwards over the ancestors that are not blank; each derived public
 * key has to be the tree's. Returns the commit secret.
 */
Result<Secret> derive_upwards(const RatchetTree &tree, NodeIndex from, Secret path_secret,
                              NodeKeys &keys);

}  // namespace dv::mls
