// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>

#include <algorithm>

#include "ext/crypto/dave/session.hpp"
#include "ext/crypto/mls/delivery.hpp"
#include "ext/crypto/mls/group.hpp"
#include "tests/unit/dave/call.hpp"

using namespace dv;
using namespace dv::dave;
using dv::test::with_id;

namespace {

constexpr ChannelId kChannel = 99;

template <class T>
std::vector<const T *> all_of(const Actions &actions) {
  std::vector<const T *> found;
  for (const auto &a : actions) {
    if (const T *x = std::get_if<T>(&a)) found.push_back(x);
  }
  return found;
}

const Bytes *binary(const Actions &actions, std::uint8_t op) {
  for (const auto *b : all_of<SendBinary>(actions)) {
    if (b->op == op) return &b->payload;
  }
  return nullptr;
}

/** The transition id of a message of that opcode, -1 without one. */
int json(const Actions &actions, std::uint8_t op) {
  int id = -1;
  for (const auto *j : all_of<SendJson>(actions)) {
    if (j->op != op) continue;
    CHECK(id == -1);
    id = j->transition_id;
  }
  return id;
}

struct Gateway {
  mls::ProposalSigner signer = *mls::ProposalSigner::generate(Bytes{0});
  Bytes group_id = mls::identity_of(kChannel);

  Bytes add(std::uint64_t epoch, const Bytes &package) const {
    const Bytes one[] = {signer.propose_add(group_id, epoch, package)};
    return mls::append_payload(one);
  }
  Bytes remove(std::uint64_t epoch, mls::LeafIndex leaf) const {
    const Bytes one[] = {signer.propose_remove(group_id, epoch, leaf)};
    return mls::append_payload(one);
  }
};

Session session_of(UserId self) {
  SessionConfig config;
  config.self = self;
  config.channel = kChannel;
  config.session = 5;
  return Session(std::move(config));
}

struct Client {
  Session session;
  Bytes package;

  Client(const Gateway &g, UserId self, const std::vector<UserId> &others)
      : session(session_of(self)) {
    session.on_clients_connect(others);
    package = *binary(session.on_session_description(1), kOpKeyPackage);
    session.on_binary(kOpExternalSender, g.signer.external_sender());
  }
};

/** Two members in epoch 1; `a` made the group. */
struct Two {
  Gateway g;
  Client a{g, 1, {2, 3}};
  Client b{g, 2, {1, 3}};
  Actions a_joined, b_joined;
  mls::CommitInfo first;

  explicit Two(std::uint16_t id = 4) {
    const Actions made = a.session.on_binary(kOpProposals, g.add(0, b.package));
    auto info = mls::split_commit_welcome(*binary(made, kOpCommitWelcome));
    REQUIRE(info.ok());
    first = std::move(*info);
    a_joined = a.session.on_binary(kOpAnnounceCommit, with_id(id, first.commit));
    b_joined = b.session.on_binary(kOpWelcome, with_id(id, first.welcome));
  }
  mls::CommitInfo commit(Client &by, const Bytes &proposals) {
    const Actions made = by.session.on_binary(kOpProposals, proposals);
    auto info = mls::split_commit_welcome(*binary(made, kOpCommitWelcome));
    REQUIRE(info.ok());
    return std::move(*info);
  }
};

}  // namespace

TEST_CASE("version 0: plain both ways, no MLS, nothing sent") {
  Session s = session_of(1);
  const Actions actions = s.on_session_description(0);
  CHECK(all_of<SendBinary>(actions).empty());
  REQUIRE(all_of<DaveUpdate>(actions).size() == 1);
  CHECK(all_of<DaveUpdate>(actions)[0]->version == 0);
  CHECK(all_of<DaveUpdate>(actions)[0]->session == 5);
  REQUIRE(all_of<SenderKey>(actions).size() == 1);
  CHECK(all_of<SenderKey>(actions)[0]->version == 0);
  const Actions late = s.on_binary(kOpWelcome, with_id(1, {0, 2}));
  CHECK(json(late, kOpInvalidCommitWelcome) == -1);
}

TEST_CASE("version 1: the key package goes out at once, and nobody may send yet") {
  Session s = session_of(1);
  const Actions actions = s.on_session_description(1);
  CHECK(binary(actions, kOpKeyPackage) != nullptr);
  CHECK(all_of<DaveUpdate>(actions).at(0)->senders.empty());
  CHECK(all_of<SenderKey>(actions).at(0)->version == 1);
  CHECK(all_of<SenderKey>(actions).at(0)->base_secret.empty());
}

TEST_CASE("the external sender may come before op 4") {
  Gateway g;
  Session s = session_of(1);
  s.on_binary(kOpExternalSender, g.signer.external_sender());
  s.on_clients_connect({2});
  s.on_session_description(1);
  const Client other(g, 2, {1});
  CHECK(binary(s.on_binary(kOpProposals, g.add(0, other.package)), kOpCommitWelcome) != nullptr);
}

TEST_CASE("receiving keys come at prepare, the sending key at execute") {
  Two two;
  CHECK(json(two.a_joined, kOpReadyForTransition) == 4);
  CHECK(json(two.b_joined, kOpReadyForTransition) == 4);
  REQUIRE(all_of<DaveUpdate>(two.b_joined).size() == 1);
  const DaveUpdate &update = *all_of<DaveUpdate>(two.b_joined)[0];
  CHECK(update.epoch == 1);
  REQUIRE(update.senders.size() == 1);
  CHECK(update.senders[0].user == 1);
  CHECK(all_of<SenderKey>(two.b_joined).empty());
  REQUIRE(all_of<EpochChanged>(two.b_joined).size() == 1);
  const EpochChanged &told = *all_of<EpochChanged>(two.b_joined)[0];
  CHECK_FALSE(told.executed);
  CHECK(told.members == std::vector<UserId>{1, 2});
  CHECK(told.privacy_code.size() == 30);
  CHECK(told.privacy_code == two.a.session.privacy_code());

  const Actions executed = two.a.session.on_execute_transition(4);
  REQUIRE(all_of<SenderKey>(executed).size() == 1);
  // What `a` sends with is what `b` was given for it.
  CHECK(all_of<SenderKey>(executed)[0]->base_secret == update.senders[0].base_secret);
  CHECK(all_of<EpochChanged>(executed).at(0)->executed);
  CHECK(two.a.session.on_execute_transition(4).empty());
  CHECK(two.a.session.on_execute_transition(77).empty());
  CHECK(two.a.session.stats().transitions_unknown == 2);
  CHECK(two.a.session.fingerprint_with(2) == two.b.session.fingerprint_with(1));
  CHECK_FALSE(two.a.session.fingerprint_with(3));
}

TEST_CASE("transition id 0 is executed at once, without op 23") {
  Two two(0);
  CHECK(json(two.a_joined, kOpReadyForTransition) == -1);
  CHECK(all_of<SenderKey>(two.a_joined).size() == 1);
  CHECK(all_of<EpochChanged>(two.a_joined).at(0)->executed);
}

TEST_CASE("a commit of somebody else is ignored by a pending member") {
  Two two;
  const Client c(two.g, 3, {1, 2});
  Session pending = session_of(3);
  CHECK(pending.on_binary(kOpAnnounceCommit, with_id(4, two.first.commit)).empty());
  Client d(two.g, 3, {1, 2});
  CHECK(d.session.on_binary(kOpAnnounceCommit, with_id(4, two.first.commit)).empty());
  CHECK(d.session.stats().commits_ignored == 1);
}

TEST_CASE("a refused commit: op 31 once, and a way back through Remove and Add") {
  Two two;
  const Client c(two.g, 3, {1, 2});
  auto info = two.commit(two.a, two.g.add(1, c.package));
  // `b` never got the proposal.
  const Actions refused = two.b.session.on_binary(kOpAnnounceCommit, with_id(5, info.commit));
  CHECK(json(refused, kOpInvalidCommitWelcome) == 5);
  const Bytes *package = binary(refused, kOpKeyPackage);
  REQUIRE(package != nullptr);
  CHECK(two.b.session.epoch() == 0);
  const Actions again = two.b.session.on_binary(kOpWelcome, with_id(5, info.welcome));
  CHECK(json(again, kOpInvalidCommitWelcome) == -1);
  CHECK(binary(again, kOpKeyPackage) == nullptr);

  two.a.session.on_binary(kOpAnnounceCommit, with_id(5, info.commit));
  const Bytes both[] = {two.g.signer.propose_remove(two.g.group_id, 2, 1),
                        two.g.signer.propose_add(two.g.group_id, 2, *package)};
  info = two.commit(two.a, mls::append_payload(both));
  two.a.session.on_binary(kOpAnnounceCommit, with_id(6, info.commit));
  const Actions back = two.b.session.on_binary(kOpWelcome, with_id(6, info.welcome));
  CHECK(json(back, kOpReadyForTransition) == 6);
  CHECK(two.b.session.epoch_authenticator() == two.a.session.epoch_authenticator());
}

TEST_CASE("with transition id 0 the message tells what was reported already") {
  Gateway g;
  Client a(g, 1, {2});
  const Bytes broken = with_id(0, {0, 2, 0, 0});
  CHECK(json(a.session.on_binary(kOpWelcome, broken), kOpInvalidCommitWelcome) == 0);
  CHECK(json(a.session.on_binary(kOpWelcome, broken), kOpInvalidCommitWelcome) == -1);
  const Bytes other = with_id(0, {0, 2, 0});
  CHECK(json(a.session.on_binary(kOpWelcome, other), kOpInvalidCommitWelcome) == 0);
}

TEST_CASE("a Welcome may use the key package before the newest") {
  Gateway g;
  Client a(g, 1, {2});
  Client b(g, 2, {1});
  const Bytes old = b.package;
  CHECK(binary(b.session.on_prepare_epoch(1, 1), kOpKeyPackage) != nullptr);
  const Actions made = a.session.on_binary(kOpProposals, g.add(0, old));
  const auto info = mls::split_commit_welcome(*binary(made, kOpCommitWelcome));
  b.session.on_binary(kOpWelcome, with_id(1, info->welcome));
  CHECK(b.session.epoch() == 1);
}

TEST_CASE("an Add of somebody unknown waits for op 11") {
  Two two;
  const Client stranger(two.g, 8, {1, 2});
  const Bytes add = two.g.add(1, stranger.package);
  CHECK(binary(two.a.session.on_binary(kOpProposals, add), kOpCommitWelcome) == nullptr);
  CHECK(two.a.session.stats().refused_proposals == 1);
  CHECK(binary(two.a.session.on_clients_connect({7}), kOpCommitWelcome) == nullptr);
  CHECK(binary(two.a.session.on_clients_connect({8}), kOpCommitWelcome) != nullptr);
}

TEST_CASE("no commit that removes ourselves, none for what is known already") {
  Two two;
  CHECK(binary(two.b.session.on_binary(kOpProposals, two.g.remove(1, 1)), kOpCommitWelcome) ==
        nullptr);
  const Bytes removal = two.g.remove(1, 1);
  CHECK(binary(two.a.session.on_binary(kOpProposals, removal), kOpCommitWelcome) != nullptr);
  CHECK(binary(two.a.session.on_binary(kOpProposals, removal), kOpCommitWelcome) == nullptr);
}

TEST_CASE("removed by a commit: pending again, without op 31") {
  Two two;
  const Bytes removal = two.g.remove(1, 1);
  two.b.session.on_binary(kOpProposals, removal);
  const auto info = two.commit(two.a, removal);
  const Actions actions = two.b.session.on_binary(kOpAnnounceCommit, with_id(5, info.commit));
  CHECK(json(actions, kOpInvalidCommitWelcome) == -1);
  CHECK(json(actions, kOpReadyForTransition) == -1);
  CHECK(binary(actions, kOpKeyPackage) != nullptr);
  CHECK(two.b.session.epoch() == 0);
}

TEST_CASE("downgrade and upgrade: the group goes with version 0 and comes with op 24") {
  Two two;
  Session &s = two.a.session;
  s.on_execute_transition(4);
  const Actions prepared = s.on_prepare_transition(5, 0);
  CHECK(json(prepared, kOpReadyForTransition) == 5);
  CHECK(all_of<DaveUpdate>(prepared).at(0)->version == 0);
  CHECK(s.version() == 1);
  CHECK(s.prepared_version() == 0);
  CHECK(s.epoch() == 1);
  const Actions executed = s.on_execute_transition(5);
  CHECK(all_of<SenderKey>(executed).at(0)->version == 0);
  CHECK(s.version() == 0);
  CHECK(s.epoch() == 0);
  CHECK(s.group() == nullptr);

  const Actions upgraded = s.on_prepare_epoch(1, 1);
  CHECK(all_of<SenderKey>(upgraded).empty());
  const Bytes *package = binary(upgraded, kOpKeyPackage);
  REQUIRE(package != nullptr);
  // The external sender outlives resets: the pending group is there.
  CHECK(s.group() != nullptr);
  const Client b(two.g, 2, {1});
  const Actions made = s.on_binary(kOpProposals, two.g.add(0, b.package));
  const auto info = mls::split_commit_welcome(*binary(made, kOpCommitWelcome));
  const Actions chosen = s.on_binary(kOpAnnounceCommit, with_id(6, info->commit));
  CHECK(all_of<DaveUpdate>(chosen).at(0)->version == 1);
  CHECK(s.version() == 0);
  s.on_execute_transition(6);
  CHECK(s.version() == 1);
}

TEST_CASE("alone in the channel: reset, and neither keys nor codes until somebody comes") {
  Two two;
  Session &s = two.a.session;
  s.on_execute_transition(4);
  s.on_client_disconnect(2);
  CHECK(binary(s.on_prepare_epoch(1, 1), kOpKeyPackage) != nullptr);
  const Actions alone = s.on_prepare_transition(0, 1);
  CHECK(json(alone, kOpReadyForTransition) == -1);
  CHECK(all_of<DaveUpdate>(alone).at(0)->senders.empty());
  CHECK(all_of<SenderKey>(alone).at(0)->version == 1);
  CHECK(all_of<SenderKey>(alone).at(0)->base_secret.empty());
  CHECK(all_of<EpochChanged>(alone).at(0)->members == std::vector<UserId>{1});
  CHECK(all_of<EpochChanged>(alone).at(0)->privacy_code.empty());
}

TEST_CASE("an external sender told while a group is established changes nothing") {
  Two two;
  const auto other = mls::ProposalSigner::generate(Bytes{1});
  two.a.session.on_binary(kOpExternalSender, other->external_sender());
  CHECK(binary(two.a.session.on_binary(kOpProposals, two.g.remove(1, 1)), kOpCommitWelcome) !=
        nullptr);
}

TEST_CASE("media that does not open is reported once per transition, not while one is pending") {
  Two two;
  CHECK(two.a.session.on_media_broken().empty());
  two.a.session.on_execute_transition(4);
  const Actions broken = two.a.session.on_media_broken();
  CHECK(json(broken, kOpInvalidCommitWelcome) == 4);
  CHECK(binary(broken, kOpKeyPackage) != nullptr);
  CHECK(two.a.session.on_media_broken().empty());
}

TEST_CASE("garbage of every opcode is a problem and nothing else") {
  Two two;
  for (const std::uint8_t op : {25, 27, 28, 99}) {
    const Actions actions = two.a.session.on_binary(op, Bytes{9, 9, 9});
    CHECK(all_of<Problem>(actions).size() == actions.size());
    CHECK(two.a.session.on_binary(op, {}).size() == 1);
  }
  for (const std::uint8_t op : {29, 30}) {
    const Actions actions = two.a.session.on_binary(op, Bytes{9});
    CHECK(all_of<Problem>(actions).size() == actions.size());
  }
  CHECK(two.a.session.epoch() == 1);
}

TEST_CASE("no key is told twice: counters and replay windows must not start over under one key") {
  Two two;
  Session &s = two.a.session;
  s.on_execute_transition(4);
  const Actions again = s.on_prepare_transition(5, 1);
  CHECK(json(again, kOpReadyForTransition) == 5);
  CHECK(all_of<DaveUpdate>(again).empty());
  const Actions executed = s.on_execute_transition(5);
  CHECK(all_of<SenderKey>(executed).empty());
  CHECK(all_of<EpochChanged>(executed).size() == 1);
}

TEST_CASE("a downgrade that is taken back before it is executed brings the ratchets back") {
  Two two;
  Session &s = two.a.session;
  s.on_execute_transition(4);
  s.on_prepare_transition(5, 0);
  const Actions back = s.on_prepare_transition(6, 1);
  CHECK(all_of<DaveUpdate>(back).at(0)->senders.size() == 1);
  CHECK(all_of<SenderKey>(s.on_execute_transition(6)).empty());
  // The downgrade was overtaken.
  CHECK(s.on_execute_transition(5).empty());
  CHECK(s.version() == 1);
}

TEST_CASE("transitions that are never executed are bounded") {
  Two two;
  for (std::uint16_t id = 100; id < 200; ++id) two.a.session.on_prepare_transition(id, 1);
  CHECK(two.a.session.on_execute_transition(100).empty());
  CHECK_FALSE(two.a.session.on_execute_transition(199).empty());
}

TEST_CASE("a version above ours counts as the highest that we know") {
  Session s = session_of(1);
  s.on_session_description(9);
  CHECK(s.version() == 1);
}
