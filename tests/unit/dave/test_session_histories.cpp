// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>

#include "tests/unit/dave/history.hpp"

using namespace dv;
using namespace dv::test;

TEST_CASE("random histories: all members agree and open each other's frames") {
  static constexpr ChannelId kChannel = 81384788765712385;
  const HistoryShape shape{kChannel, {3, 12, 12, 4, 4}, 25, 10};
  run_histories(shape, 12, [](Call &call, UserId user, std::mt19937_64 &) {
    call.join(user, std::make_unique<OwnParticipant>(user, kChannel));
  });
}
