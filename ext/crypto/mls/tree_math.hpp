// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <bit>

#include "ext/crypto/mls/types.hpp"

/**
 * Arithmetic of the array representation (RFC 9420, appendix C): leaf i is node 2i, the number of
 * leaves is always a power of two.
 */
namespace dv::mls::tree_math {

constexpr unsigned level(NodeIndex x) { return static_cast<unsigned>(std::countr_one(x)); }
constexpr NodeIndex root(LeafIndex leaves) { return leaves - 1; }
constexpr NodeIndex node_count(LeafIndex leaves) { return 2 * leaves - 1; }
constexpr NodeIndex node_of(LeafIndex leaf) { return 2 * leaf; }
constexpr LeafIndex leaf_of(NodeIndex node) { return node / 2; }
constexpr bool is_leaf(NodeIndex x) { return (x & 1u) == 0; }
/** Of parents only. */
constexpr NodeIndex left(NodeIndex x) { return x ^ (1u << (level(x) - 1)); }
constexpr NodeIndex right(NodeIndex x) { return x ^ (3u << (level(x) - 1)); }
/** Not of the root. */
constexpr NodeIndex parent(NodeIndex x) {
  const unsigned k = level(x);
  return (x | 1u << k) ^ (((x >> (k + 1)) & 1u) << (k + 1));
}
constexpr NodeIndex sibling(NodeIndex x) {
  const NodeIndex p = parent(x);
  return x < p ? right(p) : left(p);
}
/** The leaves below a node are first_leaf .. last_leaf. */
constexpr LeafIndex first_leaf(NodeIndex x) { return leaf_of(x + 1 - (1u << level(x))); }
constexpr LeafIndex last_leaf(NodeIndex x) { return leaf_of(x + (1u << level(x)) - 1); }
constexpr bool covers(NodeIndex x, LeafIndex leaf) {
  return first_leaf(x) <= leaf && leaf <= last_leaf(x);
}
/** Lowest common ancestor of two different leaves. */
constexpr NodeIndex common_ancestor(LeafIndex a, LeafIndex b) {
  NodeIndex x = node_of(a);
  while (!covers(x, b)) x = parent(x);
  return x;
}

}  // namespace dv::mls::tree_math
