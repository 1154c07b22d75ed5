// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>

#include <cstdlib>

#include "tests/unit/dave/call.hpp"

using namespace dv;
using test::Call;
using test::Faults;
using test::OwnParticipant;

static constexpr ChannelId kChannel = 81384788765712385;

static void enter(Call &call, UserId user) {
  call.join(user, std::make_unique<OwnParticipant>(user, kChannel));
}

/** Joins, leaves, re-joins and version changes, in any order, with everything going wrong. */
static std::string history(std::uint64_t seed, Call::Stats &sum) {
  std::mt19937_64 rng(seed);
  Call call(kChannel, rng());
  const Faults faults{3, 12, 12, 4, 4};
  const std::size_t most = 2 + rng() % 9;
  for (int step = 0; step < 25 && call.failure().empty(); ++step) {
    for (auto changes = 1 + rng() % 3; changes > 0; --changes) {
      const auto users = call.users();
      const UserId user = 100 + rng() % (most + 2);
      const bool present = std::find(users.begin(), users.end(), user) != users.end();
      if (present) {
        call.leave(user);
      } else if (users.size() < most) {
        enter(call, user);
      }
    }
    if (call.size() > 0 && rng() % 10 == 0) {
      if (call.version() > 0) {
        call.downgrade();
      } else {
        call.upgrade();
      }
    }
    call.settle(faults);
    call.verify();
  }
  // Whoever lost a commit in the end gets it told by one more.
  if (call.version() == 0) call.upgrade();
  for (UserId user = 900; user < 903; ++user) {
    enter(call, user);
    call.settle();
  }
  call.verify();
  const auto &s = call.stats();
  sum.epochs += s.epochs;
  sum.frames += s.frames;
  sum.recoveries += s.recoveries;
  sum.crossings += s.crossings;
  sum.resets += s.resets;
  sum.lost += s.lost;
  sum.stale += s.stale;
  sum.revoked += s.revoked;
  return call.failure();
}

TEST_CASE("random histories: all members agree and open each other's frames") {
  const char *asked = std::getenv("DV_HISTORIES");
  const int histories = asked != nullptr ? std::atoi(asked) : 12;
  const char *first = std::getenv("DV_SEED");
  const std::uint64_t seed = first != nullptr ? std::strtoull(first, nullptr, 10) : 1;
  Call::Stats sum;
  for (int i = 0; i < histories; ++i) {
    const auto failure = history(seed + static_cast<std::uint64_t>(i), sum);
    CAPTURE(seed + static_cast<std::uint64_t>(i));
    REQUIRE(failure == "");
  }
  MESSAGE(histories << " histories: " << sum.epochs << " epochs, " << sum.frames << " frames, "
                    << sum.recoveries << " recoveries, " << sum.crossings << " crossings, "
                    << sum.resets << " resets, " << sum.lost << " lost, " << sum.stale << " stale, "
                    << sum.revoked << " revoked");
  CHECK(sum.epochs > 0);
}
