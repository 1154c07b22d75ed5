// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>

#include "ext/crypto/mls/epoch.hpp"

namespace dv::mls {
namespace {

template <class T>
auto count_type(const std::vector<T> &list, ProposalType type) {
  return std::count_if(list.begin(), list.end(),
                       [&](const T &p) { return p.proposal->type == type; });
}

/** RFC 9420, 12.4: nothing but Adds (and PSKs) can do without a path. */
template <class T>
bool needs_path(const std::vector<T> &list) {
  return list.empty() || std::any_of(list.begin(), list.end(), [](const T &p) {
           return p.proposal->type != ProposalType::add;
         });
}

}  // namespace

Result<std::vector<Group::Listed>> Group::resolve(const Commit &commit, LeafIndex committer) const {
  std::vector<Listed> list;
  for (const auto &item : commit.proposals) {
    if (item.proposal) {
      if (rules_ == Rules::dave) return Error{"commit with a proposal by value"};
      if (const Status s = check_proposal_content(*item.proposal, nullptr); !s) return s.error();
      list.push_back({&*item.proposal, {SenderType::member, committer}});
      continue;
    }
    const KnownProposal *known = find(item.ref);
    if (known == nullptr) return Error{"commit with a proposal that we were not sent"};
    if (std::any_of(list.begin(), list.end(),
                    [&](const Listed &l) { return l.proposal == &known->proposal; }))
      return Error{"commit with one proposal twice"};
    list.push_back({&known->proposal, known->sender});
  }
  return list;
}

Status Group::apply_updates(const std::vector<Listed> &list, LeafIndex committer, RatchetTree &tree,
                            const Extensions &extensions) const {
  std::vector<LeafIndex> updated;
  for (const auto &[proposal, sender] : list) {
    if (proposal->type != ProposalType::update) continue;
    const LeafIndex i = sender.index;
    const LeafNode &leaf = *proposal->update;
    if (sender.type != SenderType::member || i == committer || i == now_.own ||
        tree.leaf(i) == nullptr || std::find(updated.begin(), updated.end(), i) != updated.end())
      return Error{"update by somebody who may not"};
    if (leaf.source != LeafSource::update || leaf.encryption_key == tree.leaf(i)->encryption_key)
      return Error{"update without a new key"};
    if (const Status s = check_leaf(leaf, rules_, extensions); !s) return s;
    if (const Status s = check_unique(tree, leaf, i, rules_); !s) return s;
    if (!verify_leaf(leaf, now_.context.group_id, i)) return Error{"leaf signature wrong"};
    tree.update(i, proposal->update);
    updated.push_back(i);
  }
  return {};
}

Status Group::apply_removals(const std::vector<Listed> &list, LeafIndex committer,
                             RatchetTree &tree) const {
  for (const auto &[proposal, sender] : list) {
    if (proposal->type != ProposalType::remove) continue;
    if (proposal->remove == committer) return Error{"the committer can not remove itself"};
    // A second Remove of one leaf finds it blank.
    if (tree.leaf(proposal->remove) == nullptr) return Error{"commit removes a blank leaf"};
    if (tree.leaf_ptr(proposal->remove) != now_.tree.leaf_ptr(proposal->remove))
      return Error{"commit updates and removes one leaf"};
    tree.remove(proposal->remove);
  }
  return {};
}

Result<std::vector<LeafIndex>> Group::apply(const std::vector<Listed> &list, LeafIndex committer,
                                            RatchetTree &tree, Extensions &extensions) const {
  if (count_type(list, ProposalType::group_context_extensions) > 1)
    return Error{"commit with two sets of extensions"};
  for (const auto &[proposal, sender] : list) {
    if (proposal->type == ProposalType::group_context_extensions) extensions = proposal->extensions;
  }
  if (!fits_context(now_.context.group_id, extensions)) return Error{"group context too large"};
  if (const Status s = apply_updates(list, committer, tree, extensions); !s) return s.error();
  if (const Status s = apply_removals(list, committer, tree); !s) return s.error();
  std::vector<LeafIndex> added;
  for (const auto &[proposal, sender] : list) {
    if (proposal->type != ProposalType::add) continue;
    // Shares the key package's memory: a leaf is not copied for each state that has it.
    const LeafPtr leaf(proposal->add, &proposal->add->leaf);
    if (const Status s = check_unique(tree, *leaf, kMaxLeaves, rules_); !s) return s.error();
    const auto index = tree.add(leaf);
    if (!index) return Error{"the group is full"};
    added.push_back(*index);
  }
  return added;
}

Status Group::check_path_leaf(const LeafNode &leaf, LeafIndex sender, const RatchetTree &tree,
                              const Extensions &extensions) const {
  const LeafNode &old = *now_.tree.leaf(sender);
  if (leaf.source != LeafSource::commit) return Error{"path with a leaf from elsewhere"};
  if (rules_ == Rules::dave &&
      (leaf.credential != old.credential || leaf.signature_key != old.signature_key))
    return Error{"the committer changes its identity"};
  if (const Status s = check_leaf(leaf, rules_, extensions); !s) return s;
  if (const Status s = check_unique(tree, leaf, sender, rules_); !s) return s;
  if (leaf.encryption_key == old.encryption_key) return Error{"the committer's key is not new"};
  for (NodeIndex x = 1; x < tree_math::node_count(tree.leaf_count()); x += 2) {
    if (tree.parent(x) != nullptr && tree.parent(x)->encryption_key == leaf.encryption_key)
      return Error{"two nodes with one key"};
  }
  if (!verify_leaf(leaf, now_.context.group_id, sender)) return Error{"leaf signature wrong"};
  return {};
}

Status Group::check_commit_framing(const PublicMessage &message) const {
  const FramedContent &content = message.content;
  if (content.type != ContentType::commit) return Error{"not a commit"};
  if (content.sender.type != SenderType::member) return Error{"commit by a sender that may not"};
  const LeafNode *sender = now_.tree.leaf(content.sender.index);
  if (sender == nullptr) return Error{"commit by a leaf that is blank"};
  if (!verify_membership(message, now_.secrets.membership, now_.context_bytes))
    return Error{"membership tag wrong"};
  if (!verify_framing(message, sender->signature_key, now_.context_bytes))
    return Error{"commit signature wrong"};
  return {};
}

Epoch Group::next_epoch(RatchetTree tree, Extensions extensions) const {
  Epoch next;
  next.context = now_.context;
  next.context.epoch += 1;
  next.context.extensions = std::move(extensions);
  const Hash &root = tree.root_hash();
  next.context.tree_hash.assign(root.begin(), root.end());
  next.tree = std::move(tree);
  next.own = now_.own;
  next.keys = clone(now_.keys);
  forget_blank(next.keys, next.tree);
  return next;
}

Result<Secret> Group::take_path(Epoch &next, const UpdatePath &path, LeafIndex sender,
                                const std::vector<LeafIndex> &added) const {
  if (const Status s = check_path_leaf(path.leaf, sender, next.tree, next.context.extensions); !s)
    return s.error();
  if (const Status s = merge_path(next.tree, sender, path); !s) return s.error();
  forget_blank(next.keys, next.tree);
  const Hash &root = next.tree.root_hash();
  next.context.tree_hash.assign(root.begin(), root.end());
  const Bytes provisional = encode(next.context);
  return open_path(next.tree, path, {sender, next.own, added, provisional}, next.keys);
}

Result<CommitOutcome> Group::apply_commit(const PublicMessage &message) {
  const LeafIndex sender = message.content.sender.index;
  const Commit &commit = message.content.commit;
  const auto list = resolve(commit, sender);
  if (!list) return list.error();
  RatchetTree tree = now_.tree;
  Extensions extensions = now_.context.extensions;
  const auto added = apply(*list, sender, tree, extensions);
  if (!added) return added.error();
  if (tree.leaf_ptr(now_.own) != now_.tree.leaf_ptr(now_.own)) return CommitOutcome::removed;
  if (!commit.path && needs_path(*list)) return Error{"commit without the path it needs"};
  Epoch next = next_epoch(std::move(tree), std::move(extensions));
  Secret commit_secret = Secret::zeros(kHashSize);
  if (commit.path) {
    auto opened = take_path(next, *commit.path, sender, *added);
    if (!opened) return opened.error();
    commit_secret = std::move(*opened);
  }
  set_confirmed_transcript(next, now_.interim, message.raw_content, message.signature);
  enter_epoch(next, now_.secrets.init, commit_secret);
  if (!same_secret(message.confirmation_tag, confirmation_tag(next)))
    return Error{"confirmation tag wrong"};
  next.interim =
      interim_transcript_hash(next.context.confirmed_transcript_hash, message.confirmation_tag);
  replace(std::move(next));
  return CommitOutcome::applied;
}

Result<CommitOutcome> Group::process_commit(ByteView bytes) {
  for (auto &own : outstanding_) {
    if (!std::ranges::equal(own.commit, bytes)) continue;
    Epoch next = std::move(own.next);
    replace(std::move(next));
    return CommitOutcome::own;
  }
  const auto message = parse_public_message(bytes);
  if (!message) return message.error();
  if (message->content.group_id != now_.context.group_id) return Error{"commit for another group"};
  if (message->content.epoch < now_.context.epoch) return CommitOutcome::stale;
  if (message->content.epoch > now_.context.epoch) return Error{"commit for a later epoch"};
  if (const Status s = check_commit_framing(*message); !s) return s.error();
  return apply_commit(*message);
}

}  // namespace dv::mls
