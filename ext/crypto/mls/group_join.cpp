// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>

#include "ext/crypto/mls/epoch.hpp"
#include "ext/crypto/mls/hpke.hpp"

namespace dv::mls {
namespace {

Result<GroupSecrets> open_secrets(const Welcome &welcome, const KeyPackageBundle &bundle) {
  const auto entry =
      std::find_if(welcome.secrets.begin(), welcome.secrets.end(),
                   [&](const auto &e) { return std::ranges::equal(e.new_member, bundle.ref); });
  if (entry == welcome.secrets.end()) return Error{"Welcome without our key package"};
  const auto plain =
      decrypt_with_label(bundle.init, "Welcome", welcome.encrypted_group_info, entry->secrets);
  if (!plain) return Error{"group secrets do not open"};
  GroupSecrets secrets;
  if (!decode(plain->view(), secrets) || secrets.joiner_secret.size() != kHashSize ||
      (secrets.path_secret && secrets.path_secret->size() != kHashSize))
    return Error{"group secrets malformed"};
  return secrets;
}

/** Member secret: the PSKs that the Welcome names, which DAVE has none of, come in here. */
Result<Secret> member_of(const GroupSecrets &secrets, const JoinOptions &options) {
  if (!secrets.psks.empty() && options.rules == Rules::dave)
    return Error{"Welcome with a pre-shared key"};
  std::vector<const PreSharedKey *> psks;
  std::vector<PreSharedKey> named;
  for (const auto &id : secrets.psks) {
    const auto own = std::find_if(options.psks.begin(), options.psks.end(), [&](const auto &p) {
      return p.id.type == id.type && p.id.id == id.id;
    });
    if (own == options.psks.end()) return Error{"Welcome with an unknown pre-shared key"};
    named.push_back({id, own->secret.clone()});
  }
  for (const auto &psk : named) psks.push_back(&psk);
  return member_secret(secrets.joiner_secret, psk_secret(psks));
}

Result<GroupInfo> open_info(const Welcome &welcome, const Secret &member) {
  const WelcomeKeys keys = welcome_keys(member);
  const auto plain = aead_open(keys.key, keys.nonce.view(), welcome.encrypted_group_info);
  if (!plain) return Error{"group info does not open"};
  GroupInfo info;
  if (!decode(plain->view(), info)) return Error{"group info malformed"};
  return info;
}

Status check_context(const GroupContext &context, const JoinOptions &options) {
  if (context.version != kVersion10 || context.cipher_suite != kSuite)
    return Error{"group of another version or suite"};
  if (context.tree_hash.size() != kHashSize || context.confirmed_transcript_hash.size() > kHashSize)
    return Error{"group context malformed"};
  if (!fits_context(context.group_id, context.extensions)) return Error{"group context too large"};
  if (options.rules != Rules::dave) return {};
  if (context.group_id != options.group_id) return Error{"Welcome to another group"};
  if (context.extensions != options.extensions)
    return Error{"group extensions are not exactly the external sender we were told"};
  return {};
}

Result<RatchetTree> tree_of(const GroupInfo &info, const JoinOptions &options) {
  if (const Extension *e = find_extension(info.extensions, kExtRatchetTree))
    return RatchetTree::parse(e->data);
  if (options.rules == Rules::rfc && !options.ratchet_tree.empty())
    return RatchetTree::parse(options.ratchet_tree);
  return Error{"Welcome without the ratchet tree"};
}

Status check_signer(const GroupInfo &info, const RatchetTree &tree) {
  const LeafNode *signer = tree.leaf(info.signer);
  if (signer == nullptr) return Error{"group info signed by a blank leaf"};
  Writer w;
  write_tbs(w, info);
  if (!verify_with_label(signer->signature_key, "GroupInfoTBS", w.bytes(), info.signature))
    return Error{"group info signature wrong"};
  return {};
}

std::optional<LeafIndex> own_leaf_in(const RatchetTree &tree, const LeafNode &own) {
  for (LeafIndex i = 0; i < tree.leaf_count(); ++i) {
    if (tree.leaf(i) != nullptr && *tree.leaf(i) == own) return i;
  }
  return std::nullopt;
}

Status take_path_secret(Epoch &epoch, GroupSecrets &secrets, LeafIndex signer) {
  if (!secrets.path_secret) return {};
  const NodeIndex common = tree_math::common_ancestor(epoch.own, signer);
  auto derived = derive_upwards(epoch.tree, common, std::move(*secrets.path_secret), epoch.keys);
  if (!derived) return derived.error();
  return {};
}

}  // namespace

bool welcome_names(ByteView bytes, const Hash &ref) {
  Welcome welcome;
  return decode(bytes, welcome) &&
         std::any_of(welcome.secrets.begin(), welcome.secrets.end(),
                     [&](const auto &e) { return std::ranges::equal(e.new_member, ref); });
}

Result<Group> Group::join(ByteView bytes, const KeyPair &signature, const KeyPackageBundle &bundle,
                          const JoinOptions &options) {
  Welcome welcome;
  if (!decode(bytes, welcome)) return Error{"Welcome malformed"};
  if (welcome.cipher_suite != kSuite) return Error{"Welcome of another suite"};
  auto secrets = open_secrets(welcome, bundle);
  if (!secrets) return secrets.error();
  const auto member = member_of(*secrets, options);
  if (!member) return member.error();
  auto info = open_info(welcome, *member);
  if (!info) return info.error();
  if (const Status s = check_context(info->context, options); !s) return s.error();
  auto tree = tree_of(*info, options);
  if (!tree) return tree.error();
  if (const Status s = check_signer(*info, *tree); !s) return s.error();
  if (const Status s = check_received_tree(*tree, info->context, options.rules); !s)
    return s.error();
  const auto own = own_leaf_in(*tree, bundle.package.leaf);
  if (!own || *own == info->signer) return Error{"our leaf is not where it has to be"};

  Group group;
  group.rules_ = options.rules;
  group.signature_ = signature.clone();
  Epoch &epoch = group.now_;
  epoch.own = *own;
  epoch.tree = std::move(*tree);
  epoch.keys.emplace(tree_math::node_of(*own), bundle.leaf.private_key.clone());
  if (const Status s = take_path_secret(epoch, *secrets, info->signer); !s) return s.error();
  epoch.context = std::move(info->context);
  epoch.context_bytes = encode(epoch.context);
  epoch.secrets = epoch_secrets(epoch_secret(*member, epoch.context_bytes));
  if (!same_secret(info->confirmation_tag, confirmation_tag(epoch)))
    return Error{"confirmation tag wrong"};
  epoch.interim =
      interim_transcript_hash(epoch.context.confirmed_transcript_hash, info->confirmation_tag);
  return group;
}

}  // namespace dv::mls
