// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>

#include "ext/crypto/mls/types.hpp"

namespace dv::mls {
namespace {

void write_u16_list(Writer &w, const std::vector<std::uint16_t> &list) {
  write_vec_length(w, 2 * list.size());
  for (const std::uint16_t v : list) w.u16(v);
}

template <class Enum>
std::uint8_t u8_of(Enum v) {
  return static_cast<std::uint8_t>(v);
}

}  // namespace

void write(Writer &w, const Extension &v) {
  w.u16(v.type);
  write_vec(w, v.data);
}

void write(Writer &w, const Credential &v) {
  w.u16(v.type);
  write_vec(w, v.identity);
}

void write(Writer &w, const ExternalSender &v) {
  write_vec(w, v.signature_key);
  write(w, v.credential);
}

void write(Writer &w, const Capabilities &v) {
  for (const auto *list :
       {&v.versions, &v.cipher_suites, &v.extensions, &v.proposals, &v.credentials})
    write_u16_list(w, *list);
}

void write_tbs(Writer &w, const LeafNode &v) {
  write_vec(w, v.encryption_key);
  write_vec(w, v.signature_key);
  write(w, v.credential);
  write(w, v.capabilities);
  w.u8(u8_of(v.source));
  if (v.source == LeafSource::key_package) {
    w.u64(v.not_before).u64(v.not_after);
  } else if (v.source == LeafSource::commit) {
    write_vec(w, v.parent_hash);
  }
  write_list(w, v.extensions);
}

void write(Writer &w, const LeafNode &v) {
  write_tbs(w, v);
  write_vec(w, v.signature);
}

void write_tbs(Writer &w, const KeyPackage &v) {
  w.u16(v.version).u16(v.cipher_suite);
  write_vec(w, v.init_key);
  write(w, v.leaf);
  write_list(w, v.extensions);
}

void write(Writer &w, const KeyPackage &v) {
  write_tbs(w, v);
  write_vec(w, v.signature);
}

void write(Writer &w, const ParentNode &v) {
  write_vec(w, v.encryption_key);
  write_vec(w, v.parent_hash);
  write_vec_length(w, 4 * v.unmerged_leaves.size());
  for (const LeafIndex leaf : v.unmerged_leaves) w.u32(leaf);
}

void write(Writer &w, const PreSharedKeyId &v) {
  w.u8(v.type);
  if (v.type == 1) {
    write_vec(w, v.id);
  } else {
    w.put(v.id);
  }
  write_vec(w, v.nonce);
}

void write(Writer &w, const Proposal &v) {
  w.u16(static_cast<std::uint16_t>(v.type));
  switch (v.type) {
    case ProposalType::add:
      write(w, *v.add);
      break;
    case ProposalType::update:
      write(w, *v.update);
      break;
    case ProposalType::remove:
      w.u32(v.remove);
      break;
    case ProposalType::group_context_extensions:
      write_list(w, v.extensions);
      break;
    case ProposalType::pre_shared_key:
    case ProposalType::re_init:
    case ProposalType::external_init:
      w.put(v.other);
      break;
  }
}

void write(Writer &w, const ProposalOrRef &v) {
  w.u8(v.proposal ? 1 : 2);
  if (v.proposal) {
    write(w, *v.proposal);
  } else {
    write_vec(w, v.ref);
  }
}

void write(Writer &w, const HpkeCiphertext &v) {
  write_vec(w, v.kem_output);
  write_vec(w, v.ciphertext);
}

void write(Writer &w, const UpdatePathNode &v) {
  write_vec(w, v.encryption_key);
  write_list(w, v.ciphertexts);
}

void write(Writer &w, const UpdatePath &v) {
  write(w, v.leaf);
  write_list(w, v.nodes);
}

void write(Writer &w, const Commit &v) {
  write_list(w, v.proposals);
  w.u8(v.path ? 1 : 0);
  if (v.path) write(w, *v.path);
}

void write(Writer &w, const FramedContent &v) {
  write_vec(w, v.group_id);
  w.u64(v.epoch);
  w.u8(u8_of(v.sender.type));
  if (v.sender.type == SenderType::member || v.sender.type == SenderType::external)
    w.u32(v.sender.index);
  write_vec(w, v.authenticated_data);
  w.u8(u8_of(v.type));
  switch (v.type) {
    case ContentType::application:
      write_vec(w, v.application);
      break;
    case ContentType::proposal:
      write(w, v.proposal);
      break;
    case ContentType::commit:
      write(w, v.commit);
      break;
  }
}

void write(Writer &w, const GroupContext &v) {
  w.u16(v.version).u16(v.cipher_suite);
  write_vec(w, v.group_id);
  w.u64(v.epoch);
  write_vec(w, v.tree_hash);
  write_vec(w, v.confirmed_transcript_hash);
  write_list(w, v.extensions);
}

void write_tbs(Writer &w, const GroupInfo &v) {
  write(w, v.context);
  write_list(w, v.extensions);
  write_vec(w, v.confirmation_tag);
  w.u32(v.signer);
}

void write(Writer &w, const GroupInfo &v) {
  write_tbs(w, v);
  write_vec(w, v.signature);
}

Secret encode_secret(const GroupSecrets &v) {
  Writer psks;
  write_list(psks, v.psks);
  const std::uint8_t present = v.path_secret ? 1 : 0;
  const auto vec_size = [](const Secret &s) { return s.size() + (s.size() < 64 ? 1 : 2); };
  Secret out = Secret::zeros(vec_size(v.joiner_secret) + 1 +
                             (v.path_secret ? vec_size(*v.path_secret) : 0) + psks.bytes().size());
  auto at = out.writable().begin();
  const auto put = [&at](ByteView bytes) { at = std::copy(bytes.begin(), bytes.end(), at); };
  const auto put_vec = [&](const Secret &s) {
    Writer header;
    write_vec_length(header, s.size());
    put(header.bytes());
    put(s.view());
  };
  put_vec(v.joiner_secret);
  put({&present, 1});
  if (v.path_secret) put_vec(*v.path_secret);
  put(psks.bytes());
  return out;
}

void write(Writer &w, const EncryptedGroupSecrets &v) {
  write_vec(w, v.new_member);
  write(w, v.secrets);
}

void write(Writer &w, const Welcome &v) {
  w.u16(v.cipher_suite);
  write_list(w, v.secrets);
  write_vec(w, v.encrypted_group_info);
}

void write_message_header(Writer &w, WireFormat format) {
  w.u16(kVersion10).u16(static_cast<std::uint16_t>(format));
}

}  // namespace dv::mls
