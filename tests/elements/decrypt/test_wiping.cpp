// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/support/secret_call.hpp"

#include "tests/elements/decrypt/processes.hpp"

using namespace dv;
using namespace dv::test;

namespace {

void append(std::vector<Wanted> &all, const std::vector<Wanted> &more) {
  all.insert(all.end(), more.begin(), more.end());
}

constexpr TransportMode kModes[] = {TransportMode::aes256_gcm_rtpsize,
                                    TransportMode::xchacha20_poly1305_rtpsize};

}  // namespace

/** In this process and with workers, in both modes of the transport. */
GST_START_TEST(no_key_is_left_after_stop) {
  if (!can_scan()) return;
  const bool workers = __i__ >= 2;
  auto bench = std::make_unique<Bench>(workers ? "max-workers=1 pool=wiping" : "max-workers=0");
  auto call = std::make_unique<SecretCall>(bench->session.id(), kModes[__i__ % 2]);
  bench->store->publish(call->transport_key());
  bench->store->publish(call->binding());
  std::vector<Wanted> held{call->wanted_transport()};
  std::vector<Wanted> all = held;
  for (const int epoch : {0, 1}) {
    bench->store->publish(call->epoch(epoch));
    for (const Bytes &datagram : call->datagrams[epoch])
      fail_unless_equals_int(bench->push(datagram), GST_FLOW_OK);
    held.push_back(call->wanted_base(epoch));
    if (!workers) append(held, call->wanted_ratchet(epoch));
    append(all, call->wanted_ratchet(epoch));
    all.push_back(call->wanted_base(epoch));
  }
  bench->eos_and_wait();
  fail_unless_equals_uint64(bench->count("delivered"), 6);
  call.reset();
  fail_unless(all_found(held), "the scan does not even find the keys that are in use");
  bench.reset();
  const std::string left = found(all);
  fail_unless(left.empty(), "%s", left.c_str());
}
GST_END_TEST;

/** In both modes of the transport: the worker lives on for others. */
GST_START_TEST(no_key_is_left_in_a_worker_after_the_session) {
  if (!can_scan()) return;
  Bench bench("max-workers=1 pool=wiping-worker latency=0");
  auto call = std::make_unique<SecretCall>(bench.session.id(), kModes[__i__]);
  bench.store->publish(call->transport_key());
  bench.store->publish(call->binding());
  std::vector<Wanted> all{call->wanted_transport()}, held = all;
  for (const int epoch : {0, 1}) {
    bench.store->publish(call->epoch(epoch));
    for (const Bytes &datagram : call->datagrams[epoch])
      fail_unless_equals_int(bench.push(datagram), GST_FLOW_OK);
    append(held, call->wanted_ratchet(epoch));
    append(all, call->wanted_ratchet(epoch));
    all.push_back(call->wanted_base(epoch));
  }
  fail_unless(eventually([&] { return bench.count("delivered") == 6; }));
  const auto pids = worker_pids(bench);
  fail_unless_equals_int(pids.size(), 1);
  const std::string worker = std::to_string(pids[0]);
  call.reset();
  for (const Wanted &key : held) {
    fail_if(scan_process(worker, {key}).empty(), "the scan does not even find %s",
            key.name.c_str());
  }
  bench.store->publish(SessionEndUpdate{bench.session.id()});
  std::string left;
  const bool gone = eventually([&] { return (left = scan_process(worker, all)).empty(); });
  fail_unless(gone, "%s", left.c_str());
  fail_unless(worker_pids(bench) == pids);
}
GST_END_TEST;

static Suite *wiping_suite() {
  Suite *suite = suite_create("wiping");
  TCase *tests = tcase_create("keys");
  suite_add_tcase(suite, tests);
  tcase_add_loop_test(tests, no_key_is_left_after_stop, 0, 4);
  tcase_add_loop_test(tests, no_key_is_left_in_a_worker_after_the_session, 0, 2);
  return suite;
}

GST_CHECK_MAIN(wiping)
