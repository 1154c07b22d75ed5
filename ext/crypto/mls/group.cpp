// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/crypto/mls/group.hpp"

#include <algorithm>

#include "ext/crypto/mls/epoch.hpp"

namespace dv::mls {

Result<Group> Group::create(const KeyPair &signature, const KeyPackageBundle &bundle,
                            ByteView group_id, Extensions extensions) {
  Group group;
  group.signature_ = signature.clone();
  Epoch &epoch = group.now_;
  epoch.tree.set_leaf(0, std::make_shared<LeafNode>(bundle.package.leaf));
  epoch.keys.emplace(0, bundle.leaf.private_key.clone());
  epoch.context.group_id.assign(group_id.begin(), group_id.end());
  epoch.context.extensions = std::move(extensions);
  const Hash &root = epoch.tree.root_hash();
  epoch.context.tree_hash.assign(root.begin(), root.end());
  epoch.context_bytes = encode(epoch.context);
  epoch.secrets = epoch_secrets(random_secret(kHashSize));
  epoch.interim = interim_transcript_hash({}, confirmation_tag(epoch));
  return group;
}

std::vector<Member> Group::members() const {
  std::vector<Member> all;
  for (LeafIndex i = 0; i < now_.tree.leaf_count(); ++i) {
    if (const LeafNode *leaf = now_.tree.leaf(i))
      all.push_back({i, user_of(leaf->credential), leaf->signature_key});
  }
  return all;
}

void Group::replace(Epoch next) {
  now_ = std::move(next);
  proposals_.clear();
  outstanding_.clear();
}

const Group::KnownProposal *Group::find(ByteView ref) const {
  const auto it = std::find_if(proposals_.begin(), proposals_.end(), [&](const KnownProposal &p) {
    return std::ranges::equal(p.ref, ref);
  });
  return it == proposals_.end() ? nullptr : &*it;
}

bool Group::revoke(ByteView ref) {
  return std::erase_if(proposals_,
                       [&](const KnownProposal &p) { return std::ranges::equal(p.ref, ref); }) != 0;
}

bool Group::is_outstanding(ByteView commit) const {
  return std::any_of(outstanding_.begin(), outstanding_.end(), [&](const Outstanding &own) {
    return std::ranges::equal(own.commit, commit);
  });
}

bool Group::proposed_for_removal(LeafIndex leaf) const {
  return std::any_of(proposals_.begin(), proposals_.end(), [&](const KnownProposal &p) {
    return p.proposal.type == ProposalType::remove && p.proposal.remove == leaf;
  });
}

std::vector<Group::Listed> Group::all_proposals() const {
  std::vector<Listed> list;
  for (const auto &p : proposals_) list.push_back({&p.proposal, p.sender});
  return list;
}

Status Group::check_proposal_content(const Proposal &proposal, const Recognise &recognise) const {
  switch (proposal.type) {
    case ProposalType::add: {
      if (recognise && !recognise(proposal.add->leaf.credential))
        return Error{"proposal adds somebody who is not in the call"};
      return check_key_package(*proposal.add, rules_, now_.context.extensions);
    }
    case ProposalType::remove:
      if (now_.tree.leaf(proposal.remove) == nullptr)
        return Error{"proposal removes a leaf that is blank"};
      return {};
    case ProposalType::update:
    case ProposalType::group_context_extensions:
      if (rules_ == Rules::rfc) return {};
      break;
    default:
      break;
  }
  return Error{"proposal of a kind that is not allowed"};
}

namespace {

/** The key of an external sender by its index in the group's own extension. */
std::optional<Bytes> external_key(const Extensions &extensions, std::uint32_t index) {
  const Extension *e = find_extension(extensions, kExtExternalSenders);
  if (e == nullptr) return std::nullopt;
  Reader r(e->data);
  std::vector<ExternalSender> senders;
  if (!read_list(r, senders, kMaxExtensions) || !r.at_end() || index >= senders.size())
    return std::nullopt;
  return senders[index].signature_key;
}

}  // namespace

Result<PublicMessage> Group::check_proposal(ByteView bytes, const Recognise &recognise) const {
  auto message = parse_public_message(bytes);
  if (!message) return message;
  const FramedContent &content = message->content;
  if (content.type != ContentType::proposal) return Error{"not a proposal"};
  if (content.group_id != now_.context.group_id) return Error{"proposal for another group"};
  if (content.epoch != now_.context.epoch) return Error{"proposal for another epoch"};
  if (content.sender.type == SenderType::external) {
    if (rules_ == Rules::dave && content.sender.index != 0)
      return Error{"proposal of another external sender"};
    const auto key = external_key(now_.context.extensions, content.sender.index);
    if (!key || !verify_framing(*message, *key, {})) return Error{"proposal signature wrong"};
  } else if (content.sender.type == SenderType::member && rules_ == Rules::rfc) {
    const LeafNode *leaf = now_.tree.leaf(content.sender.index);
    if (leaf == nullptr ||
        !verify_membership(*message, now_.secrets.membership, now_.context_bytes) ||
        !verify_framing(*message, leaf->signature_key, now_.context_bytes))
      return Error{"proposal signature wrong"};
  } else {
    return Error{"proposal by a sender that may not"};
  }
  if (const Status s = check_proposal_content(content.proposal, recognise); !s) return s.error();
  return message;
}

Result<std::size_t> Group::receive_proposals(std::span<const ByteView> messages,
                                             const Recognise &recognise) {
  if (messages.size() > kMaxProposals) return Error{"too many proposals"};
  std::vector<KnownProposal> fresh;
  for (const ByteView bytes : messages) {
    auto message = check_proposal(bytes, recognise);
    if (!message) return message.error();
    const Hash ref = proposal_ref(*message);
    const bool known =
        find(ref) != nullptr ||
        std::any_of(fresh.begin(), fresh.end(), [&](const auto &p) { return p.ref == ref; });
    if (!known)
      fresh.push_back({ref, message->content.sender, std::move(message->content.proposal)});
  }
  if (proposals_.size() + fresh.size() > kMaxProposals) return Error{"too many proposals"};
  const std::size_t count = fresh.size();
  std::move(fresh.begin(), fresh.end(), std::back_inserter(proposals_));
  return count;
}

}  // namespace dv::mls
