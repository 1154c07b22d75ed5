// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>

#include "ext/crypto/mls/epoch.hpp"
#include "ext/crypto/mls/hpke.hpp"
#include "tests/support/vectors.hpp"

using namespace dv;
using namespace dv::mls;
using test::hex_field;
using test::load_vectors;
using test::to_hex;
using Json = nlohmann::json;

static RatchetTree tree_field(const Json &object, const char *field) {
  auto tree = RatchetTree::parse(hex_field(object, field));
  REQUIRE(tree.ok());
  return std::move(*tree);
}

TEST_CASE("tree-math.json") {
  for (const auto &v : load_vectors("mls/tree-math.json")) {
    const LeafIndex leaves = v.at("n_leaves");
    CHECK(tree_math::node_count(leaves) == v.at("n_nodes"));
    CHECK(tree_math::root(leaves) == v.at("root"));
    for (NodeIndex x = 0; x < tree_math::node_count(leaves); ++x) {
      const auto expect = [&](const char *field, auto compute) {
        const auto &want = v.at(field).at(x);
        if (!want.is_null()) CHECK(compute(x) == want.get<NodeIndex>());
      };
      expect("left", tree_math::left);
      expect("right", tree_math::right);
      expect("parent", tree_math::parent);
      expect("sibling", tree_math::sibling);
    }
  }
}

TEST_CASE("tree-operations.json: one proposal on a tree") {
  for (const auto &v : load_vectors("mls/tree-operations.json")) {
    RatchetTree tree = tree_field(v, "tree_before");
    CHECK(to_hex(tree.root_hash()) == v.at("tree_hash_before"));
    Proposal proposal;
    REQUIRE(decode(hex_field(v, "proposal"), proposal));
    if (proposal.type == ProposalType::add) {
      CHECK(tree.add(LeafPtr(proposal.add, &proposal.add->leaf)));
    } else if (proposal.type == ProposalType::update) {
      tree.update(v.at("proposal_sender"), proposal.update);
    } else {
      REQUIRE(proposal.type == ProposalType::remove);
      tree.remove(proposal.remove);
    }
    CHECK(to_hex(tree.encode()) == v.at("tree_after").get<std::string>());
    CHECK(to_hex(tree.root_hash()) == v.at("tree_hash_after"));
    // Nothing that was kept may be stale: a tree that never knew the other state agrees.
    CHECK(tree.root_hash() == tree_field(v, "tree_after").root_hash());
  }
}

TEST_CASE("tree-validation.json: resolutions, hashes, parent hashes, signatures") {
  for (const auto &v : load_vectors("mls/tree-validation.json")) {
    const RatchetTree tree = tree_field(v, "tree");
    CHECK(to_hex(tree.encode()) == v.at("tree").get<std::string>());
    const auto &hashes = v.at("tree_hashes");
    REQUIRE(hashes.size() == tree_math::node_count(tree.leaf_count()));
    for (NodeIndex x = 0; x < hashes.size(); ++x) {
      CHECK(to_hex(tree.hash(x)) == hashes.at(x));
      CHECK(tree.resolution(x) == v.at("resolutions").at(x).get<std::vector<NodeIndex>>());
    }
    GroupContext context;
    context.group_id = hex_field(v, "group_id");
    context.tree_hash.assign(tree.root_hash().begin(), tree.root_hash().end());
    const Status status = check_received_tree(tree, context, Rules::rfc);
    CAPTURE(status.ok() ? "" : status.error().what);
    CHECK(status.ok());
    context.group_id.push_back(1);
    bool in_group = false;
    for (LeafIndex i = 0; i < tree.leaf_count(); ++i)
      in_group |= tree.leaf(i) != nullptr && tree.leaf(i)->source != LeafSource::key_package;
    CHECK(check_received_tree(tree, context, Rules::rfc).ok() == !in_group);
  }
}

struct TreeKemMember {
  LeafIndex index = 0;
  NodeKeys keys;
  KeyPair signature;
};

static TreeKemMember member_of(const Json &leaf) {
  TreeKemMember m;
  m.index = leaf.at("index");
  m.keys[tree_math::node_of(m.index)] = Secret(hex_field(leaf, "encryption_priv"));
  m.signature = std::move(*key_pair_of(Secret(hex_field(leaf, "signature_priv"))));
  for (const auto &p : leaf.at("path_secrets")) {
    auto pair =
        hpke_derive_key_pair(derive_secret(Secret(hex_field(p, "path_secret")), "node").view());
    REQUIRE(pair);
    m.keys[p.at("node")] = std::move(pair->private_key);
  }
  return m;
}

static void check_path(const Json &v, const Json &p, const std::vector<TreeKemMember> &members) {
  const LeafIndex sender = p.at("sender");
  UpdatePath path;
  REQUIRE(decode(hex_field(p, "update_path"), path));
  RatchetTree tree = tree_field(v, "ratchet_tree");
  CHECK(path.leaf.source == LeafSource::commit);
  CHECK(verify_leaf(path.leaf, hex_field(v, "group_id"), sender));
  const Status merged = merge_path(tree, sender, path);
  REQUIRE(merged.ok());
  CHECK(to_hex(tree.root_hash()) == p.at("tree_hash_after"));
  GroupContext context;
  context.group_id = hex_field(v, "group_id");
  context.epoch = v.at("epoch");
  context.tree_hash.assign(tree.root_hash().begin(), tree.root_hash().end());
  context.confirmed_transcript_hash = hex_field(v, "confirmed_transcript_hash");
  const Bytes encoded = encode(context);
  for (const auto &m : members) {
    if (m.index == sender) continue;
    NodeKeys keys = clone(m.keys);
    forget_blank(keys, tree);
    const auto secret = open_path(tree, path, {sender, m.index, {}, encoded}, keys);
    CAPTURE(secret.ok() ? "" : secret.error().what);
    REQUIRE(secret.ok());
    CHECK(to_hex(secret->view()) == p.at("commit_secret"));
    const Secret expected(test::from_hex(p.at("path_secrets").at(m.index).get<std::string>()));
    const auto pair = hpke_derive_key_pair(derive_secret(expected, "node").view());
    CHECK(keys.at(tree_math::common_ancestor(sender, m.index)) == pair->private_key);
  }
}

static void check_own_path(const Json &v, const TreeKemMember &sender,
                           const std::vector<TreeKemMember> &members) {
  RatchetTree tree = tree_field(v, "ratchet_tree");
  Bytes encoded;
  GroupContext context;
  context.group_id = hex_field(v, "group_id");
  auto made =
      make_path(tree, {sender.index, sender.signature, context.group_id, {}, [&](const Hash &root) {
                         context.tree_hash.assign(root.begin(), root.end());
                         return encoded = encode(context);
                       }});
  REQUIRE(made.ok());
  RatchetTree theirs = tree_field(v, "ratchet_tree");
  REQUIRE(merge_path(theirs, sender.index, made->path).ok());
  CHECK(theirs.root_hash() == tree.root_hash());
  for (const auto &m : members) {
    if (m.index == sender.index) continue;
    NodeKeys keys = clone(m.keys);
    forget_blank(keys, theirs);
    const auto secret = open_path(theirs, made->path, {sender.index, m.index, {}, encoded}, keys);
    REQUIRE(secret.ok());
    CHECK(*secret == made->commit_secret);
  }
}

TEST_CASE("treekem.json: every member processes every path, given and own") {
  for (const auto &v : load_vectors("mls/treekem.json")) {
    std::vector<TreeKemMember> members;
    for (const auto &leaf : v.at("leaves_private")) members.push_back(member_of(leaf));
    for (const auto &p : v.at("update_paths")) check_path(v, p, members);
    check_own_path(v, members.front(), members);
    check_own_path(v, members.back(), members);
  }
}
