// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/crypto/mls/types.hpp"

namespace dv::mls {
namespace {

// Proposals in one commit: as many as there can be Removes and Adds together.
constexpr std::size_t kMaxProposals = 2 * kMaxLeaves;
constexpr std::size_t kMaxPathNodes = 32;

bool read_u16_list(Reader &r, std::vector<std::uint16_t> &list) {
  Reader items(read_vec(r));
  if (items.remaining() % 2 != 0 || items.remaining() / 2 > kMaxCapabilities) r.fail();
  while (r.ok() && !items.at_end()) list.push_back(items.u16());
  return r.ok();
}

template <class Enum>
bool one_of(Reader &r, Enum v, Enum first, Enum last) {
  if (v < first || v > last) r.fail();
  return r.ok();
}

/** Steps over a body that is kept as it is. */
template <class Skip>
Bytes keep(Reader &r, Skip skip) {
  const Reader before = r;
  skip(r);
  if (!r.ok()) return {};
  Reader again = before;
  const ByteView body = again.take(before.remaining() - r.remaining());
  return Bytes(body.begin(), body.end());
}

void skip_re_init(Reader &r) {
  read_vec(r);
  r.u16();
  r.u16();
  Extensions extensions;
  read_list(r, extensions, kMaxExtensions);
}

void skip_psk_id(Reader &r) {
  PreSharedKeyId id;
  read(r, id);
}

}  // namespace

bool read(Reader &r, Extension &v) {
  v.type = r.u16();
  v.data = read_vec_bytes(r);
  return r.ok();
}

bool read(Reader &r, Credential &v) {
  v.type = r.u16();
  if (v.type != kCredentialBasic && v.type != kCredentialX509) r.fail();
  v.identity = read_vec_bytes(r);
  return r.ok();
}

bool read(Reader &r, ExternalSender &v) {
  v.signature_key = read_vec_bytes(r);
  return read(r, v.credential);
}

bool read(Reader &r, Capabilities &v) {
  return read_u16_list(r, v.versions) && read_u16_list(r, v.cipher_suites) &&
         read_u16_list(r, v.extensions) && read_u16_list(r, v.proposals) &&
         read_u16_list(r, v.credentials);
}

bool read(Reader &r, LeafNode &v) {
  v.encryption_key = read_vec_bytes(r);
  v.signature_key = read_vec_bytes(r);
  if (!read(r, v.credential) || !read(r, v.capabilities)) return false;
  v.source = static_cast<LeafSource>(r.u8());
  if (!one_of(r, v.source, LeafSource::key_package, LeafSource::commit)) return false;
  if (v.source == LeafSource::key_package) {
    v.not_before = r.u64();
    v.not_after = r.u64();
  } else if (v.source == LeafSource::commit) {
    v.parent_hash = read_vec_bytes(r);
  }
  read_list(r, v.extensions, kMaxExtensions);
  v.signature = read_vec_bytes(r);
  return r.ok();
}

bool read(Reader &r, KeyPackage &v) {
  v.version = r.u16();
  v.cipher_suite = r.u16();
  v.init_key = read_vec_bytes(r);
  if (!read(r, v.leaf)) return false;
  read_list(r, v.extensions, kMaxExtensions);
  v.signature = read_vec_bytes(r);
  return r.ok();
}

bool read(Reader &r, ParentNode &v) {
  v.encryption_key = read_vec_bytes(r);
  v.parent_hash = read_vec_bytes(r);
  Reader items(read_vec(r));
  if (items.remaining() % 4 != 0 || items.remaining() / 4 > kMaxLeaves) r.fail();
  while (r.ok() && !items.at_end()) v.unmerged_leaves.push_back(items.u32());
  return r.ok();
}

bool read(Reader &r, PreSharedKeyId &v) {
  v.type = r.u8();
  if (v.type == 1) {
    v.id = read_vec_bytes(r);
  } else if (v.type == 2) {
    v.id = keep(r, [](Reader &body) {
      body.u8();
      read_vec(body);
      body.u64();
    });
  } else {
    r.fail();
  }
  v.nonce = read_vec_bytes(r);
  return r.ok();
}

bool read(Reader &r, Proposal &v) {
  v.type = static_cast<ProposalType>(r.u16());
  switch (v.type) {
    case ProposalType::add: {
      auto package = std::make_shared<KeyPackage>();
      read(r, *package);
      v.add = std::move(package);
      break;
    }
    case ProposalType::update: {
      auto leaf = std::make_shared<LeafNode>();
      read(r, *leaf);
      v.update = std::move(leaf);
      break;
    }
    case ProposalType::remove:
      v.remove = r.u32();
      break;
    case ProposalType::pre_shared_key:
      v.other = keep(r, skip_psk_id);
      break;
    case ProposalType::re_init:
      v.other = keep(r, skip_re_init);
      break;
    case ProposalType::external_init:
      v.other = keep(r, [](Reader &body) { read_vec(body); });
      break;
    case ProposalType::group_context_extensions:
      read_list(r, v.extensions, kMaxExtensions);
      break;
    default:
      r.fail();
  }
  return r.ok();
}

bool read(Reader &r, ProposalOrRef &v) {
  switch (r.u8()) {
    case 1:
      return read(r, v.proposal.emplace());
    case 2:
      v.ref = read_vec_bytes(r);
      return r.ok();
    default:
      r.fail();
      return false;
  }
}

bool read(Reader &r, HpkeCiphertext &v) {
  v.kem_output = read_vec_bytes(r);
  v.ciphertext = read_vec_bytes(r);
  return r.ok();
}

bool read(Reader &r, UpdatePathNode &v) {
  v.encryption_key = read_vec_bytes(r);
  return read_list(r, v.ciphertexts, kMaxLeaves);
}

bool read(Reader &r, UpdatePath &v) {
  return read(r, v.leaf) && read_list(r, v.nodes, kMaxPathNodes);
}

bool read(Reader &r, Commit &v) {
  if (!read_list(r, v.proposals, kMaxProposals)) return false;
  if (read_present(r)) read(r, v.path.emplace());
  return r.ok();
}

bool read(Reader &r, FramedContent &v) {
  v.group_id = read_vec_bytes(r);
  v.epoch = r.u64();
  v.sender.type = static_cast<SenderType>(r.u8());
  if (!one_of(r, v.sender.type, SenderType::member, SenderType::new_member_commit)) return false;
  if (v.sender.type == SenderType::member || v.sender.type == SenderType::external)
    v.sender.index = r.u32();
  v.authenticated_data = read_vec_bytes(r);
  v.type = static_cast<ContentType>(r.u8());
  switch (v.type) {
    case ContentType::application:
      v.application = read_vec_bytes(r);
      break;
    case ContentType::proposal:
      read(r, v.proposal);
      break;
    case ContentType::commit:
      read(r, v.commit);
      break;
    default:
      r.fail();
  }
  return r.ok();
}

bool read_auth(Reader &r, PublicMessage &v) {
  v.signature = read_vec_bytes(r);
  if (v.content.type == ContentType::commit) v.confirmation_tag = read_vec_bytes(r);
  return r.ok();
}

bool read(Reader &r, PublicMessage &v) {
  Reader at = r;
  if (!read(r, v.content)) return false;
  v.raw_content = at.take(at.remaining() - r.remaining());
  at = r;
  if (!read_auth(r, v)) return false;
  v.raw_auth = at.take(at.remaining() - r.remaining());
  if (v.content.sender.type == SenderType::member) v.membership_tag = read_vec_bytes(r);
  return r.ok();
}

bool read(Reader &r, GroupContext &v) {
  v.version = r.u16();
  v.cipher_suite = r.u16();
  v.group_id = read_vec_bytes(r);
  v.epoch = r.u64();
  v.tree_hash = read_vec_bytes(r);
  v.confirmed_transcript_hash = read_vec_bytes(r);
  return read_list(r, v.extensions, kMaxExtensions);
}

bool read(Reader &r, GroupInfo &v) {
  if (!read(r, v.context)) return false;
  read_list(r, v.extensions, kMaxExtensions);
  v.confirmation_tag = read_vec_bytes(r);
  v.signer = r.u32();
  v.signature = read_vec_bytes(r);
  return r.ok();
}

bool read(Reader &r, GroupSecrets &v) {
  v.joiner_secret = Secret(read_vec(r));
  if (read_present(r)) v.path_secret = Secret(read_vec(r));
  return read_list(r, v.psks, kMaxExtensions);
}

bool read(Reader &r, EncryptedGroupSecrets &v) {
  v.new_member = read_vec_bytes(r);
  return read(r, v.secrets);
}

bool read(Reader &r, Welcome &v) {
  v.cipher_suite = r.u16();
  read_list(r, v.secrets, kMaxLeaves);
  v.encrypted_group_info = read_vec_bytes(r);
  return r.ok();
}

bool read_message_header(Reader &r, WireFormat &format) {
  if (r.u16() != kVersion10) r.fail();
  format = static_cast<WireFormat>(r.u16());
  return one_of(r, format, WireFormat::public_message, WireFormat::key_package);
}

const Extension *find_extension(const Extensions &extensions, std::uint16_t type) {
  const Extension *found = nullptr;
  for (const auto &e : extensions) {
    if (e.type != type) continue;
    if (found != nullptr) return nullptr;
    found = &e;
  }
  return found;
}

}  // namespace dv::mls
