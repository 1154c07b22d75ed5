// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/crypto/mls/epoch.hpp"

#include <set>

namespace dv::mls {
namespace {

/** Sets of views: the tree outlives them. */
struct Less {
  bool operator()(ByteView a, ByteView b) const {
    return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end());
  }
};
using Seen = std::set<ByteView, Less>;

Status check_received_leaf(const LeafNode &leaf, LeafIndex index, const GroupContext &context,
                           Rules rules) {
  if (const Status s = check_leaf(leaf, rules, context.extensions); !s) return s;
  if (!verify_leaf(leaf, context.group_id, index)) return Error{"leaf signature wrong"};
  return {};
}

}  // namespace

void set_confirmed_transcript(Epoch &next, ByteView interim, ByteView framed_content,
                              ByteView signature) {
  const Hash confirmed =
      confirmed_transcript_hash(interim, WireFormat::public_message, framed_content, signature);
  next.context.confirmed_transcript_hash.assign(confirmed.begin(), confirmed.end());
}

Secret enter_epoch(Epoch &next, const Secret &init, const Secret &commit_secret) {
  next.context_bytes = encode(next.context);
  Secret joiner = joiner_secret(init, commit_secret, next.context_bytes);
  const Secret member = member_secret(joiner, Secret::zeros(kHashSize));
  next.secrets = epoch_secrets(epoch_secret(member, next.context_bytes));
  return joiner;
}

Hash confirmation_tag(const Epoch &epoch) {
  return hmac_sha256(epoch.secrets.confirmation.view(), epoch.context.confirmed_transcript_hash);
}

bool fits_context(ByteView group_id, const Extensions &extensions) {
  std::size_t size = group_id.size();
  for (const auto &e : extensions) size += e.data.size() + 8;
  return size <= 4096;
}

Status check_received_tree(const RatchetTree &tree, const GroupContext &context, Rules rules) {
  if (!std::ranges::equal(tree.root_hash(), context.tree_hash))
    return Error{"tree hash is not the group's"};
  Seen encryption_keys;
  Seen signature_keys;
  Seen identities;
  for (LeafIndex i = 0; i < tree.leaf_count(); ++i) {
    const LeafNode *leaf = tree.leaf(i);
    if (leaf == nullptr) continue;
    if (!encryption_keys.insert(leaf->encryption_key).second ||
        !signature_keys.insert(leaf->signature_key).second)
      return Error{"two leaves with one key"};
    if (rules == Rules::dave && !identities.insert(leaf->credential.identity).second)
      return Error{"two leaves of one user"};
  }
  for (NodeIndex x = 1; x < tree_math::node_count(tree.leaf_count()); x += 2) {
    const ParentNode *parent = tree.parent(x);
    if (parent == nullptr) continue;
    if (!encryption_keys.insert(parent->encryption_key).second)
      return Error{"two nodes with one key"};
    if (!valid_public_key(parent->encryption_key)) return Error{"parent key is not a point"};
  }
  if (const Status s = tree.check_parents(); !s) return s;
  for (LeafIndex i = 0; i < tree.leaf_count(); ++i) {
    const LeafNode *leaf = tree.leaf(i);
    if (leaf == nullptr) continue;
    if (const Status s = check_received_leaf(*leaf, i, context, rules); !s) return s;
  }
  return {};
}

Status check_unique(const RatchetTree &tree, const LeafNode &leaf, LeafIndex own, Rules rules) {
  for (LeafIndex i = 0; i < tree.leaf_count(); ++i) {
    const LeafNode *other = tree.leaf(i);
    if (other == nullptr || i == own) continue;
    if (other->signature_key == leaf.signature_key || other->encryption_key == leaf.encryption_key)
      return Error{"a member has this key already"};
    if (rules == Rules::dave && other->credential == leaf.credential)
      return Error{"the user is a member already"};
  }
  return {};
}

}  // namespace dv::mls
