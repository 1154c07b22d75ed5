// SPDX-License-Identifier: LGPL-2.1-or-later
// Every structure from raw bytes. The first byte says which; what decodes must encode to the same.
#include <algorithm>

#include "ext/crypto/mls/delivery.hpp"
#include "ext/crypto/mls/epoch.hpp"
#include "tests/fuzz/require.hpp"

using namespace dv;
using namespace dv::mls;

namespace {

template <class T>
void round_trip(ByteView bytes) {
  T value;
  if (!decode(bytes, value)) return;
  FUZZ_REQUIRE(std::ranges::equal(encode(value), bytes));
}

void group_secrets(ByteView bytes) {
  GroupSecrets secrets;
  // Secrets of other sizes than 32 decode, but nobody writes them.
  if (!decode(bytes, secrets) || secrets.joiner_secret.size() > 64) return;
  if (secrets.path_secret && secrets.path_secret->size() > 64) return;
  FUZZ_REQUIRE(std::ranges::equal(encode_secret(secrets).view(), bytes));
}

void public_message(ByteView bytes) {
  const auto message = parse_public_message(bytes);
  if (!message) return;
  FUZZ_REQUIRE(std::ranges::equal(encode(message->content), message->raw_content));
  proposal_ref(*message);
  ref_of_proposal(bytes);
}

void tree(ByteView bytes) {
  const auto parsed = RatchetTree::parse(bytes);
  if (!parsed) return;
  FUZZ_REQUIRE(std::ranges::equal(parsed->encode(), bytes));
  GroupContext context;
  context.tree_hash.assign(parsed->root_hash().begin(), parsed->root_hash().end());
  (void)check_received_tree(*parsed, context, Rules::rfc).ok();
  for (NodeIndex x = 0; x < tree_math::node_count(parsed->leaf_count()); ++x) parsed->resolution(x);
}

void delivery(ByteView bytes) {
  if (const auto info = split_commit_welcome(bytes)) {
    FUZZ_REQUIRE(info->commit.size() + info->welcome.size() == bytes.size());
    if (!info->welcome.empty()) FUZZ_REQUIRE(split_welcome(info->welcome).ok());
  }
  if (const auto list = read_append(bytes)) {
    std::size_t size = 0;
    for (const ByteView m : *list) size += m.size();
    FUZZ_REQUIRE(size == bytes.size());
  }
}

void external_senders(ByteView bytes) {
  Reader r(bytes);
  std::vector<ExternalSender> list;
  if (!read_list(r, list, kMaxExtensions) || !r.at_end()) return;
  Writer w;
  write_list(w, list);
  FUZZ_REQUIRE(std::ranges::equal(w.bytes(), bytes));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  if (size == 0) return 0;
  const ByteView bytes(data + 1, size - 1);
  switch (data[0] % 12) {
    case 0:
      public_message(bytes);
      break;
    case 1:
      round_trip<Welcome>(bytes);
      break;
    case 2:
      round_trip<KeyPackage>(bytes);
      (void)inspect_key_package(bytes).ok();
      break;
    case 3:
      round_trip<GroupInfo>(bytes);
      break;
    case 4:
      group_secrets(bytes);
      break;
    case 5:
      tree(bytes);
      break;
    case 6:
      round_trip<Commit>(bytes);
      break;
    case 7:
      round_trip<Proposal>(bytes);
      break;
    case 8:
      delivery(bytes);
      break;
    case 9:
      round_trip<LeafNode>(bytes);
      break;
    case 10:
      round_trip<ExternalSender>(bytes);
      external_senders(bytes);
      break;
    default:
      round_trip<ParentNode>(bytes);
      round_trip<UpdatePath>(bytes);
      round_trip<GroupContext>(bytes);
      break;
  }
  return 0;
}
