// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <span>

#include "ext/crypto/mls/tree_math.hpp"
#include "ext/crypto/mls/types.hpp"

namespace dv::mls {

/**
 * The public ratchet tree (RFC 9420, section 7). Nodes are immutable and shared between copies, so
 * a copy costs pointers and hashes; tree hashes are kept until something below them changes.
 * Not thread-safe, `const` members included, since they fill that cache.
 */
class RatchetTree {
 public:
  struct PathStep {
    NodeIndex node;    ///< On the direct path.
    NodeIndex copath;  ///< Its child that is not.
  };

  RatchetTree() : RatchetTree(1) {}

  /** From the data of a `ratchet_tree` extension; checks the structure, not the content. */
  static Result<RatchetTree> parse(ByteView extension_data);
  Bytes encode() const;

  /** A power of two, blanks included. */
  LeafIndex leaf_count() const { return static_cast<LeafIndex>(leaves_.size()); }
  NodeIndex root() const { return tree_math::root(leaf_count()); }
  /** Null for a blank or an index outside. */
  const LeafNode *leaf(LeafIndex i) const {
    return i < leaves_.size() ? leaves_[i].get() : nullptr;
  }
  LeafPtr leaf_ptr(LeafIndex i) const { return i < leaves_.size() ? leaves_[i] : nullptr; }
  const ParentNode *parent(NodeIndex x) const {
    return !tree_math::is_leaf(x) && x / 2 < parents_.size() ? parents_[x / 2].get() : nullptr;
  }
  bool blank(NodeIndex x) const;
  /** Of a node that is not blank. */
  const Bytes &encryption_key(NodeIndex x) const;

  /** Leftmost blank leaf; nothing if the tree has kMaxLeaves members. */
  std::optional<LeafIndex> add(LeafPtr leaf);
  void remove(LeafIndex i);
  /** Replaces the leaf and blanks its direct path. */
  void update(LeafIndex i, LeafPtr leaf);
  void set_leaf(LeafIndex i, LeafPtr leaf);
  void set_parent(NodeIndex x, ParentPtr parent);
  void blank_direct_path(LeafIndex i);

  std::vector<NodeIndex> resolution(NodeIndex x) const;
  std::vector<PathStep> direct_path(LeafIndex i) const;
  std::vector<PathStep> filtered_direct_path(LeafIndex i) const;

  const Hash &hash(NodeIndex x) const;
  const Hash &root_hash() const { return hash(root()); }
  /** What the node below `parent` on the other side of `sibling` has to carry. */
  Hash parent_hash(const ParentNode &parent, NodeIndex sibling) const;

  /** Unmerged leaves and parent hashes of a received tree (RFC 9420, 7.9.2 and 12.4.3.1). */
  Status check_parents() const;

 private:
  explicit RatchetTree(LeafIndex leaves) { resize(leaves); }
  void resize(LeafIndex leaves);
  void truncate();
  void changed(NodeIndex x);
  bool has_leaf(NodeIndex x) const;
  void append_resolution(NodeIndex x, std::vector<NodeIndex> &out) const;
  Hash compute_hash(NodeIndex x, std::span<const LeafIndex> without) const;
  Hash hash_without(NodeIndex x, std::span<const LeafIndex> without) const;
  bool unmerged_leaves_fit(NodeIndex x) const;
  bool has_valid_child(NodeIndex x) const;

  std::vector<LeafPtr> leaves_;
  std::vector<ParentPtr> parents_;  // node 2i + 1 at i
  mutable std::vector<Hash> hashes_;
  mutable std::vector<bool> hashed_;
};

}  // namespace dv::mls
