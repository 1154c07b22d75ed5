// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>

#include "ext/crypto/mls/epoch.hpp"
#include "ext/crypto/mls/hpke.hpp"

namespace dv::mls {
namespace {

Bytes auth_data(ByteView signature, ByteView confirmation_tag) {
  Writer w;
  write_vec(w, signature);
  write_vec(w, confirmation_tag);
  return w.release();
}

}  // namespace

Result<OwnCommit> Group::make_commit() {
  const auto list = all_proposals();
  if (list.empty()) return Error{"nothing to commit"};
  RatchetTree tree = now_.tree;
  Extensions extensions = now_.context.extensions;
  const auto added = apply(list, now_.own, tree, extensions);
  if (!added) return added.error();
  Commit commit;
  for (const auto &p : proposals_)
    commit.proposals.push_back({std::nullopt, Bytes(p.ref.begin(), p.ref.end())});

  const bool removes = std::any_of(list.begin(), list.end(), [](const Listed &l) {
    return l.proposal->type != ProposalType::add;
  });
  Epoch next = next_epoch(std::move(tree), std::move(extensions));
  if (!removes) return finish_commit(std::move(next), std::move(commit), nullptr, *added);

  auto with_root = [&next](const Hash &root) {
    next.context.tree_hash.assign(root.begin(), root.end());
    return encode(next.context);
  };
  auto path =
      make_path(next.tree, {now_.own, signature_, now_.context.group_id, *added, with_root});
  if (!path) return path.error();
  next.keys = std::move(path->keys);
  commit.path = std::move(path->path);
  return finish_commit(std::move(next), std::move(commit), &*path, *added);
}

Result<OwnCommit> Group::finish_commit(Epoch next, Commit commit, const NewPath *path,
                                       const std::vector<LeafIndex> &added) {
  FramedContent content;
  content.group_id = now_.context.group_id;
  content.epoch = now_.context.epoch;
  content.sender = {SenderType::member, now_.own};
  content.type = ContentType::commit;
  content.commit = std::move(commit);
  const Bytes raw_content = encode(content);
  const Bytes signature = sign_framing(signature_, raw_content, now_.context_bytes);
  if (signature.empty()) return Error{"signing failed"};

  set_confirmed_transcript(next, now_.interim, raw_content, signature);
  const Secret no_path = Secret::zeros(kHashSize);
  const Secret joiner =
      enter_epoch(next, now_.secrets.init, path != nullptr ? path->commit_secret : no_path);
  const Hash tag = confirmation_tag(next);
  next.interim = interim_transcript_hash(next.context.confirmed_transcript_hash, tag);

  const Bytes auth = auth_data(signature, tag);
  Writer w;
  write_message_header(w, WireFormat::public_message);
  w.put(raw_content).put(auth);
  write_vec(w, membership_tag(now_.secrets.membership, raw_content, auth, now_.context_bytes));
  OwnCommit made{w.release(), {}};
  if (!added.empty()) {
    auto welcome = make_welcome(next, joiner, tag, path, added);
    if (!welcome) return welcome.error();
    made.welcome = std::move(*welcome);
  }
  if (outstanding_.size() == kMaxOutstanding) outstanding_.pop_front();
  outstanding_.push_back({made.commit, std::move(next)});
  return made;
}

Result<Bytes> Group::make_welcome(const Epoch &next, const Secret &joiner,
                                  ByteView confirmation_tag, const NewPath *path,
                                  const std::vector<LeafIndex> &added) const {
  GroupInfo info;
  info.context = next.context;
  info.extensions.push_back({kExtRatchetTree, next.tree.encode()});
  info.confirmation_tag.assign(confirmation_tag.begin(), confirmation_tag.end());
  info.signer = next.own;
  Writer tbs;
  write_tbs(tbs, info);
  info.signature = sign_with_label(signature_, "GroupInfoTBS", tbs.bytes());
  const WelcomeKeys keys = welcome_keys(member_secret(joiner, Secret::zeros(kHashSize)));
  auto sealed = aead_seal(keys.key, keys.nonce.view(), encode(info));
  if (!sealed || info.signature.empty()) return Error{"sealing the group info failed"};

  Welcome welcome;
  welcome.encrypted_group_info = std::move(*sealed);
  auto next_added = added.begin();
  for (const auto &known : proposals_) {
    if (known.proposal.type != ProposalType::add) continue;
    GroupSecrets secrets;
    secrets.joiner_secret = joiner.clone();
    if (path != nullptr) {
      const NodeIndex common = tree_math::common_ancestor(next.own, *next_added);
      secrets.path_secret = path->path_secrets.at(common).clone();
    }
    ++next_added;
    auto entry = encrypt_with_label(known.proposal.add->init_key, "Welcome",
                                    welcome.encrypted_group_info, encode_secret(secrets).view());
    if (!entry) return Error{"a new member's key can not be encrypted to"};
    const Hash ref = key_package_ref(encode(*known.proposal.add));
    welcome.secrets.push_back({Bytes(ref.begin(), ref.end()), std::move(*entry)});
  }
  return encode(welcome);
}

}  // namespace dv::mls
