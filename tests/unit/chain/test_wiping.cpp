// SPDX-License-Identifier: LGPL-2.1-or-later
#include <memory>

#include "tests/support/secret_call.hpp"
#include "tests/unit/chain/harness.hpp"

using namespace dv;
using namespace dv::test;

namespace {

constexpr SessionId kSession = 1;

/** A call up to its second epoch. The keys are in the chain and in the store, and nowhere else. */
struct Rig {
  KeyStore store;
  std::unique_ptr<Harness> harness =
      std::make_unique<Harness>(ChainConfig{.latency = Time{0}}, false);
  Wanted transport;
  std::vector<Wanted> stored[2], ratchets[2];  // by epoch
  std::unique_ptr<SecretCall> call;

  explicit Rig(TransportMode mode) : call(std::make_unique<SecretCall>(kSession, mode)) {
    transport = call->wanted_transport();
    for (int epoch : {0, 1}) {
      stored[epoch].push_back(call->wanted_base(epoch));
      ratchets[epoch] = call->wanted_ratchet(epoch);
    }
    store.subscribe([this](const KeyUpdate &update) { harness->apply(update); });
    store.publish(call->transport_key());
    store.publish(call->binding());
    enter(0);
  }

  void enter(int epoch) {
    store.publish(call->epoch(epoch));
    for (const Bytes &datagram : call->datagrams[epoch])
      CHECK(harness->verdict(harness->receive(datagram)) == Verdict::delivered);
  }
};

constexpr TransportMode kModes[] = {TransportMode::aes256_gcm_rtpsize,
                                    TransportMode::xchacha20_poly1305_rtpsize};

}  // namespace

TEST_CASE("keys of an epoch are gone from the chain and the store when its time is over") {
  if (!can_scan()) return;
  for (const TransportMode mode : kModes) {
    Rig rig(mode);
    CHECK(all_found(rig.ratchets[0]));
    rig.enter(1);
    CHECK(all_found(rig.ratchets[0]));
    rig.call.reset();
    CHECK(all_found(rig.stored[0]));
    // Nobody sends anything any more: only the clock goes on.
    rig.harness->pass(dave::kTransitionOverlap + 1ms);
    CHECK(found(rig.ratchets[0]) == "");
    rig.store.publish(OldEpochsEndUpdate{kSession});
    CHECK(found(rig.stored[0]) == "");
    CHECK(all_found(rig.stored[1]));
    CHECK(all_found(rig.ratchets[1]));
    CHECK(all_found({rig.transport}));
  }
}

TEST_CASE("all keys are gone from the chain and the store with the session, or with the chain") {
  if (!can_scan()) return;
  for (const TransportMode mode : kModes) {
    for (const bool end_of_session : {true, false}) {
      CAPTURE(end_of_session);
      auto rig = std::make_unique<Rig>(mode);
      rig->enter(1);
      rig->call.reset();
      std::vector<Wanted> all{rig->transport};
      for (const auto *some : {rig->ratchets, rig->stored})
        for (int epoch : {0, 1}) all.insert(all.end(), some[epoch].begin(), some[epoch].end());
      CHECK(all_found(all));
      if (end_of_session) {
        rig->store.publish(SessionEndUpdate{kSession});
        CHECK(found(all) == "");
      } else {
        rig.reset();
        CHECK(found(all) == "");
      }
    }
  }
}
