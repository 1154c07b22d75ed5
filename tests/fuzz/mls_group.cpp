// SPDX-License-Identifier: LGPL-2.1-or-later
// A member is given changed proposals, commits and Welcomes whose signatures and tags have been
// made anew, as a hostile gateway or member could. Nothing but the unchanged may be taken on.
#include <algorithm>

#include "ext/crypto/mls/epoch.hpp"
#include "ext/crypto/mls/hpke.hpp"
#include "tests/fuzz/edits.hpp"
#include "tests/fuzz/plain_openssl.hpp"
#include "tests/fuzz/require.hpp"

using namespace dv;
using namespace dv::mls;

namespace {

struct Client {
  KeyPair signature;
  KeyPackageBundle bundle;
};

Client client(std::uint64_t user) {
  auto signature = generate_key_pair();
  auto bundle = make_key_package(*signature, identity_of(user));
  return {std::move(*signature), std::move(*bundle)};
}

// A signature costs more than all the rest, and what can not be read is refused before it is looked
// at: such messages go without.

Bytes external(const KeyPair &key, const Bytes &raw) {
  const auto with = [&](const Bytes &signature) {
    Writer w;
    write_message_header(w, WireFormat::public_message);
    w.put(raw);
    write_vec(w, signature);
    return w.release();
  };
  Bytes bare = with({});
  return parse_public_message(bare).ok() ? with(sign_framing(key, raw, {})) : bare;
}

/** a, b, c are members; d is being added or c removed. `b` is the one under attack. */
struct World {
  KeyPair sender = *generate_key_pair();
  Bytes group_id = identity_of(7);
  Client ca = client(1), cb = client(2), cc = client(3), cd = client(4);
  Extensions extensions;
  Group a = create();
  Bytes welcome_b;
  std::optional<Group> b;
  Bytes proposal_add, proposal_remove;  // framed content
  Bytes message_add, message_remove;
  struct Made {
    Bytes raw;  ///< framed content
    Bytes tag;  ///< of confirmation
    Bytes message;
  };
  Made commit_add, commit_both;
  Bytes tree;

  World() {
    welcome_b = grow({&cb, &cc});
    rejoin();
    Bytes messages[] = {content(ProposalType::add), content(ProposalType::remove)};
    proposal_add = messages[0];
    proposal_remove = messages[1];
    message_add = external(sender, proposal_add);
    message_remove = external(sender, proposal_remove);
    give(a, message_add);
    commit_add = taken_apart(a.make_commit()->commit);
    give(a, message_remove);
    commit_both = taken_apart(a.make_commit()->commit);
    rejoin();
    tree = a.tree().encode();
  }

  Group create() {
    Writer one;
    write(one, ExternalSender{sender.public_key, {kCredentialBasic, {0}}});
    Writer list;
    write_vec(list, one.bytes());
    extensions = {{kExtExternalSenders, list.release()}};
    return std::move(*Group::create(ca.signature, ca.bundle, group_id, extensions));
  }

  Bytes content(ProposalType type, const Client *who = nullptr) {
    FramedContent c;
    c.group_id = group_id;
    c.epoch = a.epoch();
    c.sender = {SenderType::external, 0};
    c.type = ContentType::proposal;
    c.proposal.type = type;
    c.proposal.remove = 2;
    if (type == ProposalType::add)
      c.proposal.add = std::make_shared<KeyPackage>((who != nullptr ? *who : cd).bundle.package);
    return encode(c);
  }

  void give(Group &group, const Bytes &message) {
    const ByteView one[] = {message};
    FUZZ_REQUIRE(group.receive_proposals(one, nullptr).ok());
  }

  Bytes grow(std::initializer_list<const Client *> clients) {
    for (const Client *c : clients) give(a, external(sender, content(ProposalType::add, c)));
    auto made = a.make_commit();
    FUZZ_REQUIRE(made.ok() && a.process_commit(made->commit).ok());
    return made->welcome;
  }

  void rejoin() {
    auto joined =
        Group::join(welcome_b, cb.signature, cb.bundle, {Rules::dave, group_id, extensions});
    FUZZ_REQUIRE(joined.ok());
    b = std::move(*joined);
    if (message_add.empty()) return;
    give(*b, message_add);
    give(*b, message_remove);
  }

  static Made taken_apart(const Bytes &commit) {
    const auto message = parse_public_message(commit);
    return {Bytes(message->raw_content.begin(), message->raw_content.end()),
            message->confirmation_tag, commit};
  }
};

World &world() {
  static World w;
  return w;
}

Bytes authenticator(const Group &g) {
  return Bytes(g.epoch_authenticator().begin(), g.epoch_authenticator().end());
}

void proposal(World &w, const Bytes &valid, Reader &input) {
  const Bytes raw = fuzz::edited(valid, input);
  const Bytes message = external(w.sender, raw);
  const ByteView one[] = {message};
  const auto before = w.b->proposal_count();
  const auto taken = w.b->receive_proposals(one, nullptr);
  FUZZ_REQUIRE(w.b->proposal_count() == before + (taken ? *taken : 0));
  if (taken && *taken == 1) {
    if (input.u8() % 4 == 0) (void)w.b->make_commit().ok();
    FUZZ_REQUIRE(w.b->revoke(*[&] {
      auto parsed = parse_public_message(message);
      static Hash ref;
      ref = proposal_ref(*parsed);
      return &ref;
    }()));
  }
}

/** Signed anew and with the right membership tag. */
Bytes remade(const World &w, const Bytes &raw, const Bytes &tag) {
  const ByteView context = w.b->context_bytes();
  const auto with = [&](const Bytes &signature) {
    Writer auth;
    write_vec(auth, signature);
    write_vec(auth, tag);
    Writer message;
    write_message_header(message, WireFormat::public_message);
    message.put(raw).put(auth.bytes());
    write_vec(message, membership_tag(w.b->secrets().membership, raw, auth.bytes(), context));
    return message.release();
  };
  Bytes bare = with({});
  return parse_public_message(bare).ok() ? with(sign_framing(w.ca.signature, raw, context)) : bare;
}

void commit(World &w, const World::Made &valid, Reader &input) {
  const Bytes raw = fuzz::edited(valid.raw, input);
  const bool changed = raw != valid.raw;
  const auto before = authenticator(*w.b);
  const auto outcome = w.b->process_commit(changed ? remade(w, raw, valid.tag) : valid.message);
  const bool applied = outcome.ok() && *outcome == CommitOutcome::applied;
  // The confirmation tag covers the signature, which is new each time: it can not fit.
  FUZZ_REQUIRE(applied != changed);
  if (applied) {
    w.rejoin();
  } else {
    FUZZ_REQUIRE(authenticator(*w.b) == before);
  }
}

/** The tree, with all that vouches for it made to fit. */
void welcome(World &w, Reader &input) {
  const Bytes bytes = fuzz::edited(w.tree, input);
  const auto tree = RatchetTree::parse(bytes);
  if (!tree) return;
  Epoch epoch;
  epoch.context = w.a.context();
  epoch.context.tree_hash.assign(tree->root_hash().begin(), tree->root_hash().end());
  const Secret joiner = Secret::zeros(kHashSize);
  const Secret member = member_secret(joiner, Secret::zeros(kHashSize));
  epoch.secrets = epoch_secrets(epoch_secret(member, encode(epoch.context)));
  GroupInfo info;
  info.context = epoch.context;
  info.extensions = {{kExtRatchetTree, bytes}};
  const Hash tag = confirmation_tag(epoch);
  info.confirmation_tag.assign(tag.begin(), tag.end());
  Writer tbs;
  write_tbs(tbs, info);
  info.signature = sign_with_label(w.ca.signature, "GroupInfoTBS", tbs.bytes());
  const WelcomeKeys keys = welcome_keys(member);
  Welcome message;
  message.encrypted_group_info = *aead_seal(keys.key, keys.nonce.view(), encode(info));
  GroupSecrets secrets;
  secrets.joiner_secret = joiner.clone();
  if (input.u8() % 2 == 0) secrets.path_secret = Secret::zeros(kHashSize);
  message.secrets.push_back(
      {Bytes(w.cb.bundle.ref.begin(), w.cb.bundle.ref.end()),
       *encrypt_with_label(w.cb.bundle.init.public_key, "Welcome", message.encrypted_group_info,
                           encode_secret(secrets).view())});
  const auto joined = Group::join(encode(message), w.cb.signature, w.cb.bundle,
                                  {Rules::dave, w.group_id, w.extensions});
  if (joined) FUZZ_REQUIRE(joined->members().size() <= 3);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  World &w = world();
  Reader input({data, size});
  switch (input.u8() % 5) {
    case 0:
      proposal(w, w.proposal_add, input);
      break;
    case 1:
      proposal(w, w.proposal_remove, input);
      break;
    case 2:
      commit(w, w.commit_add, input);
      break;
    case 3:
      commit(w, w.commit_both, input);
      break;
    default:
      welcome(w, input);
      break;
  }
  return 0;
}
