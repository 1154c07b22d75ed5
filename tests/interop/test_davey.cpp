// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "tests/interop/davey_member.hpp"
#include "tests/unit/dave/history.hpp"

using namespace dv;
using test::Call;
using test::DaveyHost;
using test::DaveyMember;
using test::Faults;
using test::HistoryShape;
using test::OwnParticipant;
using test::run_histories;

static constexpr ChannelId kChannel = 1464859146804396157;

/** The install step ran, or this ends with "skipped". */
static DaveyHost &host() {
  static const bool there = [] {
    const bool found = std::filesystem::exists(DV_NODE_MODULES "/@snazzah/davey") &&
                       std::system("node --version >/dev/null 2>&1") == 0;
    if (!found) {
      std::puts("SKIPPED: node or @snazzah/davey not found (tests/interop/install.sh DIR)");
      std::fflush(stdout);
      _exit(77);
    }
    return found;
  }();
  (void)there;
  static DaveyHost instance(DV_DAVEY_HOST, DV_NODE_MODULES);
  return instance;
}

static void enter(Call &call, UserId user, bool davey) {
  if (davey) {
    call.join(user, std::make_unique<DaveyMember>(host(), user, kChannel));
  } else {
    call.join(user, std::make_unique<OwnParticipant>(user, kChannel));
  }
}

static void settle(Call &call, const Faults &faults = {}) {
  call.settle(faults);
  call.verify();
}

TEST_CASE("two members, either of which makes the first commit") {
  bool ours = false;
  bool theirs = false;
  for (std::uint64_t seed = 0; !(ours && theirs) && seed < 64; ++seed) {
    Call call(kChannel, seed);
    enter(call, 1, false);
    enter(call, 2, true);
    settle(call);
    REQUIRE(call.failure() == "");
    CHECK(call.epoch() == 1);
    ours |= call.stats().won.count(true) != 0;
    theirs |= call.stats().won.count(false) != 0;
  }
  CHECK(ours);
  CHECK(theirs);
}

TEST_CASE("privacy code and pairwise fingerprint are what davey shows") {
  Call call(kChannel, 1);
  enter(call, 104694319306248192, false);
  enter(call, 1090123456793206649, true);
  settle(call);
  REQUIRE(call.failure() == "");
  auto &own = dynamic_cast<OwnParticipant &>(call.participant(104694319306248192));
  auto &other = dynamic_cast<DaveyMember &>(call.participant(1090123456793206649));
  CHECK(own.session().privacy_code() == other.privacy_code());
  CHECK(own.session().fingerprint_with(1090123456793206649) ==
        other.fingerprint_with(104694319306248192));
}

TEST_CASE("join, leave and re-join") {
  Call call(kChannel, 2);
  for (UserId user = 1; user <= 4; ++user) {
    enter(call, user, user % 2 == 0);
    settle(call);
  }
  for (UserId user = 1; user <= 4; ++user) {
    call.leave(user);
    settle(call);
    enter(call, user, user % 2 != 0);
    settle(call);
  }
  CHECK(call.failure() == "");
  CHECK(call.epoch() == 11);
}

TEST_CASE("a call of 25, growing one by one, shrinking, growing at once") {
  Call call(kChannel, 3);
  for (UserId user = 1; user <= 25; ++user) {
    enter(call, user, user % 2 == 0);
    call.settle();
  }
  call.verify();
  for (UserId user = 3; user <= 25; user += 3) call.leave(user);
  settle(call);
  for (UserId user = 3; user <= 25; user += 3) enter(call, user, user % 4 == 0);
  settle(call);
  CHECK(call.failure() == "");
  CHECK(call.size() == 25);
}

TEST_CASE("version 1 to 0 to 1, and a channel that empties and fills again") {
  Call call(kChannel, 4);
  for (UserId user = 1; user <= 4; ++user) enter(call, user, user % 2 == 0);
  settle(call);
  call.downgrade();
  call.verify();
  call.upgrade();
  settle(call);
  for (UserId user = 1; user <= 3; ++user) call.leave(user);
  settle(call);
  CHECK(call.epoch() == 0);
  for (UserId user = 5; user <= 7; ++user) enter(call, user, user % 2 == 0);
  settle(call);
  CHECK(call.failure() == "");
  CHECK(call.epoch() > 0);
}

/** Our members suffer lost, changed and stale messages; the others see what becomes of that. */
TEST_CASE("random histories: all members agree and open each other's frames") {
  const HistoryShape shape{kChannel, {3, 10, 10, 4, 4}, 14, 8};
  const auto sum = run_histories(shape, 20, [](Call &call, UserId user, std::mt19937_64 &rng) {
    enter(call, user, rng() % 2 == 0);
  });
  CHECK(sum.frames > 0);
}
