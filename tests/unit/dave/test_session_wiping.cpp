// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>

#include "ext/crypto/dave/session.hpp"
#include "ext/crypto/mls/delivery.hpp"
#include "ext/crypto/mls/group.hpp"

using namespace dv;
using namespace dv::dave;

namespace {

constexpr std::uint8_t kMask = 0xa5;

/** A secret as it is looked for: masked, so that the list itself is no finding. */
struct Wanted {
  const char *name;
  Bytes masked;
};

Wanted masked(const char *name, const Secret &secret) {
  Wanted w{name, {}};
  for (const std::uint8_t b : secret.view()) w.masked.push_back(b ^ kMask);
  return w;
}

bool found_in(const std::uint8_t *from, const std::uint8_t *to, const Bytes &wanted) {
  const auto size = static_cast<std::ptrdiff_t>(wanted.size());
  const std::uint8_t first = wanted[0] ^ kMask;
  for (const std::uint8_t *p = from; to - p >= size; ++p) {
    p = std::find(p, to - size + 1, first);
    if (p == to - size + 1) return false;
    std::ptrdiff_t i = 1;
    while (i < size && (p[i] ^ kMask) == wanted[static_cast<std::size_t>(i)]) ++i;
    if (i == size) return true;
  }
  return false;
}

/** Names of what is found in the writable memory of this process. */
std::string scan(const std::vector<Wanted> &all) {
  std::ifstream maps("/proc/self/maps");
  std::string line;
  std::string found;
  while (std::getline(maps, line)) {
    std::istringstream fields(line);
    std::string range, rights, offset, device, inode, path;
    fields >> range >> rights >> offset >> device >> inode >> path;
    if (rights.compare(0, 2, "rw") != 0 || path.starts_with("[v")) continue;
    const auto dash = range.find('-');
    const auto *from =
        reinterpret_cast<const std::uint8_t *>(std::stoull(range.substr(0, dash), nullptr, 16));
    const auto *to =
        reinterpret_cast<const std::uint8_t *>(std::stoull(range.substr(dash + 1), nullptr, 16));
    for (const auto &w : all) {
      if (found_in(from, to, w.masked)) found += std::string(w.name) + " in " + path + "; ";
    }
  }
  return found;
}

const Bytes *sent(const Actions &actions, std::uint8_t op) {
  for (const auto &a : actions) {
    const auto *b = std::get_if<SendBinary>(&a);
    if (b != nullptr && b->op == op) return &b->payload;
  }
  return nullptr;
}

Bytes with_id(std::uint16_t id, const Bytes &message) {
  Writer w;
  w.u16(id).put(message);
  return w.release();
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

/** Overwrites what returned calls have left on the stack: those bytes are nobody's any more. */
[[gnu::noinline]] void clear_stack() {
  volatile std::uint8_t room[65536];
  for (auto &b : room) b = 0;
}

std::vector<Wanted> secrets_of(const mls::Group &group) {
  std::vector<Wanted> all;
  all.push_back(masked("exporter", group.secrets().exporter));
  all.push_back(masked("init", group.secrets().init));
  all.push_back(masked("membership", group.secrets().membership));
  all.push_back(masked("confirmation", group.secrets().confirmation));
  Bytes user(8);
  user[0] = 1;
  all.push_back(masked("base secret", group.export_secret("Discord Secure Frames v0", user, 16)));
  return all;
}

}  // namespace

TEST_CASE("secrets of an epoch are gone with the epoch, and all with the session") {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return;  // these keep freed memory aside as it was
#endif
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
