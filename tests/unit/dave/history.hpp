// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <functional>
#include <random>

#include "tests/unit/dave/call.hpp"

/** Random histories of a call: the same seed gives the same one. */
namespace dv::test {

struct HistoryShape {
  ChannelId channel = 0;
  Faults faults;
  unsigned steps = 0;  ///< Rounds of changes.
  unsigned most = 2;   ///< Members of the largest call.
};

/** Lets somebody in. The generator may choose what kind of participant that is. */
using Enter = std::function<void(Call &, UserId, std::mt19937_64 &)>;

/**
 * Joins, leaves, re-joins and version changes in any order, with everything going wrong. After each
 * step all members agree and open each other's frames, or the test fails and names the seed.
 * DV_HISTORIES says how many instead of `count`, DV_SEED with which seed they begin. Tells the
 * sums.
 */
Call::Stats run_histories(const HistoryShape &shape, int count, const Enter &enter);

}  // namespace dv::test
