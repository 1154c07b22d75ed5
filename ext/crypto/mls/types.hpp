// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "ext/crypto/mls/codec.hpp"
#include "ext/crypto/secret.hpp"

/** The structures of RFC 9420 that a member without PrivateMessage handles, fields in wire order.
 */
namespace dv::mls {

inline constexpr std::uint16_t kVersion10 = 1;
/** MLS_128_DHKEMP256_AES128GCM_SHA256_P256 */
inline constexpr std::uint16_t kSuite = 2;
inline constexpr std::size_t kHashSize = 32;
inline constexpr std::size_t kPublicKeySize = 65;
/** A bound, not a property of the protocol: a call has far fewer members. */
inline constexpr std::uint32_t kMaxLeaves = 1024;

using LeafIndex = std::uint32_t;
using NodeIndex = std::uint32_t;
using Hash = std::array<std::uint8_t, kHashSize>;

enum : std::uint16_t {
  kExtApplicationId = 1,
  kExtRatchetTree = 2,
  kExtRequiredCapabilities = 3,
  kExtExternalPub = 4,
  kExtExternalSenders = 5,
};
enum : std::uint16_t { kCredentialBasic = 1, kCredentialX509 = 2 };
enum class LeafSource : std::uint8_t { key_package = 1, update = 2, commit = 3 };
enum class ProposalType : std::uint16_t {
  add = 1,
  update = 2,
  remove = 3,
  pre_shared_key = 4,
  re_init = 5,
  external_init = 6,
  group_context_extensions = 7,
};
enum class SenderType : std::uint8_t {
  member = 1,
  external = 2,
  new_member_proposal = 3,
  new_member_commit = 4,
};
enum class ContentType : std::uint8_t { application = 1, proposal = 2, commit = 3 };
enum class WireFormat : std::uint16_t {
  public_message = 1,
  private_message = 2,
  welcome = 3,
  group_info = 4,
  key_package = 5,
};

struct Extension {
  std::uint16_t type = 0;
  Bytes data;
  bool operator==(const Extension &) const = default;
};
using Extensions = std::vector<Extension>;

struct Credential {
  std::uint16_t type = kCredentialBasic;
  Bytes identity;  ///< For X.509 the encoded chain, opaque to us.
  bool operator==(const Credential &) const = default;
};

struct ExternalSender {
  Bytes signature_key;
  Credential credential;
  bool operator==(const ExternalSender &) const = default;
};

struct Capabilities {
  std::vector<std::uint16_t> versions, cipher_suites, extensions, proposals, credentials;
  bool operator==(const Capabilities &) const = default;
};

struct LeafNode {
  Bytes encryption_key;
  Bytes signature_key;
  Credential credential;
  Capabilities capabilities;
  LeafSource source = LeafSource::key_package;
  std::uint64_t not_before = 0;  ///< Source key_package only; never judged.
  std::uint64_t not_after = ~std::uint64_t{0};
  Bytes parent_hash;  ///< Source commit only.
  Extensions extensions;
  Bytes signature;
  bool operator==(const LeafNode &) const = default;
};
using LeafPtr = std::shared_ptr<const LeafNode>;

struct KeyPackage {
  std::uint16_t version = kVersion10;
  std::uint16_t cipher_suite = kSuite;
  Bytes init_key;
  LeafNode leaf;
  Extensions extensions;
  Bytes signature;
};

struct ParentNode {
  Bytes encryption_key;
  Bytes parent_hash;
  std::vector<LeafIndex> unmerged_leaves;
};
using ParentPtr = std::shared_ptr<const ParentNode>;

struct PreSharedKeyId {
  std::uint8_t type = 1;  ///< 1 external, 2 resumption.
  Bytes id;               ///< External: the id. Resumption: usage, group id, epoch as encoded.
  Bytes nonce;
};

struct Proposal {
  ProposalType type{};
  std::shared_ptr<const KeyPackage> add;
  LeafPtr update;
  LeafIndex remove = 0;
  Extensions extensions;
  Bytes other;  ///< PreSharedKey, ReInit, ExternalInit: the body as encoded.
};

struct ProposalOrRef {
  std::optional<Proposal> proposal;  ///< By value.
  Bytes ref;
};

struct HpkeCiphertext {
  Bytes kem_output;
  Bytes ciphertext;
};
struct UpdatePathNode {
  Bytes encryption_key;
  std::vector<HpkeCiphertext> ciphertexts;
};
struct UpdatePath {
  LeafNode leaf;
  std::vector<UpdatePathNode> nodes;
};
struct Commit {
  std::vector<ProposalOrRef> proposals;
  std::optional<UpdatePath> path;
};

struct Sender {
  SenderType type = SenderType::member;
  std::uint32_t index = 0;  ///< Leaf index (member) or sender index (external).
};

struct FramedContent {
  Bytes group_id;
  std::uint64_t epoch = 0;
  Sender sender;
  Bytes authenticated_data;
  ContentType type{};
  Bytes application;
  Proposal proposal;
  Commit commit;
};

/** `raw_*` are views into what was decoded and live as long as it. */
struct PublicMessage {
  FramedContent content;
  Bytes signature;
  Bytes confirmation_tag;  ///< Commits only.
  Bytes membership_tag;    ///< Member senders only.
  ByteView raw_content;
  ByteView raw_auth;
};

struct GroupContext {
  std::uint16_t version = kVersion10;
  std::uint16_t cipher_suite = kSuite;
  Bytes group_id;
  std::uint64_t epoch = 0;
  Bytes tree_hash;
  Bytes confirmed_transcript_hash;
  Extensions extensions;
};

struct GroupInfo {
  GroupContext context;
  Extensions extensions;
  Bytes confirmation_tag;
  LeafIndex signer = 0;
  Bytes signature;
};

struct GroupSecrets {
  Secret joiner_secret;
  std::optional<Secret> path_secret;
  std::vector<PreSharedKeyId> psks;
};

struct EncryptedGroupSecrets {
  Bytes new_member;
  HpkeCiphertext secrets;
};
struct Welcome {
  std::uint16_t cipher_suite = kSuite;
  std::vector<EncryptedGroupSecrets> secrets;
  Bytes encrypted_group_info;
};

// Each `read` leaves the reader failed and returns false where the input is not the structure.
bool read(Reader &r, Extension &v);
bool read(Reader &r, Credential &v);
bool read(Reader &r, ExternalSender &v);
bool read(Reader &r, Capabilities &v);
bool read(Reader &r, LeafNode &v);
bool read(Reader &r, KeyPackage &v);
bool read(Reader &r, ParentNode &v);
bool read(Reader &r, PreSharedKeyId &v);
bool read(Reader &r, Proposal &v);
bool read(Reader &r, ProposalOrRef &v);
bool read(Reader &r, HpkeCiphertext &v);
bool read(Reader &r, UpdatePathNode &v);
bool read(Reader &r, UpdatePath &v);
bool read(Reader &r, Commit &v);
bool read(Reader &r, FramedContent &v);
bool read(Reader &r, PublicMessage &v);
bool read(Reader &r, GroupContext &v);
bool read(Reader &r, GroupInfo &v);
bool read(Reader &r, GroupSecrets &v);
bool read(Reader &r, EncryptedGroupSecrets &v);
bool read(Reader &r, Welcome &v);

void write(Writer &w, const Extension &v);
void write(Writer &w, const Credential &v);
void write(Writer &w, const ExternalSender &v);
void write(Writer &w, const Capabilities &v);
void write(Writer &w, const LeafNode &v);
void write(Writer &w, const KeyPackage &v);
void write(Writer &w, const ParentNode &v);
void write(Writer &w, const PreSharedKeyId &v);
void write(Writer &w, const Proposal &v);
void write(Writer &w, const ProposalOrRef &v);
void write(Writer &w, const HpkeCiphertext &v);
void write(Writer &w, const UpdatePathNode &v);
void write(Writer &w, const UpdatePath &v);
void write(Writer &w, const Commit &v);
void write(Writer &w, const FramedContent &v);
void write(Writer &w, const GroupContext &v);
void write(Writer &w, const GroupInfo &v);
void write(Writer &w, const EncryptedGroupSecrets &v);
void write(Writer &w, const Welcome &v);
/** Straight into memory that is wiped, unlike a growing buffer. */
Secret encode_secret(const GroupSecrets &v);

/** Parts that are signed: the structure without its signature. */
void write_tbs(Writer &w, const LeafNode &v);
void write_tbs(Writer &w, const KeyPackage &v);
void write_tbs(Writer &w, const GroupInfo &v);

/** FramedContentAuthData followed by the membership tag where there is one. */
bool read_auth(Reader &r, PublicMessage &v);
/** `MLSMessage` header: version and wire format. Fails unless the version is 1. */
bool read_message_header(Reader &r, WireFormat &format);
void write_message_header(Writer &w, WireFormat format);

/** The data of the one extension of that type; null if there is none or more than one. */
const Extension *find_extension(const Extensions &extensions, std::uint16_t type);

}  // namespace dv::mls
