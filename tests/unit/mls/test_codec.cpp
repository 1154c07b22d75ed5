// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>

#include "ext/crypto/mls/tree.hpp"
#include "tests/support/hex.hpp"

using namespace dv;
using namespace dv::mls;
using test::from_hex;

TEST_CASE("a length header must be minimal, whole, and of a known form") {
  const struct {
    const char *hex;
    bool ok;
  } cases[] = {{"00", true},        {"3f", true},        {"4040", true},      {"7fff", true},
               {"80004000", true},  {"bfffffff", true},  {"", false},         {"40", false},
               {"4000", false},     {"403f", false},     {"80003fff", false}, {"800040", false},
               {"80000000", false}, {"c0000000", false}, {"ffffffff", false}};
  for (const auto &c : cases) {
    CAPTURE(std::string(c.hex));
    const Bytes bytes = from_hex(c.hex);
    Reader r(bytes);
    read_vec_length(r);
    CHECK(r.ok() == c.ok);
  }
}

TEST_CASE("a vector that runs past its container fails before anything is allocated") {
  const Bytes bytes = from_hex("bfffffff00");
  Reader r(bytes);
  CHECK(read_vec_bytes(r).empty());
  CHECK_FALSE(r.ok());
  Extension inner;
  // A list of 5 bytes whose element claims 63.
  CHECK_FALSE(decode(from_hex("00013f0102"), inner));
}

TEST_CASE("presence bytes other than 0 and 1 are refused") {
  for (unsigned b = 0; b < 256; ++b) {
    const std::uint8_t byte = static_cast<std::uint8_t>(b);
    Reader r({&byte, 1});
    CHECK(read_present(r) == (b == 1));
    CHECK(r.ok() == (b <= 1));
  }
}

TEST_CASE("odd capability lists, unknown credentials and leaf sources are refused") {
  Capabilities capabilities;
  CHECK(decode(from_hex("0200010200020000020001"), capabilities));
  CHECK_FALSE(decode(from_hex("0300010202000200000200"), capabilities = {}));
  Credential credential;
  CHECK(decode(from_hex("0001080000000000000001"), credential));
  CHECK_FALSE(decode(from_hex("0003080000000000000001"), credential));
  CHECK_FALSE(decode(from_hex("000108000000000000000100"), credential));
}

TEST_CASE("ratchet trees: node kinds by position, no trailing blank, bounded") {
  const auto parses = [](const char *hex) { return RatchetTree::parse(from_hex(hex)).ok(); };
  CHECK_FALSE(parses(""));
  CHECK_FALSE(parses("00"));
  CHECK_FALSE(parses("0100"));
  CHECK_FALSE(parses("020000"));
  // A parent where a leaf belongs: present, type 2, empty fields.
  CHECK_FALSE(parses("050102000000"));
  // The same where it belongs, behind a blank leaf.
  CHECK(parses("06000102000000"));
  Writer nodes;
  for (unsigned i = 0; i < 2 * kMaxLeaves; ++i) nodes.u8(0);
  nodes.put(from_hex("0102000000"));
  Writer w;
  write_vec(w, nodes.bytes());
  CHECK_FALSE(RatchetTree::parse(w.bytes()).ok());
}

TEST_CASE("a tree grows to its limit and not beyond, and shrinks to one leaf") {
  RatchetTree tree;
  const auto leaf = std::make_shared<LeafNode>();
  for (LeafIndex i = 0; i < kMaxLeaves; ++i) REQUIRE(tree.add(leaf) == i);
  CHECK_FALSE(tree.add(leaf));
  for (LeafIndex i = kMaxLeaves - 1; i > 0; --i) tree.remove(i);
  CHECK(tree.leaf_count() == 1);
  CHECK(tree.add(leaf) == 1u);
}

TEST_CASE("the leftmost blank leaf is taken, and hashes follow every change") {
  RatchetTree tree;
  const auto leaf_with = [](std::uint8_t key) {
    auto leaf = std::make_shared<LeafNode>();
    leaf->encryption_key = {key};
    return leaf;
  };
  for (std::uint8_t i = 0; i < 5; ++i) tree.add(leaf_with(i));
  const Hash before = tree.root_hash();
  tree.remove(1);
  CHECK(tree.root_hash() != before);
  CHECK(tree.add(leaf_with(1)) == 1u);
  CHECK(tree.root_hash() == before);
  tree.remove(4);
  CHECK(tree.leaf_count() == 4);
  CHECK(tree.add(leaf_with(4)) == 4u);
  CHECK(tree.root_hash() == before);
}
