// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>

#include "ext/crypto/mls/delivery.hpp"
#include "ext/crypto/mls/group.hpp"

using namespace dv;
using namespace dv::mls;

namespace {

struct Client {
  KeyPair signature;
  KeyPackageBundle bundle;
};

struct World {
  Bytes group_id = identity_of(7);
  ProposalSigner signer = *ProposalSigner::generate(Bytes{0});

  Extensions extensions() const {
    Writer list;
    write_vec(list, signer.external_sender());
    return {{kExtExternalSenders, list.release()}};
  }
  JoinOptions options() const { return {Rules::dave, group_id, extensions()}; }
  Client client(std::uint64_t user) const {
    auto signature = generate_key_pair();
    auto bundle = make_key_package(*signature, identity_of(user));
    return {std::move(*signature), std::move(*bundle)};
  }
  Group create(const Client &c) const {
    auto group = Group::create(c.signature, c.bundle, group_id, extensions());
    REQUIRE(group.ok());
    return std::move(*group);
  }
  Group join(const Client &c, const Bytes &welcome) const {
    auto group = Group::join(welcome, c.signature, c.bundle, options());
    REQUIRE(group.ok());
    return std::move(*group);
  }
  Bytes add(const Group &g, const Client &c) const {
    return signer.propose_add(group_id, g.epoch(), c.bundle.encoded);
  }
  Bytes remove(const Group &g, LeafIndex leaf) const {
    return signer.propose_remove(group_id, g.epoch(), leaf);
  }
};

Result<std::size_t> give(Group &group, const Bytes &message) {
  const ByteView one[] = {message};
  return group.receive_proposals(one, nullptr);
}

Bytes authenticator(const Group &g) {
  return Bytes(g.epoch_authenticator().begin(), g.epoch_authenticator().end());
}

/** Two members in epoch 1. */
struct Pair {
  World w;
  Client ca = w.client(1), cb = w.client(2);
  Group a = w.create(ca);
  Group b = first();

  Group first() {
    REQUIRE(give(a, w.add(a, cb)).ok());
    const auto made = a.make_commit();
    REQUIRE(made.ok());
    REQUIRE(a.process_commit(made->commit).ok());
    return w.join(cb, made->welcome);
  }
};

}  // namespace

TEST_CASE("own key packages are exactly what clients put on the wire") {
  World w;
  const Client c = w.client(0x0102030405060708);
  const Bytes &bytes = c.bundle.encoded;
  CHECK(std::equal(bytes.begin(), bytes.begin() + 7, Bytes{0, 1, 0, 2, 0x40, 0x41, 4}.begin()));
  const Bytes tail{0, 1, 8, 1,    2,    3,    4,    5,    6,    7,    8,    2, 0, 1,
                   2, 0, 2, 0,    0,    2,    0,    1,    1,    0,    0,    0, 0, 0,
                   0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0};
  CHECK(std::equal(tail.begin(), tail.end(), bytes.begin() + 4 + 3 * 67));
  CHECK(inspect_key_package(bytes).ok());
}

TEST_CASE("a commit is only taken on when it is announced, and any outstanding one may be") {
  Pair p;
  const Client c = p.w.client(3);
  const Client d = p.w.client(4);
  REQUIRE(give(p.a, p.w.add(p.a, c)).ok());
  const auto first = p.a.make_commit();
  REQUIRE(give(p.a, p.w.add(p.a, d)).ok());
  const auto second = p.a.make_commit();
  REQUIRE((first.ok() && second.ok()));
  CHECK(p.a.epoch() == 1);
  CHECK(p.a.is_outstanding(first->commit));
  REQUIRE(give(p.b, p.w.add(p.b, c)).ok() == true);
  SUBCASE("the earlier one") {
    CHECK(*p.a.process_commit(first->commit) == CommitOutcome::own);
    CHECK(p.a.members().size() == 3);
    CHECK(*p.a.process_commit(second->commit) == CommitOutcome::stale);
    CHECK(authenticator(p.w.join(c, first->welcome)) == authenticator(p.a));
  }
  SUBCASE("the later one") {
    CHECK(*p.a.process_commit(second->commit) == CommitOutcome::own);
    CHECK(p.a.members().size() == 4);
    CHECK(*p.a.process_commit(first->commit) == CommitOutcome::stale);
    CHECK(authenticator(p.w.join(d, second->welcome)) == authenticator(p.a));
  }
  CHECK(p.a.proposal_count() == 0);
  CHECK_FALSE(p.a.is_outstanding(second->commit));
}

TEST_CASE("more outstanding commits than are kept: the oldest is processed like anybody's") {
  Pair p;
  std::vector<Client> clients;
  std::vector<Bytes> commits;
  for (std::uint64_t i = 0; i < Group::kMaxOutstanding + 2; ++i) {
    clients.push_back(p.w.client(10 + i));
    REQUIRE(give(p.a, p.w.add(p.a, clients.back())).ok());
    commits.push_back(p.a.make_commit()->commit);
  }
  CHECK_FALSE(p.a.is_outstanding(commits[0]));
  const auto outcome = p.a.process_commit(commits[0]);
  REQUIRE(outcome.ok());
  CHECK(*outcome == CommitOutcome::applied);
  CHECK(p.a.members().size() == 3);
}

TEST_CASE("what is refused changes nothing") {
  Pair p;
  const Client c = p.w.client(3);
  const auto before = authenticator(p.b);
  const Bytes good = p.w.add(p.b, c);
  Bytes bad = good;
  bad[bad.size() - 5] ^= 1;
  const ByteView mixed[] = {good, bad};
  CHECK_FALSE(p.b.receive_proposals(mixed, nullptr).ok());
  CHECK(p.b.proposal_count() == 0);
  CHECK_FALSE(give(p.b, p.w.remove(p.b, 5)).ok());
  CHECK_FALSE(p.b.make_commit().ok());
  REQUIRE(give(p.a, good).ok());
  const auto made = p.a.make_commit();
  // Without the proposal it is not known what is committed.
  CHECK_FALSE(p.b.process_commit(made->commit).ok());
  CHECK(authenticator(p.b) == before);
  REQUIRE(give(p.b, good).ok());
  CHECK(*give(p.b, good) == 0);
  for (std::size_t i = 0; i < made->commit.size(); ++i) {
    Bytes changed = made->commit;
    changed[i] ^= 0x40;
    const auto outcome = p.b.process_commit(changed);
    if (outcome.ok()) CHECK(*outcome == CommitOutcome::stale);
    REQUIRE(authenticator(p.b) == before);
  }
  CHECK(p.b.process_commit(made->commit).ok());
  CHECK(authenticator(p.b) != before);
}

TEST_CASE("every flipped byte of a Welcome is refused") {
  Pair p;
  const Client c = p.w.client(3);
  REQUIRE(give(p.a, p.w.add(p.a, c)).ok());
  const auto made = p.a.make_commit();
  REQUIRE(made.ok());
  for (std::size_t i = 0; i < made->welcome.size(); i += 7) {
    Bytes changed = made->welcome;
    changed[i] ^= 1;
    CHECK_FALSE(Group::join(changed, c.signature, c.bundle, p.w.options()).ok());
  }
  CHECK_FALSE(Group::join(made->welcome, p.cb.signature, p.cb.bundle, p.w.options()).ok());
  CHECK(Group::join(made->welcome, c.signature, c.bundle, p.w.options()).ok());
}

TEST_CASE("the lists that no commit may have") {
  Pair p;
  const Client c = p.w.client(3);
  SUBCASE("an Add of a user who is a member") {
    const Client again = p.w.client(2);
    REQUIRE(give(p.a, p.w.add(p.a, again)).ok());
    CHECK_FALSE(p.a.make_commit().ok());
    // Together with his removal it is how somebody comes back.
    REQUIRE(give(p.a, p.w.remove(p.a, 1)).ok());
    const auto made = p.a.make_commit();
    REQUIRE(made.ok());
    REQUIRE(p.a.process_commit(made->commit).ok());
    CHECK(authenticator(p.w.join(again, made->welcome)) == authenticator(p.a));
  }
  SUBCASE("two Adds of one user") {
    const Client twin = p.w.client(3);
    REQUIRE(give(p.a, p.w.add(p.a, c)).ok());
    REQUIRE(give(p.a, p.w.add(p.a, twin)).ok());
    CHECK_FALSE(p.a.make_commit().ok());
  }
  SUBCASE("the committer's own removal") {
    REQUIRE(give(p.a, p.w.remove(p.a, 0)).ok());
    CHECK(p.a.proposed_for_removal(0));
    CHECK_FALSE(p.a.make_commit().ok());
  }
}

TEST_CASE("whoever is removed learns it, and whoever stays gets a new secret") {
  Pair p;
  const Bytes removal = p.w.remove(p.a, 1);
  REQUIRE(give(p.a, removal).ok());
  REQUIRE(give(p.b, removal).ok());
  const auto made = p.a.make_commit();
  REQUIRE(made.ok());
  CHECK(made->welcome.empty());
  const auto before = authenticator(p.b);
  CHECK(*p.b.process_commit(made->commit) == CommitOutcome::removed);
  CHECK(authenticator(p.b) == before);
  REQUIRE(p.a.process_commit(made->commit).ok());
  CHECK(p.a.members().size() == 1);
  CHECK(p.a.tree().leaf_count() == 1);
}

TEST_CASE("a revoked proposal is neither committed nor accepted in a commit") {
  Pair p;
  const Client c = p.w.client(3);
  const Bytes message = p.w.add(p.a, c);
  const auto ref = ref_of_proposal(message);
  REQUIRE(ref);
  REQUIRE(give(p.a, message).ok());
  REQUIRE(give(p.b, message).ok());
  const auto made = p.a.make_commit();
  CHECK(p.a.revoke(*ref));
  CHECK_FALSE(p.a.revoke(*ref));
  CHECK_FALSE(p.a.make_commit().ok());
  CHECK(p.b.revoke(*ref));
  CHECK_FALSE(p.b.process_commit(made->commit).ok());
}

TEST_CASE("the delivery side reads commits and splits Welcomes") {
  Pair p;
  const Client c = p.w.client(3);
  const Client d = p.w.client(4);
  const Bytes both[] = {p.w.add(p.a, c), p.w.add(p.a, d)};
  const Bytes payload = append_payload(both);
  Reader r(payload);
  CHECK(r.u8() == 0);
  const auto views = read_append(read_vec(r));
  REQUIRE(views.ok());
  REQUIRE(views->size() == 2);
  REQUIRE(p.a.receive_proposals(*views, nullptr).ok());
  auto made = p.a.make_commit();
  REQUIRE(made.ok());
  Bytes op28 = made->commit;
  op28.insert(op28.end(), made->welcome.begin(), made->welcome.end());
  const auto info = split_commit_welcome(op28);
  REQUIRE(info.ok());
  CHECK(info->commit == made->commit);
  CHECK(info->welcome == made->welcome);
  CHECK(info->epoch == 1);
  CHECK(info->sender == 0);
  CHECK(info->group_id == p.w.group_id);
  CHECK_FALSE(info->has_path);
  CHECK(info->refs.size() == 2);
  const auto ref = ref_of_proposal(both[1]);
  CHECK(std::equal(ref->begin(), ref->end(), info->refs[1].begin()));
  const auto parts = split_welcome(info->welcome);
  REQUIRE(parts.ok());
  REQUIRE(parts->size() == 2);
  REQUIRE(p.a.process_commit(made->commit).ok());
  CHECK(std::equal(c.bundle.ref.begin(), c.bundle.ref.end(), (*parts)[0].key_package_ref.begin()));
  CHECK(authenticator(p.w.join(c, (*parts)[0].welcome)) == authenticator(p.a));
  CHECK(authenticator(p.w.join(d, (*parts)[1].welcome)) == authenticator(p.a));
  CHECK_FALSE(Group::join((*parts)[1].welcome, c.signature, c.bundle, p.w.options()).ok());
  op28.push_back(0);
  CHECK_FALSE(split_commit_welcome(op28).ok());
  CHECK_FALSE(split_commit_welcome(both[0]).ok());
  CHECK_FALSE(inspect_key_package(both[0]).ok());
  CHECK(p.w.signer.propose_add(p.w.group_id, 1, {}).empty());
}

TEST_CASE("the leaf table places users as the tree does") {
  LeafTable table;
  table.start(1);
  CHECK(table.add(2) == 1);
  CHECK(table.add(3) == 2);
  table.remove(1);
  table.remove(0);
  CHECK_FALSE(table.leaf_of(2));
  CHECK(table.add(4) == 0);
  CHECK(table.add(5) == 1);
  CHECK(table.add(6) == 3);
  CHECK(table.leaf_of(6) == 3u);
}
