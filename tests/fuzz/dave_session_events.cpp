// SPDX-License-Identifier: LGPL-2.1-or-later
// A session is taken through events that the input chooses: every opcode, with payloads that are
// valid, changed, or the input's own bytes.
#include "ext/crypto/dave/session.hpp"
#include "ext/crypto/mls/delivery.hpp"
#include "tests/fuzz/edits.hpp"
#include "tests/fuzz/plain_openssl.hpp"
#include "tests/fuzz/require.hpp"

using namespace dv;
using namespace dv::dave;

namespace {

constexpr unsigned kMaxEvents = 8;

Bytes with_id(std::uint16_t id, const Bytes &message) {
  Writer w;
  w.u16(id).put(message);
  return w.release();
}

const Bytes *sent(const Actions &actions, std::uint8_t op) {
  for (const auto &a : actions) {
    const auto *b = std::get_if<SendBinary>(&a);
    if (b != nullptr && b->op == op) return &b->payload;
  }
  return nullptr;
}

Session session_of(UserId self, std::shared_ptr<mls::KeyPackageBundle> package, Bytes key) {
  SessionConfig config;
  config.self = self;
  config.channel = 99;
  config.session = 1;
  config.signature_key = Secret(key);
  config.key_package_source = [package] {
    auto copy = std::make_unique<mls::KeyPackageBundle>();
    copy->package = package->package;
    copy->encoded = package->encoded;
    copy->ref = package->ref;
    copy->init = package->init.clone();
    copy->leaf = package->leaf.clone();
    return copy;
  };
  return Session(std::move(config));
}

/** Messages of a call of two, made once: user 1 makes the group, user 2 is the one under test. */
struct World {
  mls::ProposalSigner signer = *mls::ProposalSigner::generate(Bytes{0});
  Bytes key = Bytes(32, 0x11);
  std::shared_ptr<mls::KeyPackageBundle> package;
  std::vector<Bytes> payloads;  // by op - 25; op 27 twice
  Bytes external, add, append, revoke, commit, welcome;

  World() {
    auto pair = mls::key_pair_of(Secret(key));
    package =
        std::make_shared<mls::KeyPackageBundle>(*mls::make_key_package(*pair, mls::identity_of(2)));
    const Bytes group = mls::identity_of(99);
    external = signer.external_sender();
    SessionConfig config;
    config.self = 1;
    config.channel = 99;
    Session other(std::move(config));
    const Bytes own = *sent(other.on_session_description(1), kOpKeyPackage);
    other.on_clients_connect({2, 3});
    other.on_binary(kOpExternalSender, external);
    const Bytes first[] = {signer.propose_add(group, 0, package->encoded)};
    const auto info = mls::split_commit_welcome(
        *sent(other.on_binary(kOpProposals, mls::append_payload(first)), kOpCommitWelcome));
    other.on_binary(kOpAnnounceCommit, with_id(1, info->commit));
    welcome = with_id(1, info->welcome);
    const Bytes mine[] = {signer.propose_add(group, 0, own)};
    add = mls::append_payload(mine);
    const auto third = mls::generate_key_pair();
    const auto third_package = mls::make_key_package(*third, mls::identity_of(3));
    const Bytes next[] = {signer.propose_add(group, 1, third_package->encoded)};
    append = mls::append_payload(next);
    const mls::Hash refs[] = {*mls::ref_of_proposal(next[0])};
    revoke = mls::revoke_payload(refs);
    const auto second =
        mls::split_commit_welcome(*sent(other.on_binary(kOpProposals, append), kOpCommitWelcome));
    commit = with_id(2, second->commit);
  }
};

struct Checks {
  unsigned key_packages = 0;
  void operator()(const Session &s, const Actions &actions) {
    for (const auto &a : actions) {
      if (const auto *json = std::get_if<SendJson>(&a))
        FUZZ_REQUIRE(json->op == 23 || json->op == 31);
      if (const auto *binary = std::get_if<SendBinary>(&a)) {
        FUZZ_REQUIRE(binary->op == 26 || binary->op == 28);
        if (binary->op == 28) FUZZ_REQUIRE(mls::split_commit_welcome(binary->payload).ok());
      }
      if (const auto *update = std::get_if<DaveUpdate>(&a)) {
        for (const auto &sender : update->senders) {
          FUZZ_REQUIRE(sender.user != 2 && sender.base_secret.size() == 16);
        }
      }
    }
    FUZZ_REQUIRE(s.version() <= 1);
    FUZZ_REQUIRE((s.epoch() == 0) == s.privacy_code().empty());
  }
};

Actions event(const World &w, Session &s, Reader &input) {
  const std::uint8_t kind = input.u8();
  switch (kind % 16) {
    case 0:
      return s.on_session_description(input.u8() % 3);
    case 1:
      return s.on_clients_connect({input.u8(), 1});
    case 2:
      return s.on_client_disconnect(input.u8() % 4);
    case 3:
      return s.on_prepare_transition(input.u8() % 4, input.u8() % 3);
    case 4:
      return s.on_execute_transition(input.u8() % 4);
    case 5:
      return s.on_prepare_epoch(input.u8() % 2, input.u8() % 3);
    case 6:
      return s.on_binary(kOpExternalSender, fuzz::edited(w.external, input));
    case 7:
      return s.on_binary(kOpProposals, fuzz::edited(w.add, input));
    case 8:
      return s.on_binary(kOpProposals, fuzz::edited(w.append, input));
    case 9:
      return s.on_binary(kOpProposals, fuzz::edited(w.revoke, input));
    case 10:
      return s.on_binary(kOpAnnounceCommit, fuzz::edited(w.commit, input));
    case 11:
      return s.on_binary(kOpWelcome, fuzz::edited(w.welcome, input));
    case 12:
      return s.on_media_broken();
    default: {
      static constexpr std::uint8_t kOps[] = {25, 27, 29, 30, 28, 0};
      const std::uint8_t op = kOps[input.u8() % std::size(kOps)];
      const ByteView raw = input.take(std::min<std::size_t>(input.u16(), input.remaining()));
      return s.on_binary(op, raw);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  static const World w;
  Reader input({data, size});
  Session s = session_of(2, w.package, w.key);
  Checks check;
  // The low bits say how far the session has come before the input's own events.
  const std::uint8_t start = input.u8();
  if (start & 1) check(s, s.on_clients_connect({1, 3}));
  if (start & 2) check(s, s.on_session_description(1));
  if (start & 4) check(s, s.on_binary(kOpExternalSender, w.external));
  if ((start & 14) == 14) check(s, s.on_binary(kOpWelcome, w.welcome));
  for (unsigned i = 0; i < kMaxEvents && input.remaining() > 0; ++i) check(s, event(w, s, input));
  return 0;
}
