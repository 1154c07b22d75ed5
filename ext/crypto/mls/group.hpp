// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <deque>
#include <functional>
#include <span>

#include "ext/crypto/mls/key_schedule.hpp"
#include "ext/crypto/mls/message.hpp"
#include "ext/crypto/mls/path.hpp"

namespace dv::mls {

struct JoinOptions {
  Rules rules = Rules::dave;
  /** Under Rules::dave the Welcome must be for this group with exactly these extensions. */
  Bytes group_id;
  Extensions extensions;
  /** Under Rules::rfc: the tree where the Welcome has none, and external PSKs. */
  ByteView ratchet_tree{};
  std::vector<PreSharedKey> psks{};
};

/** What op 28 carries. */
struct OwnCommit {
  Bytes commit;
  Bytes welcome;  ///< Bare; empty when nobody is added.
};

enum class CommitOutcome {
  own,      ///< One of our own outstanding commits was chosen.
  applied,  ///< Of another member.
  removed,  ///< It takes us out; the group must be dropped.
  stale,    ///< For an older epoch: nothing happened.
};

struct Member {
  LeafIndex leaf = 0;
  std::uint64_t user = 0;  ///< 0 where the identity is not a DAVE user id.
  Bytes signature_key;
};

/** Whether a bare Welcome has an entry for the key package with this reference. */
bool welcome_names(ByteView welcome, const Hash &ref);

/** Everything that an epoch consists of; replaced as a whole. */
struct Epoch {
  GroupContext context;
  Bytes context_bytes;
  Hash interim{};
  RatchetTree tree;
  LeafIndex own = 0;
  NodeKeys keys;
  EpochSecrets secrets;
};

/**
 * One member's view of a group (RFC 9420 without PrivateMessages). Every operation either succeeds
 * or leaves the group as it was, and says why. Move-only, not thread-safe.
 */
class Group {
 public:
  /** Accepts the identity of somebody who shall be added. */
  using Recognise = std::function<bool(const Credential &)>;

  /** A group of one at epoch 0, from the leaf of the key package. */
  static Result<Group> create(const KeyPair &signature, const KeyPackageBundle &bundle,
                              ByteView group_id, Extensions extensions);
  /** From a bare Welcome. */
  static Result<Group> join(ByteView welcome, const KeyPair &signature,
                            const KeyPackageBundle &bundle, const JoinOptions &options);

  /**
   * Checks and keeps all of these messages, or none. Returns how many were new: a known one
   * is skipped.
   */
  Result<std::size_t> receive_proposals(std::span<const ByteView> messages,
                                        const Recognise &recognise);
  /** False if the reference is unknown. */
  bool revoke(ByteView ref);
  std::size_t proposal_count() const { return proposals_.size(); }
  bool proposed_for_removal(LeafIndex leaf) const;

  /**
   * A commit over all proposals that are kept. The state it leads to is kept until the epoch
   * changes; several may be outstanding, the oldest beyond kMaxOutstanding are forgotten.
   */
  Result<OwnCommit> make_commit();
  /** Whether these bytes are a commit of ours that has been neither chosen nor superseded. */
  bool is_outstanding(ByteView commit) const;
  /** Applies an MLSMessage that holds a commit. */
  Result<CommitOutcome> process_commit(ByteView message);

  std::uint64_t epoch() const { return now_.context.epoch; }
  const Bytes &group_id() const { return now_.context.group_id; }
  LeafIndex own_leaf() const { return now_.own; }
  const RatchetTree &tree() const { return now_.tree; }
  const GroupContext &context() const { return now_.context; }
  ByteView context_bytes() const { return now_.context_bytes; }
  ByteView interim_hash() const { return now_.interim; }
  const EpochSecrets &secrets() const { return now_.secrets; }
  ByteView epoch_authenticator() const { return now_.secrets.authenticator.view(); }
  /** By leaf index. */
  std::vector<Member> members() const;
  Secret export_secret(std::string_view label, ByteView context, std::size_t size) const {
    return mls_export(now_.secrets.exporter, label, context, size);
  }

  static constexpr std::size_t kMaxOutstanding = 32;
  static constexpr std::size_t kMaxProposals = 2 * kMaxLeaves;

 private:
  struct KnownProposal {
    Hash ref;
    Sender sender;
    Proposal proposal;
  };
  struct Listed {
    const Proposal *proposal;
    Sender sender;
  };
  struct Outstanding {
    Bytes commit;
    Epoch next;
  };

  Group() = default;
  Result<PublicMessage> check_proposal(ByteView message, const Recognise &recognise) const;
  Status check_proposal_content(const Proposal &proposal, const Recognise &recognise) const;
  const KnownProposal *find(ByteView ref) const;
  std::vector<Listed> all_proposals() const;
  Result<std::vector<Listed>> resolve(const Commit &commit, LeafIndex committer) const;
  /** Changes the tree and the extensions; returns the leaves that were added. */
  Result<std::vector<LeafIndex>> apply(const std::vector<Listed> &list, LeafIndex committer,
                                       RatchetTree &tree, Extensions &extensions) const;
  Status apply_removals(const std::vector<Listed> &list, LeafIndex committer,
                        RatchetTree &tree) const;
  Status apply_updates(const std::vector<Listed> &list, LeafIndex committer, RatchetTree &tree,
                       const Extensions &extensions) const;
  Status check_commit_framing(const PublicMessage &message) const;
  Status check_path_leaf(const LeafNode &leaf, LeafIndex sender, const RatchetTree &tree,
                         const Extensions &extensions) const;
  Result<CommitOutcome> apply_commit(const PublicMessage &message);
  Result<Secret> take_path(Epoch &next, const UpdatePath &path, LeafIndex sender,
                           const std::vector<LeafIndex> &added) const;
  /** The epoch after this one, with the provisional context and our keys that are still good. */
  Epoch next_epoch(RatchetTree tree, Extensions extensions) const;
  Result<Bytes> make_welcome(const Epoch &next, const Secret &joiner, ByteView confirmation_tag,
                             const NewPath *path, const std::vector<LeafIndex> &added) const;
  Result<OwnCommit> finish_commit(Epoch next, Commit commit, const NewPath *path,
                                  const std::vector<LeafIndex> &added);
  void replace(Epoch next);

  Rules rules_ = Rules::dave;
  KeyPair signature_;
  Epoch now_;
  std::vector<KnownProposal> proposals_;  // in arrival order
  std::deque<Outstanding> outstanding_;
};

}  // namespace dv::mls
