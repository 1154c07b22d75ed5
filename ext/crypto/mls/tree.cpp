// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/crypto/mls/tree.hpp"

#include <algorithm>

#include "ext/crypto/mls/crypto.hpp"

namespace dv::mls {
namespace {

using namespace tree_math;

std::span<const LeafIndex> below(std::span<const LeafIndex> sorted, NodeIndex x) {
  const auto from = std::lower_bound(sorted.begin(), sorted.end(), first_leaf(x));
  const auto to = std::upper_bound(from, sorted.end(), last_leaf(x));
  return {from, to};
}

}  // namespace

void RatchetTree::resize(LeafIndex leaves) {
  leaves_.resize(leaves);
  parents_.resize(leaves - 1);
  hashes_.resize(node_count(leaves));
  hashed_.resize(node_count(leaves));
}

Result<RatchetTree> RatchetTree::parse(ByteView extension_data) {
  if (extension_data.size() > kMaxMessage) return Error{"ratchet tree too large"};
  Reader outer(extension_data);
  Reader r(read_vec(outer));
  if (!outer.at_end() || r.at_end()) return Error{"ratchet tree malformed"};
  RatchetTree tree;
  bool last_blank = true;
  for (NodeIndex x = 0; r.ok() && !r.at_end(); ++x) {
    if (x >= node_count(kMaxLeaves)) return Error{"ratchet tree too large"};
    if (x >= node_count(tree.leaf_count())) tree.resize(2 * tree.leaf_count());
    last_blank = !read_present(r);
    if (last_blank) continue;
    const std::uint8_t type = r.u8();
    if (type != (is_leaf(x) ? 1 : 2)) return Error{"node type does not fit its position"};
    if (is_leaf(x)) {
      auto leaf = std::make_shared<LeafNode>();
      read(r, *leaf);
      tree.leaves_[leaf_of(x)] = std::move(leaf);
    } else {
      auto parent = std::make_shared<ParentNode>();
      read(r, *parent);
      tree.parents_[x / 2] = std::move(parent);
    }
  }
  if (!r.ok()) return Error{"ratchet tree malformed"};
  if (last_blank) return Error{"last node of the ratchet tree is blank"};
  return tree;
}

Bytes RatchetTree::encode() const {
  NodeIndex count = node_count(leaf_count());
  while (count > 0 && blank(count - 1)) --count;
  Writer nodes;
  for (NodeIndex x = 0; x < count; ++x) {
    nodes.u8(blank(x) ? 0 : 1);
    if (blank(x)) continue;
    nodes.u8(is_leaf(x) ? 1 : 2);
    if (is_leaf(x)) {
      write(nodes, *leaf(leaf_of(x)));
    } else {
      write(nodes, *parent(x));
    }
  }
  Writer w;
  write_vec(w, nodes.bytes());
  return w.release();
}

bool RatchetTree::blank(NodeIndex x) const {
  return is_leaf(x) ? leaf(leaf_of(x)) == nullptr : parent(x) == nullptr;
}

const Bytes &RatchetTree::encryption_key(NodeIndex x) const {
  return is_leaf(x) ? leaves_[leaf_of(x)]->encryption_key : parents_[x / 2]->encryption_key;
}

void RatchetTree::changed(NodeIndex x) {
  hashed_[x] = false;
  while (x != root()) {
    x = tree_math::parent(x);
    hashed_[x] = false;
  }
}

std::optional<LeafIndex> RatchetTree::add(LeafPtr leaf) {
  const auto free = std::find(leaves_.begin(), leaves_.end(), nullptr);
  const LeafIndex i = static_cast<LeafIndex>(free - leaves_.begin());
  if (free == leaves_.end()) {
    if (leaf_count() >= kMaxLeaves) return std::nullopt;
    resize(2 * leaf_count());
  }
  set_leaf(i, std::move(leaf));
  for (const PathStep &step : direct_path(i)) {
    if (blank(step.node)) continue;
    auto copy = std::make_shared<ParentNode>(*parent(step.node));
    auto &unmerged = copy->unmerged_leaves;
    unmerged.insert(std::lower_bound(unmerged.begin(), unmerged.end(), i), i);
    parents_[step.node / 2] = std::move(copy);
  }
  return i;
}

void RatchetTree::remove(LeafIndex i) {
  update(i, nullptr);
  truncate();
}

void RatchetTree::update(LeafIndex i, LeafPtr leaf) {
  set_leaf(i, std::move(leaf));
  blank_direct_path(i);
}

void RatchetTree::set_leaf(LeafIndex i, LeafPtr leaf) {
  leaves_[i] = std::move(leaf);
  changed(node_of(i));
}

void RatchetTree::set_parent(NodeIndex x, ParentPtr parent) {
  parents_[x / 2] = std::move(parent);
  changed(x);
}

void RatchetTree::blank_direct_path(LeafIndex i) {
  for (const PathStep &step : direct_path(i)) parents_[step.node / 2] = nullptr;
  changed(node_of(i));
}

void RatchetTree::truncate() {
  LeafIndex n = leaf_count();
  while (n > 1 && std::all_of(leaves_.begin() + n / 2, leaves_.begin() + n,
                              [](const LeafPtr &leaf) { return leaf == nullptr; }))
    n /= 2;
  if (n != leaf_count()) resize(n);
}

void RatchetTree::append_resolution(NodeIndex x, std::vector<NodeIndex> &out) const {
  if (!blank(x)) {
    out.push_back(x);
    if (const ParentNode *p = parent(x)) {
      for (const LeafIndex leaf : p->unmerged_leaves) out.push_back(node_of(leaf));
    }
  } else if (!is_leaf(x)) {
    append_resolution(left(x), out);
    append_resolution(right(x), out);
  }
}

std::vector<NodeIndex> RatchetTree::resolution(NodeIndex x) const {
  std::vector<NodeIndex> out;
  append_resolution(x, out);
  return out;
}

bool RatchetTree::has_leaf(NodeIndex x) const {
  return std::any_of(leaves_.begin() + first_leaf(x), leaves_.begin() + last_leaf(x) + 1,
                     [](const LeafPtr &leaf) { return leaf != nullptr; });
}

std::vector<RatchetTree::PathStep> RatchetTree::direct_path(LeafIndex i) const {
  std::vector<PathStep> path;
  for (NodeIndex x = node_of(i); x != root();) {
    const NodeIndex copath = sibling(x);
    x = tree_math::parent(x);
    path.push_back({x, copath});
  }
  return path;
}

std::vector<RatchetTree::PathStep> RatchetTree::filtered_direct_path(LeafIndex i) const {
  std::vector<PathStep> path = direct_path(i);
  // A node that is not blank has a member below it, so an empty resolution is a subtree of blanks.
  std::erase_if(path, [this](const PathStep &step) { return !has_leaf(step.copath); });
  return path;
}

Hash RatchetTree::compute_hash(NodeIndex x, std::span<const LeafIndex> without) const {
  Writer w;
  if (is_leaf(x)) {
    const LeafNode *node = without.empty() ? leaf(leaf_of(x)) : nullptr;
    w.u8(1).u32(leaf_of(x)).u8(node != nullptr ? 1 : 0);
    if (node != nullptr) write(w, *node);
    return sha256(w.bytes());
  }
  const ParentNode *node = parent(x);
  w.u8(2).u8(node != nullptr ? 1 : 0);
  if (node != nullptr && without.empty()) {
    write(w, *node);
  } else if (node != nullptr) {
    ParentNode copy{node->encryption_key, node->parent_hash, {}};
    std::set_difference(node->unmerged_leaves.begin(), node->unmerged_leaves.end(), without.begin(),
                        without.end(), std::back_inserter(copy.unmerged_leaves));
    write(w, copy);
  }
  write_vec(w, hash_without(left(x), without));
  write_vec(w, hash_without(right(x), without));
  return sha256(w.bytes());
}

Hash RatchetTree::hash_without(NodeIndex x, std::span<const LeafIndex> without) const {
  const auto here = below(without, x);
  return here.empty() ? hash(x) : compute_hash(x, here);
}

const Hash &RatchetTree::hash(NodeIndex x) const {
  if (!hashed_[x]) {
    hashes_[x] = compute_hash(x, {});
    hashed_[x] = true;
  }
  return hashes_[x];
}

Hash RatchetTree::parent_hash(const ParentNode &parent, NodeIndex sibling) const {
  Writer w;
  write_vec(w, parent.encryption_key);
  write_vec(w, parent.parent_hash);
  write_vec(w, hash_without(sibling, parent.unmerged_leaves));
  return sha256(w.bytes());
}

bool RatchetTree::unmerged_leaves_fit(NodeIndex x) const {
  const auto &unmerged = parent(x)->unmerged_leaves;
  for (std::size_t i = 0; i < unmerged.size(); ++i) {
    const LeafIndex leaf_index = unmerged[i];
    if (i > 0 && unmerged[i - 1] >= leaf_index) return false;
    if (!covers(x, leaf_index) || leaf(leaf_index) == nullptr) return false;
    for (NodeIndex y = tree_math::parent(node_of(leaf_index)); y != x; y = tree_math::parent(y)) {
      const ParentNode *between = parent(y);
      if (between != nullptr && !std::binary_search(between->unmerged_leaves.begin(),
                                                    between->unmerged_leaves.end(), leaf_index))
        return false;
    }
  }
  return true;
}

bool RatchetTree::has_valid_child(NodeIndex x) const {
  const ParentNode &p = *parent(x);
  for (const NodeIndex child : {left(x), right(x)}) {
    const NodeIndex other = child == left(x) ? right(x) : left(x);
    const auto unmerged = below(p.unmerged_leaves, child);
    const auto nodes = resolution(child);
    if (nodes.size() != unmerged.size() + 1) continue;
    // With one more node than unmerged leaves, the one that is none of them is the candidate.
    std::size_t matched = 0;
    std::optional<NodeIndex> candidate;
    for (const NodeIndex node : nodes) {
      if (matched < unmerged.size() && node == node_of(unmerged[matched])) {
        ++matched;
      } else {
        candidate = node;
      }
    }
    if (matched != unmerged.size() || !candidate) continue;
    const Bytes *carried = nullptr;
    if (!is_leaf(*candidate)) {
      carried = &parent(*candidate)->parent_hash;
    } else if (leaf(leaf_of(*candidate))->source == LeafSource::commit) {
      carried = &leaf(leaf_of(*candidate))->parent_hash;
    }
    if (carried != nullptr && std::ranges::equal(*carried, parent_hash(p, other))) return true;
  }
  return false;
}

Status RatchetTree::check_parents() const {
  for (NodeIndex x = 1; x < node_count(leaf_count()); x += 2) {
    if (!blank(x) && !unmerged_leaves_fit(x)) return Error{"unmerged leaves do not fit the tree"};
  }
  for (NodeIndex x = 1; x < node_count(leaf_count()); x += 2) {
    if (!blank(x) && !has_valid_child(x)) return Error{"parent hash without a node that has it"};
  }
  return {};
}

}  // namespace dv::mls
