// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>

#include "ext/crypto/key_store.hpp"

using namespace dv;

static DaveUpdate epoch(SessionId session, std::uint64_t number) {
  DaveUpdate update{session, 1, number, {}};
  update.senders.push_back({7, Secret::from_text("0123456789abcdef")});
  return update;
}

TEST_CASE("a late listener gets what is in force, then what is new, each once") {
  KeyStore store;
  store.publish(TransportKeyUpdate{1, TransportMode::aes256_gcm_rtpsize, Secret::zeros(32)});
  store.publish(SsrcUpdate{1, 11, 7});
  for (std::uint64_t e = 1; e <= 5; ++e) store.publish(epoch(1, e));
  std::vector<std::uint64_t> epochs;
  std::size_t others = 0;
  auto token = store.subscribe([&](const KeyUpdate &u) {
    if (auto *d = std::get_if<DaveUpdate>(&u))
      epochs.push_back(d->epoch);
    else
      ++others;
  });
  CHECK(epochs == std::vector<std::uint64_t>{3, 4, 5});
  CHECK(others == 2);
  store.publish(epoch(1, 6));
  store.unsubscribe(token);
  store.publish(epoch(1, 7));
  CHECK(epochs == std::vector<std::uint64_t>{3, 4, 5, 6});
}

TEST_CASE("old epochs that are over are not told any more") {
  KeyStore store;
  store.publish(OldEpochsEndUpdate{1});
  for (std::uint64_t e = 1; e <= 3; ++e) store.publish(epoch(1, e));
  store.publish(epoch(2, 8));
  store.publish(OldEpochsEndUpdate{1});
  std::vector<std::uint64_t> epochs;
  for (const KeyUpdate &update : store.snapshot())
    epochs.push_back(std::get<DaveUpdate>(update).epoch);
  CHECK(epochs == std::vector<std::uint64_t>{3, 8});
}

TEST_CASE("the end of a session forgets its keys and bindings") {
  KeyStore store;
  store.publish(SsrcUpdate{1, 11, 7});
  store.publish(SsrcUpdate{2, 11, 8});
  CHECK(store.user_of(1, 11) == 7);
  store.publish(SessionEndUpdate{1});
  CHECK(store.user_of(1, 11) == 0);
  CHECK(store.user_of(2, 11) == 8);
  CHECK(store.snapshot().size() == 1);
}
