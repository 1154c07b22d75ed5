// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <map>
#include <span>

#include "ext/crypto/mls/key_package.hpp"

/**
 * The other side of a group: what a delivery service that is the group's external sender has to
 * make and to understand. It holds no group secrets. Pure, not thread-safe.
 */
namespace dv::mls {

/** The external sender of a call. */
class ProposalSigner {
 public:
  static std::optional<ProposalSigner> generate(ByteView identity);

  /** An encoded ExternalSender: the payload of op 25. */
  Bytes external_sender() const;
  /** An MLSMessage with an Add; empty if `key_package` is none. */
  Bytes propose_add(ByteView group_id, std::uint64_t epoch, ByteView key_package) const;
  Bytes propose_remove(ByteView group_id, std::uint64_t epoch, LeafIndex leaf) const;
  /** Any other proposal, as tests of refusals need them. */
  Bytes propose(ByteView group_id, std::uint64_t epoch, Proposal proposal) const;

 private:
  ProposalSigner(KeyPair key, Bytes identity)
      : key_(std::move(key)), identity_(std::move(identity)) {}
  KeyPair key_;
  Bytes identity_;
};

struct KeyPackageInfo {
  std::uint64_t user = 0;
  Bytes signature_key;
  Hash ref{};
};
/** Checks a bare key package (op 26) as members will. */
Result<KeyPackageInfo> inspect_key_package(ByteView key_package);

/** Payloads of op 27. */
Bytes append_payload(std::span<const Bytes> proposal_messages);
Bytes revoke_payload(std::span<const Hash> refs);
/** Reads the first; views into the payload. */
Result<std::vector<ByteView>> read_append(ByteView messages);
/** The reference of a proposal message; nothing if it is none. */
std::optional<Hash> ref_of_proposal(ByteView proposal_message);

/** What a commit is, as far as one can see without the group's keys. */
struct CommitInfo {
  Bytes commit;   ///< MLSMessage, for op 29.
  Bytes welcome;  ///< Bare, empty if there is none.
  Bytes group_id;
  std::uint64_t epoch = 0;
  LeafIndex sender = 0;
  bool has_path = false;
  std::vector<Bytes> refs;
  std::size_t by_value = 0;
};
/** Payload of op 28. */
Result<CommitInfo> split_commit_welcome(ByteView payload);

struct WelcomePart {
  Bytes key_package_ref;
  Bytes welcome;  ///< With the one entry alone, for op 30.
};
Result<std::vector<WelcomePart>> split_welcome(ByteView welcome);

/** Who sits at which leaf, told by what was committed. */
class LeafTable {
 public:
  /** A first commit makes the committer's pending group the group: it is leaf 0 of it. */
  void start(std::uint64_t committer) {
    leaves_.clear();
    leaves_[0] = committer;
  }
  void clear() { leaves_.clear(); }
  void remove(LeafIndex leaf) { leaves_.erase(leaf); }
  /** Removes of a commit come first, then the Adds in its order. */
  LeafIndex add(std::uint64_t user);
  std::optional<LeafIndex> leaf_of(std::uint64_t user) const;
  const std::map<LeafIndex, std::uint64_t> &leaves() const { return leaves_; }

 private:
  std::map<LeafIndex, std::uint64_t> leaves_;
};

}  // namespace dv::mls
