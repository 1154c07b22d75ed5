// SPDX-License-Identifier: LGPL-2.1-or-later
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/elements/decrypt/processes.hpp"

using namespace dv;
using namespace dv::test;

GST_START_TEST(killed_workers_lose_no_frame_and_are_replaced) {
  Bench bench("max-workers=2 pool=killed");
  bench.publish_session();
  for (Ssrc ssrc = 1; ssrc <= 4; ++ssrc) bench.add_speaker(ssrc);
  for (int part = 0; part < 4; ++part) {
    for (int i = 0; i < 25; ++i) bench.round();
    if (part == 3) break;
    fail_unless(eventually([&] { return !worker_pids(bench).empty(); }));
    for (const pid_t pid : worker_pids(bench)) kill(pid, SIGKILL);
  }
  bench.eos_and_wait();
  auto outputs = by_ssrc(bench.pull_all());
  fail_unless_equals_int(outputs.size(), 4);
  for (auto &[ssrc, frames] : outputs) {
    fail_unless_equals_int(frames.size(), 100);
    for (std::size_t i = 1; i < frames.size(); ++i) {
      fail_unless_equals_uint64(frames[i].meta.extended_seq, frames[i - 1].meta.extended_seq + 1);
    }
  }
  fail_unless_equals_uint64(bench.count("delivered"), 400);
  fail_unless(bench.count("restarts") >= 1);
  bench.check_closed();
}
GST_END_TEST;

GST_START_TEST(a_missing_worker_is_an_error_that_names_it) {
  g_setenv("GST_DISCORD_WORKER", "/nonexistent/worker", TRUE);
  Ref<GstElement> element(gst_element_factory_make("discorddecrypt", nullptr));
  gst_object_ref_sink(element.get());
  Ref<GstBus> bus(gst_bus_new());
  gst_element_set_bus(element.get(), bus.get());
  fail_unless_equals_int(gst_element_set_state(element.get(), GST_STATE_PAUSED),
                         GST_STATE_CHANGE_FAILURE);
  Ref<GstMessage> message(gst_bus_pop_filtered(bus.get(), GST_MESSAGE_ERROR));
  fail_unless(message != nullptr);
  GError *raw = nullptr;
  gst_message_parse_error(message.get(), &raw, nullptr);
  Ref<GError> error(raw);
  fail_unless(error->domain == GST_RESOURCE_ERROR);
  fail_unless(std::strstr(error->message, "/nonexistent/worker") != nullptr);
  gst_element_set_state(element.get(), GST_STATE_NULL);
  gst_element_set_bus(element.get(), nullptr);
}
GST_END_TEST;

GST_START_TEST(an_executable_that_is_no_worker_is_one_error_and_a_flow_error) {
  g_setenv("GST_DISCORD_WORKER", "/bin/false", TRUE);
  Bench bench("max-workers=1 pool=wrong");
  bench.publish_session();
  auto &speaker = bench.add_speaker(1);
  fail_unless(eventually([&] { return bench.push(speaker.next()) == GST_FLOW_ERROR; }));
  Ref<GstMessage> message(
      gst_bus_timed_pop_filtered(bench.bus.get(), 60 * GST_SECOND, GST_MESSAGE_ERROR));
  fail_unless(message != nullptr);
  bench.push(speaker.next());
  fail_unless(gst_bus_pop_filtered(bench.bus.get(), GST_MESSAGE_ERROR) == nullptr);
}
GST_END_TEST;

GST_START_TEST(a_worker_of_another_version_is_an_error_that_names_both) {
  g_setenv("GST_DISCORD_WORKER", g_getenv("DV_OTHER_WORKER"), TRUE);
  Bench bench("max-workers=1 pool=version");
  bench.publish_session();
  auto &speaker = bench.add_speaker(1);
  bench.push(speaker.next());
  const std::string text = error_of(bench);
  fail_unless(text.find("version 99") != std::string::npos, "%s", text.c_str());
  fail_unless(text.find("GST_DISCORD_WORKER") != std::string::npos, "%s", text.c_str());
  fail_unless(eventually([&] { return bench.push(speaker.next()) == GST_FLOW_ERROR; }));
  // The packet that was refused is judged by the pool, in its own time.
  fail_unless(eventually([&] { return bench.count("pending") == 0; }));
  bench.check_closed();
}
GST_END_TEST;

GST_START_TEST(elements_of_one_pool_share_its_workers) {
  Bench a("max-workers=1 pool=shared"), b("max-workers=1 pool=shared");
  for (Bench *bench : {&a, &b}) {
    bench->publish_session();
    bench->add_speaker(1);
    for (int i = 0; i < 10; ++i) bench->round();
  }
  a.eos_and_wait();
  b.eos_and_wait();
  fail_unless_equals_int(worker_pids(a).size(), 1);
  fail_unless(worker_pids(a) == worker_pids(b));
  fail_unless_equals_int(a.pull_all().size(), 10);
  fail_unless_equals_int(b.pull_all().size(), 10);
}
GST_END_TEST;

static Suite *workers_suite() {
  GST_ELEMENT_REGISTER(discorddecrypt, nullptr);
  Suite *s = suite_create("discorddecrypt workers");
  TCase *tc = tcase_create("workers");
  suite_add_tcase(s, tc);
  tcase_add_test(tc, killed_workers_lose_no_frame_and_are_replaced);
  tcase_add_test(tc, a_missing_worker_is_an_error_that_names_it);
  tcase_add_test(tc, an_executable_that_is_no_worker_is_one_error_and_a_flow_error);
  tcase_add_test(tc, a_worker_of_another_version_is_an_error_that_names_both);
  tcase_add_test(tc, elements_of_one_pool_share_its_workers);
  return s;
}
GST_CHECK_MAIN(workers);
