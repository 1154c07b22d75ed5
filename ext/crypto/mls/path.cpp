// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/crypto/mls/path.hpp"

#include <algorithm>

#include "ext/crypto/mls/hpke.hpp"

namespace dv::mls {
namespace {

using namespace tree_math;
using Steps = std::vector<RatchetTree::PathStep>;

std::vector<NodeIndex> recipients(const RatchetTree &tree, NodeIndex copath,
                                  const std::vector<LeafIndex> &added) {
  auto nodes = tree.resolution(copath);
  std::erase_if(nodes, [&](NodeIndex x) {
    return is_leaf(x) && std::find(added.begin(), added.end(), leaf_of(x)) != added.end();
  });
  return nodes;
}

/** Top down, because each node carries the hash of the one above. Returns the leaf's. */
Bytes install_parents(RatchetTree &tree, const Steps &steps, const std::vector<Bytes> &keys) {
  Bytes above;
  for (std::size_t k = steps.size(); k-- > 0;) {
    auto parent = std::make_shared<ParentNode>();
    parent->encryption_key = keys[k];
    parent->parent_hash = std::move(above);
    const Hash hash = tree.parent_hash(*parent, steps[k].copath);
    above.assign(hash.begin(), hash.end());
    tree.set_parent(steps[k].node, std::move(parent));
  }
  return above;
}

Result<std::vector<HpkeCiphertext>> encrypt_for(const RatchetTree &tree,
                                                const std::vector<NodeIndex> &nodes,
                                                ByteView context, const Secret &path_secret) {
  std::vector<HpkeCiphertext> all;
  for (const NodeIndex x : nodes) {
    auto sealed =
        encrypt_with_label(tree.encryption_key(x), "UpdatePathNode", context, path_secret.view());
    if (!sealed) return Error{"a member's key can not be encrypted to"};
    all.push_back(std::move(*sealed));
  }
  return all;
}

}  // namespace

NodeKeys clone(const NodeKeys &keys) {
  NodeKeys copy;
  for (const auto &[node, key] : keys) copy.emplace(node, key.clone());
  return copy;
}

void forget_blank(NodeKeys &keys, const RatchetTree &tree) {
  std::erase_if(keys, [&](const auto &entry) { return tree.blank(entry.first); });
}

Result<NewPath> make_path(RatchetTree &tree, const PathMaker &maker) {
  const Steps steps = tree.filtered_direct_path(maker.own);
  NewPath made;
  auto leaf_key = generate_key_pair();
  if (!leaf_key) return Error{"key generation failed"};
  LeafNode &leaf = made.path.leaf;
  leaf = *tree.leaf(maker.own);
  leaf.encryption_key = leaf_key->public_key;
  leaf.source = LeafSource::commit;
  made.keys.emplace(node_of(maker.own), std::move(leaf_key->private_key));

  std::vector<Bytes> public_keys;
  Secret secret = random_secret(kHashSize);
  for (const auto &step : steps) {
    auto node = hpke_derive_key_pair(derive_secret(secret, "node").view());
    if (!node) return Error{"key derivation failed"};
    public_keys.push_back(node->public_key);
    made.keys.emplace(step.node, std::move(node->private_key));
    Secret next = derive_secret(secret, "path");
    made.path_secrets.emplace(step.node, std::move(secret));
    secret = std::move(next);
  }
  made.commit_secret = std::move(secret);

  tree.blank_direct_path(maker.own);
  leaf.parent_hash = install_parents(tree, steps, public_keys);
  if (!sign_leaf(leaf, maker.signature, maker.group_id, maker.own)) return Error{"signing failed"};
  tree.set_leaf(maker.own, std::make_shared<LeafNode>(leaf));

  const Bytes context = maker.context(tree.root_hash());
  for (std::size_t k = 0; k < steps.size(); ++k) {
    auto sealed = encrypt_for(tree, recipients(tree, steps[k].copath, maker.added), context,
                              made.path_secrets.at(steps[k].node));
    if (!sealed) return sealed.error();
    made.path.nodes.push_back({public_keys[k], std::move(*sealed)});
  }
  return made;
}

Status merge_path(RatchetTree &tree, LeafIndex sender, const UpdatePath &path) {
  const Steps steps = tree.filtered_direct_path(sender);
  if (path.nodes.size() != steps.size()) return Error{"path of the wrong length"};
  std::vector<Bytes> keys;
  for (const auto &node : path.nodes) {
    if (!valid_public_key(node.encryption_key)) return Error{"path key is not a point"};
    keys.push_back(node.encryption_key);
  }
  tree.blank_direct_path(sender);
  if (install_parents(tree, steps, keys) != path.leaf.parent_hash)
    return Error{"parent hash of the committer's leaf wrong"};
  tree.set_leaf(sender, std::make_shared<LeafNode>(path.leaf));
  return {};
}

Result<Secret> open_path(const RatchetTree &tree, const UpdatePath &path, const PathReader &reader,
                         NodeKeys &keys) {
  const Steps steps = tree.filtered_direct_path(reader.sender);
  // Every list is compared, also those that are not for us: others would fail on them.
  std::size_t ours = steps.size();
  std::vector<NodeIndex> nodes;
  for (std::size_t k = 0; k < steps.size(); ++k) {
    auto list = recipients(tree, steps[k].copath, reader.added);
    if (list.size() != path.nodes[k].ciphertexts.size())
      return Error{"path with the wrong number of ciphertexts"};
    if (ours == steps.size() && covers(steps[k].node, reader.own)) {
      ours = k;
      nodes = std::move(list);
    }
  }
  if (ours == steps.size()) return Error{"path without a node above us"};
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const auto key = keys.find(nodes[i]);
    if (key == keys.end() || !covers(nodes[i], reader.own)) continue;
    const KeyPair recipient{key->second.clone(), tree.encryption_key(nodes[i])};
    auto secret = decrypt_with_label(recipient, "UpdatePathNode", reader.group_context,
                                     path.nodes[ours].ciphertexts[i]);
    if (!secret || secret->size() != kHashSize) return Error{"path secret does not open"};
    return derive_upwards(tree, steps[ours].node, std::move(*secret), keys);
  }
  return Error{"path without a secret for us"};
}

Result<Secret> derive_upwards(const RatchetTree &tree, NodeIndex from, Secret path_secret,
                              NodeKeys &keys) {
  for (NodeIndex x = from;; x = parent(x)) {
    if (!tree.blank(x)) {
      auto node = hpke_derive_key_pair(derive_secret(path_secret, "node").view());
      if (!node || node->public_key != tree.encryption_key(x))
        return Error{"path secret does not fit the public key"};
      keys[x] = std::move(node->private_key);
      path_secret = derive_secret(path_secret, "path");
    } else if (x == from) {
      return Error{"path secret of a blank node"};
    }
    if (x == tree.root()) return path_secret;
  }
}

}  // namespace dv::mls
