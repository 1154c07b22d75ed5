// SPDX-License-Identifier: LGPL-2.1-or-later
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "tests/elements/decrypt/fixture.hpp"

using namespace dv;
using namespace dv::test;

namespace {

std::vector<pid_t> worker_pids(Bench &bench) {
  std::vector<pid_t> pids;
  auto all = bench.stats();
  const GValue *list = gst_structure_get_value(all.get(), "worker-pids");
  for (guint i = 0; i < gst_value_array_get_size(list); ++i) {
    pids.push_back(static_cast<pid_t>(g_value_get_int64(gst_value_array_get_value(list, i))));
  }
  return pids;
}

std::string file_text(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

/** Children of `parent` that are workers, zombies included. */
std::vector<pid_t> children_of(pid_t parent) {
  std::vector<pid_t> found;
  DIR *proc = opendir("/proc");
  while (const dirent *entry = readdir(proc)) {
    const pid_t pid = static_cast<pid_t>(std::atoi(entry->d_name));
    if (pid <= 0) continue;
    const std::string stat = file_text("/proc/" + std::to_string(pid) + "/stat");
    const auto close = stat.rfind(')');
    if (close == std::string::npos || stat.find("(gst-discord-work") == std::string::npos) continue;
    char state = 0;
    int ppid = 0;
    if (std::sscanf(stat.c_str() + close + 1, " %c %d", &state, &ppid) == 2 && ppid == parent) {
      found.push_back(pid);
    }
  }
  closedir(proc);
  return found;
}

std::size_t open_descriptors() {
  std::size_t n = 0;
  DIR *fds = opendir("/proc/self/fd");
  while (readdir(fds) != nullptr) ++n;
  closedir(fds);
  return n;
}

bool gone(pid_t pid) {
  const std::string stat = file_text("/proc/" + std::to_string(pid) + "/stat");
  return stat.empty() || stat.find(") Z") != std::string::npos;
}

}  // namespace

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

GST_START_TEST(a_worker_has_no_environment_no_arguments_and_no_descriptors_but_its_own) {
  g_setenv("DISCORD_TOKEN", "a-token-that-nobody-must-see", TRUE);
  std::vector<int> inheritable;
  for (int i = 0; i < 100; ++i) inheritable.push_back(open("/dev/null", O_RDONLY));
  Bench bench("max-workers=1 pool=clean");
  bench.publish_session();
  bench.add_speaker(1);
  for (int i = 0; i < 10; ++i) bench.round();
  fail_unless(eventually([&] { return worker_pids(bench).size() == 1; }));
  const std::string proc = "/proc/" + std::to_string(worker_pids(bench)[0]);
  fail_unless(file_text(proc + "/environ").empty());
  const std::string command = file_text(proc + "/cmdline");
  fail_unless_equals_string(command.c_str(), "gst-discord-worker");
  fail_unless_equals_int(getsid(worker_pids(bench)[0]), worker_pids(bench)[0]);
  const std::string status = file_text(proc + "/status");
  fail_unless(status.find("NoNewPrivs:\t1") != std::string::npos);
  fail_unless(status.find("Seccomp:\t2") != std::string::npos);
  int fds = 0;
  if (DIR *dir = opendir((proc + "/fd").c_str())) {
    while (const dirent *entry = readdir(dir)) fds += entry->d_name[0] != '.';
    closedir(dir);
    fail_unless(fds <= 9, "%d descriptors", fds);
  }
  auto stats = bench.stats();
  const gchar *level = gst_structure_get_string(stats.get(), "confinement");
  fail_unless(std::strstr(level, "seccomp") != nullptr, "confinement: %s", level);
  for (const int fd : inheritable) close(fd);
}
GST_END_TEST;

GST_START_TEST(state_cycles_leave_no_process_and_no_descriptor_behind) {
  const auto cycle = [] {
    Bench bench("max-workers=1 idle-timeout=0 pool=cycle");
    bench.publish_session();
    bench.add_speaker(1);
    bench.round();
    bench.round();
  };
  cycle();
  fail_unless(eventually([] { return children_of(getpid()).empty(); }));
  std::size_t before = 0;
  // The pool's thread gives up its descriptors in a moment.
  fail_unless(eventually([&] {
    const std::size_t now = open_descriptors();
    const bool same = now == before;
    before = now;
    return same;
  }));
  for (int i = 0; i < 100; ++i) cycle();
  fail_unless(eventually([] { return children_of(getpid()).empty(); }));
  fail_unless(eventually([&] { return open_descriptors() <= before; }), "%zu after %zu",
              open_descriptors(), before);
}
GST_END_TEST;

GST_START_TEST(workers_end_with_their_host_even_if_a_fork_of_it_lives_on) {
  int report[2];
  fail_unless_equals_int(pipe(report), 0);
  const pid_t host = fork();
  if (host == 0) {
    // In the child of a check: no threads yet, so this is a host like any other.
    Bench bench("max-workers=1 pool=host");
    bench.publish_session();
    bench.add_speaker(1);
    for (int i = 0; i < 10; ++i) bench.round();
    if (!eventually([&] { return worker_pids(bench).size() == 1; })) _exit(1);
    pid_t pids[2] = {worker_pids(bench)[0], fork()};
    if (pids[1] == 0) {
      for (;;) pause();
    }
    if (write(report[1], pids, sizeof pids) < 0) _exit(1);
    for (;;) pause();
  }
  pid_t pids[2] = {0, 0};
  fail_unless_equals_int(read(report[0], pids, sizeof pids), sizeof pids);
  kill(host, SIGKILL);
  waitpid(host, nullptr, 0);
  const bool ended = eventually([&] { return gone(pids[0]); });
  kill(pids[1], SIGKILL);
  fail_unless(ended, "the worker outlives its host");
}
GST_END_TEST;

GST_START_TEST(hosts_that_ignore_or_reap_children_are_served_all_the_same) {
  struct sigaction ignore {
  }, before{};
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGCHLD, &ignore, &before);
  {
    Bench bench("max-workers=1 idle-timeout=0 pool=ignored");
    bench.publish_session();
    bench.add_speaker(1);
    for (int i = 0; i < 20; ++i) bench.round();
    fail_unless(eventually([&] { return worker_pids(bench).size() == 1; }));
    kill(worker_pids(bench)[0], SIGKILL);
    for (int i = 0; i < 20; ++i) bench.round();
    bench.eos_and_wait();
    fail_unless_equals_int(bench.pull_all().size(), 40);
  }
  sigaction(SIGCHLD, &before, nullptr);
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
  tcase_add_test(tc, a_worker_has_no_environment_no_arguments_and_no_descriptors_but_its_own);
  tcase_add_test(tc, state_cycles_leave_no_process_and_no_descriptor_behind);
  tcase_add_test(tc, workers_end_with_their_host_even_if_a_fork_of_it_lives_on);
  tcase_add_test(tc, hosts_that_ignore_or_reap_children_are_served_all_the_same);
  tcase_add_test(tc, elements_of_one_pool_share_its_workers);
  return s;
}
GST_CHECK_MAIN(workers);
