// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>

#include <memory>
#include <string>

#include "ext/crypto/dave/session.hpp"
#include "ext/crypto/mls/delivery.hpp"
#include "ext/crypto/mls/group.hpp"
#include "tests/support/memory_scan.hpp"
#include "tests/unit/dave/call.hpp"

using namespace dv;
using namespace dv::dave;
using namespace dv::test;

namespace {

const Bytes *sent(const Actions &actions, std::uint8_t op) {
  for (const auto &a : actions) {
    const auto *b = std::get_if<SendBinary>(&a);
    if (b != nullptr && b->op == op) return &b->payload;
  }
  return nullptr;
}

std::unique_ptr<Session> session_of(UserId self, const mls::ProposalSigner &signer,
                                    Bytes &package) {
  SessionConfig config;
  config.self = self;
  config.channel = 9;
  auto s = std::make_unique<Session>(std::move(config));
  s->on_clients_connect({1, 2, 3});
  package = *sent(s->on_session_description(1), kOpKeyPackage);
  s->on_binary(kOpExternalSender, signer.external_sender());
  return s;
}

std::vector<Wanted> secrets_of(const mls::Group &group) {
  std::vector<Wanted> all;
  all.push_back(masked("exporter", group.secrets().exporter.view()));
  all.push_back(masked("init", group.secrets().init.view()));
  all.push_back(masked("membership", group.secrets().membership.view()));
  all.push_back(masked("confirmation", group.secrets().confirmation.view()));
  Bytes user(8);
  user[0] = 1;
  all.push_back(
      masked("base secret", group.export_secret("Discord Secure Frames v0", user, 16).view()));
  return all;
}

}  // namespace

TEST_CASE("secrets of an epoch are gone with the epoch, and all with the session") {
  if (!can_scan()) return;
  const auto signer = mls::ProposalSigner::generate(Bytes{0});
  const Bytes group_id = mls::identity_of(9);
  Bytes package_a, package_b, package_c;
  auto a = session_of(1, *signer, package_a);
  auto b = session_of(2, *signer, package_b);
  auto c = session_of(3, *signer, package_c);
  const Bytes first[] = {signer->propose_add(group_id, 0, package_b)};
  const auto info = mls::split_commit_welcome(
      *sent(a->on_binary(kOpProposals, mls::append_payload(first)), kOpCommitWelcome));
  REQUIRE(info.ok());
  a->on_binary(kOpAnnounceCommit, with_id(1, info->commit));
  b->on_binary(kOpWelcome, with_id(1, info->welcome));
  a->on_execute_transition(1);
  b->on_execute_transition(1);
  REQUIRE(b->epoch() == 1);
  const auto old = secrets_of(*b->group());
  CHECK(scan(old).find("exporter") != std::string::npos);

  const Bytes second[] = {signer->propose_add(group_id, 1, package_c)};
  const Bytes payload = mls::append_payload(second);
  const auto next =
      mls::split_commit_welcome(*sent(a->on_binary(kOpProposals, payload), kOpCommitWelcome));
  b->on_binary(kOpProposals, payload);
  a->on_binary(kOpAnnounceCommit, with_id(2, next->commit));
  b->on_binary(kOpAnnounceCommit, with_id(2, next->commit));
  c->on_binary(kOpWelcome, with_id(2, next->welcome));
  for (auto *s : {&a, &b, &c}) (*s)->on_execute_transition(2);
  REQUIRE(c->epoch_authenticator() == b->epoch_authenticator());
  clear_stack();
  CHECK(scan(old) == "");

  const auto last = secrets_of(*c->group());
  a.reset();
  b.reset();
  c.reset();
  clear_stack();
  CHECK(scan(last) == "");
}
