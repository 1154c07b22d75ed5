// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/unit/dave/history.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>

namespace dv::test {
namespace {

void change(Call &call, std::mt19937_64 &rng, std::size_t most, const Enter &enter) {
  const auto users = call.users();
  const UserId user = 100 + rng() % (most + 2);
  if (std::find(users.begin(), users.end(), user) != users.end()) {
    call.leave(user);
  } else if (users.size() < most) {
    enter(call, user, rng);
  }
}

void switch_version(Call &call) {
  if (call.version() > 0) {
    call.downgrade();
  } else {
    call.upgrade();
  }
}

std::string history(const HistoryShape &shape, std::uint64_t seed, const Enter &enter,
                    Call::Stats &sum) {
  std::mt19937_64 rng(seed);
  Call call(shape.channel, rng());
  const std::size_t most = 2 + rng() % (shape.most - 1);
  for (unsigned step = 0; step < shape.steps && call.failure().empty(); ++step) {
    for (auto changes = 1 + rng() % 3; changes > 0; --changes) change(call, rng, most, enter);
    if (call.size() > 0 && rng() % 10 == 0) switch_version(call);
    call.settle(shape.faults);
    call.verify();
  }
  // Whoever lost a commit in the end gets it told by one more.
  if (call.version() == 0) call.upgrade();
  for (UserId user = 900; user < 903; ++user) {
    enter(call, user, rng);
    call.settle();
  }
  call.verify();
  sum += call.stats();
  return call.failure();
}

std::uint64_t setting(const char *name, std::uint64_t fallback) {
  const char *text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : fallback;
}

}  // namespace

Call::Stats run_histories(const HistoryShape &shape, int count, const Enter &enter) {
  const auto histories = setting("DV_HISTORIES", static_cast<std::uint64_t>(count));
  const std::uint64_t first = setting("DV_SEED", 1);
  Call::Stats sum;
  for (std::uint64_t seed = first; seed < first + histories; ++seed) {
    CAPTURE(seed);
    REQUIRE(history(shape, seed, enter, sum) == "");
  }
  MESSAGE(histories << " histories: " << sum.epochs << " epochs (" << sum.won[true]
                    << " by our commits, " << sum.won[false] << " by others'), " << sum.frames
                    << " frames, " << sum.recoveries << " recoveries, " << sum.crossings
                    << " crossings, " << sum.resets << " resets, " << sum.lost << " lost, "
                    << sum.stale << " stale, " << sum.revoked << " revoked");
  CHECK(sum.epochs > 0);
  return sum;
}

}  // namespace dv::test
