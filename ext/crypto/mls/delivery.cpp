// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/crypto/mls/delivery.hpp"

#include <algorithm>

#include "ext/crypto/mls/message.hpp"

namespace dv::mls {
namespace {

constexpr std::size_t kMaxMessages = 2 * kMaxLeaves;

ByteView consumed(ByteView all, const Reader &before, const Reader &after) {
  return all.subspan(all.size() - before.remaining(), before.remaining() - after.remaining());
}

}  // namespace

std::optional<ProposalSigner> ProposalSigner::generate(ByteView identity) {
  auto key = generate_key_pair();
  if (!key) return std::nullopt;
  return ProposalSigner(std::move(*key), Bytes(identity.begin(), identity.end()));
}

Bytes ProposalSigner::external_sender() const {
  return encode(ExternalSender{key_.public_key, {kCredentialBasic, identity_}});
}

Bytes ProposalSigner::propose(ByteView group_id, std::uint64_t epoch, Proposal proposal) const {
  FramedContent content;
  content.group_id.assign(group_id.begin(), group_id.end());
  content.epoch = epoch;
  content.sender = {SenderType::external, 0};
  content.type = ContentType::proposal;
  content.proposal = std::move(proposal);
  const Bytes raw = encode(content);
  Writer w;
  write_message_header(w, WireFormat::public_message);
  w.put(raw);
  write_vec(w, sign_framing(key_, raw, {}));
  return w.release();
}

Bytes ProposalSigner::propose_add(ByteView group_id, std::uint64_t epoch,
                                  ByteView key_package) const {
  auto package = std::make_shared<KeyPackage>();
  if (!decode(key_package, *package)) return {};
  Proposal proposal;
  proposal.type = ProposalType::add;
  proposal.add = std::move(package);
  return propose(group_id, epoch, std::move(proposal));
}

Bytes ProposalSigner::propose_remove(ByteView group_id, std::uint64_t epoch, LeafIndex leaf) const {
  Proposal proposal;
  proposal.type = ProposalType::remove;
  proposal.remove = leaf;
  return propose(group_id, epoch, std::move(proposal));
}

Result<KeyPackageInfo> inspect_key_package(ByteView key_package) {
  KeyPackage package;
  if (!decode(key_package, package)) return Error{"key package malformed"};
  if (const Status s = check_key_package(package, Rules::dave, {}); !s) return s.error();
  return KeyPackageInfo{user_of(package.leaf.credential), package.leaf.signature_key,
                        key_package_ref(key_package)};
}

Bytes append_payload(std::span<const Bytes> proposal_messages) {
  Writer messages;
  for (const auto &m : proposal_messages) messages.put(m);
  Writer w;
  w.u8(0);
  write_vec(w, messages.bytes());
  return w.release();
}

Bytes revoke_payload(std::span<const Hash> refs) {
  Writer list;
  for (const auto &ref : refs) write_vec(list, ref);
  Writer w;
  w.u8(1);
  write_vec(w, list.bytes());
  return w.release();
}

Result<std::vector<ByteView>> read_append(ByteView messages) {
  std::vector<ByteView> all;
  Reader r(messages);
  while (!r.at_end()) {
    const Reader before = r;
    if (all.size() == kMaxMessages) return Error{"too many proposals"};
    if (const auto message = read_public_message(r); !message) return message.error();
    all.push_back(consumed(messages, before, r));
  }
  return all;
}

std::optional<Hash> ref_of_proposal(ByteView proposal_message) {
  const auto message = parse_public_message(proposal_message);
  if (!message || message->content.type != ContentType::proposal) return std::nullopt;
  return proposal_ref(*message);
}

Result<CommitInfo> split_commit_welcome(ByteView payload) {
  if (payload.size() > kMaxMessage) return Error{"message too large"};
  Reader r(payload);
  const auto message = read_public_message(r);
  if (!message) return message.error();
  const FramedContent &content = message->content;
  if (content.type != ContentType::commit || content.sender.type != SenderType::member)
    return Error{"not a member's commit"};
  CommitInfo info;
  const ByteView commit = payload.first(payload.size() - r.remaining());
  const ByteView welcome = payload.last(r.remaining());
  info.commit.assign(commit.begin(), commit.end());
  info.welcome.assign(welcome.begin(), welcome.end());
  Welcome parsed;
  if (!welcome.empty() && !decode(welcome, parsed)) return Error{"Welcome malformed"};
  info.group_id = content.group_id;
  info.epoch = content.epoch;
  info.sender = content.sender.index;
  info.has_path = content.commit.path.has_value();
  for (const auto &item : content.commit.proposals) {
    if (item.proposal) {
      ++info.by_value;
    } else {
      info.refs.push_back(item.ref);
    }
  }
  return info;
}

Result<std::vector<WelcomePart>> split_welcome(ByteView bytes) {
  Welcome welcome;
  if (!decode(bytes, welcome)) return Error{"Welcome malformed"};
  std::vector<WelcomePart> parts;
  for (const auto &entry : welcome.secrets) {
    Welcome one{welcome.cipher_suite, {entry}, welcome.encrypted_group_info};
    parts.push_back({entry.new_member, encode(one)});
  }
  return parts;
}

LeafIndex LeafTable::add(std::uint64_t user) {
  LeafIndex free = 0;
  for (const auto &[leaf, at] : leaves_) {
    if (leaf != free) break;
    ++free;
  }
  leaves_[free] = user;
  return free;
}

std::optional<LeafIndex> LeafTable::leaf_of(std::uint64_t user) const {
  const auto it = std::find_if(leaves_.begin(), leaves_.end(),
                               [&](const auto &entry) { return entry.second == user; });
  if (it == leaves_.end()) return std::nullopt;
  return it->first;
}

}  // namespace dv::mls
