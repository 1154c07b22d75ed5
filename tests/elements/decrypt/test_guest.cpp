// SPDX-License-Identifier: LGPL-2.1-or-later
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "tests/elements/decrypt/processes.hpp"

// What a host may expect of an element that starts processes in it, and of how they are confined.

using namespace dv;
using namespace dv::test;

namespace {

/** Talks until a worker is there, kills it, and goes on: nothing may be lost in this host. */
void lives_through_a_death(const char *pool) {
  Bench bench(std::string("max-workers=1 idle-timeout=0 pool=") + pool);
  bench.publish_session();
  bench.add_speaker(1);
  for (int i = 0; i < 20; ++i) bench.round();
  fail_unless(eventually([&] { return worker_pids(bench).size() == 1; }));
  kill(worker_pids(bench)[0], SIGKILL);
  for (int i = 0; i < 20; ++i) bench.round();
  bench.eos_and_wait();
  fail_unless_equals_int(bench.pull_all().size(), 40);
  fail_unless_equals_uint64(bench.count("delivered"), 40);
}

std::string started_detail(Bench &bench) {
  for (;;) {
    Ref<GstMessage> message(gst_bus_timed_pop_filtered(
        bench.bus.get(), 60 * GST_SECOND,
        static_cast<GstMessageType>(GST_MESSAGE_ELEMENT | GST_MESSAGE_ERROR)));
    fail_unless(message != nullptr && GST_MESSAGE_TYPE(message.get()) == GST_MESSAGE_ELEMENT);
    const GstStructure *s = gst_message_get_structure(message.get());
    if (gst_structure_has_name(s, "discorddecrypt-worker-started")) {
      return gst_structure_get_string(s, "detail");
    }
  }
}

/** From here on this process and its children get no seccomp filter. */
void forbid_seccomp() {
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
  const scmp_arg_cmp by_prctl{0, SCMP_CMP_EQ, PR_SET_SECCOMP, 0};
  fail_unless_equals_int(
      seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(prctl), 1, &by_prctl), 0);
  fail_unless_equals_int(seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(seccomp), 0), 0);
  fail_unless_equals_int(seccomp_load(filter), 0);
  seccomp_release(filter);
}

std::atomic<int> reaped_by_handler{0};
void reap_all(int) {
  const int before = errno;
  while (waitpid(-1, nullptr, WNOHANG) > 0) ++reaped_by_handler;
  errno = before;
}

}  // namespace

GST_START_TEST(works_where_children_are_ignored) {
  signal(SIGCHLD, SIG_IGN);
  lives_through_a_death("ignored");
}
GST_END_TEST;

GST_START_TEST(works_where_a_handler_reaps_all_children) {
  struct sigaction action {};
  action.sa_handler = reap_all;
  action.sa_flags = SA_RESTART;
  sigaction(SIGCHLD, &action, nullptr);
  lives_through_a_death("handler");
  struct sigaction after {};
  sigaction(SIGCHLD, nullptr, &after);
  fail_unless(after.sa_handler == reap_all, "the handler of the application was taken away");
}
GST_END_TEST;

GST_START_TEST(works_where_a_loop_waits_for_any_child) {
  std::atomic<bool> stop{false};
  std::thread waiting([&] {
    while (!stop) {
      if (waitpid(-1, nullptr, 0) < 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  lives_through_a_death("loop");
  stop = true;
  fail_unless(eventually([] { return children_of(getpid()).empty(); }));
  waiting.join();
}
GST_END_TEST;

GST_START_TEST(works_in_a_child_of_a_host_that_used_it_before) {
  Bench parent("max-workers=1 pool=forked");
  parent.publish_session();
  parent.add_speaker(1);
  for (int i = 0; i < 10; ++i) parent.round();
  fail_unless(eventually([&] { return worker_pids(parent).size() == 1; }));
  const pid_t child = fork();
  if (child == 0) {
    lives_through_a_death("forked");
    _exit(0);
  }
  int status = -1;
  fail_unless_equals_int(waitpid(child, &status, 0), child);
  fail_unless(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", status);
  // Nothing of it was the parent's.
  for (int i = 0; i < 10; ++i) parent.round();
  parent.eos_and_wait();
  fail_unless_equals_int(parent.pull_all().size(), 20);
  fail_unless_equals_uint64(parent.count("restarts"), 0);
}
GST_END_TEST;

GST_START_TEST(a_worker_has_no_environment_no_arguments_and_no_descriptors_but_its_own) {
  g_setenv("DISCORD_TOKEN", "a-token-that-nobody-must-see", TRUE);
  struct rlimit limit {};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 4096);
  setrlimit(RLIMIT_NOFILE, &limit);
  std::vector<int> inheritable;
  for (int i = 0; i < 500; ++i) inheritable.push_back(open("/dev/null", O_RDONLY));
  fail_unless(inheritable.back() >= 500);
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
  // A worker can not be looked into by its own user: only as root is this seen.
  int fds = 0;
  if (DIR *dir = opendir((proc + "/fd").c_str())) {
    while (const dirent *entry = readdir(dir)) fds += entry->d_name[0] != '.';
    closedir(dir);
    fail_unless(fds <= 9, "%d descriptors", fds);
  }
  for (const int fd : inheritable) close(fd);
}
GST_END_TEST;

GST_START_TEST(cycles_leave_nothing_behind) {
  const int cycles = long_form() ? 1000 : 100;
  const auto cycle = [] {
    Bench bench("max-workers=1 idle-timeout=0 pool=cycle");
    bench.publish_session();
    bench.add_speaker(1);
    bench.round();
    bench.round();
  };
  const auto at_rest = [] { return children_of(getpid()).empty() && mapped_regions() == 0; };
  // Threads of GStreamer's own pool are made and kept in the first ones.
  for (int i = 0; i < 20; ++i) cycle();
  fail_unless(eventually(at_rest));
  const std::size_t fds = open_descriptors(), tasks = threads();
  malloc_trim(0);
  const std::size_t heap = mallinfo2().uordblks;
  for (int i = 0; i < cycles; ++i) cycle();
  fail_unless(eventually(at_rest));
  // The pool's thread gives up the last of it in a moment.
  fail_unless(eventually([&] { return open_descriptors() <= fds; }), "%zu descriptors after %zu",
              open_descriptors(), fds);
  fail_unless(eventually([&] { return threads() <= tasks; }), "%zu threads after %zu", threads(),
              tasks);
  const std::size_t heap_after = mallinfo2().uordblks;
  g_print("%d cycles: descriptors %zu -> %zu, threads %zu -> %zu, heap %zu -> %zu bytes\n", cycles,
          fds, open_descriptors(), tasks, threads(), heap, heap_after);
  fail_unless(heap_after < heap + 256 * 1024, "%zu bytes after %zu", heap_after, heap);
}
GST_END_TEST;

GST_START_TEST(workers_end_with_their_host_even_if_a_fork_of_it_lives_on) {
  const int hosts = long_form() ? 50 : 3;
  double worst = 0;
  for (int n = 0; n < hosts; ++n) {
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
      for (;;) bench.round();  // dies in the middle of work
    }
    pid_t pids[2] = {0, 0};
    fail_unless_equals_int(read(report[0], pids, sizeof pids), sizeof pids);
    const int worker = pidfd_open_of(pids[0]);
    fail_unless(worker >= 0);
    const auto killed = std::chrono::steady_clock::now();
    kill(host, SIGKILL);
    pollfd ended{worker, POLLIN, 0};
    const bool in_time = poll(&ended, 1, 60000) == 1;
    const auto took = std::chrono::steady_clock::now() - killed;
    waitpid(host, nullptr, 0);
    kill(pids[1], SIGKILL);
    close(worker);
    for (const int fd : report) close(fd);
    fail_unless(in_time, "the worker outlives its host");
    worst = std::max(worst, std::chrono::duration<double, std::milli>(took).count());
  }
  g_print("%d hosts killed: the last worker ended %.1f ms later at most\n", hosts, worst);
}
GST_END_TEST;

GST_START_TEST(the_confinement_in_force_is_told) {
  Bench bench("max-workers=1 sandbox=require pool=told");
  bench.publish_session();
  bench.add_speaker(1);
  bench.round();
  const std::string told = started_detail(bench);
  for (const char *part : {"no-new-privs", "not-dumpable", "rlimits", "seccomp"}) {
    fail_unless(told.find(part) != std::string::npos, "%s", told.c_str());
  }
  auto stats = bench.stats();
  fail_unless_equals_string(gst_structure_get_string(stats.get(), "confinement"), told.c_str());
}
GST_END_TEST;

GST_START_TEST(require_refuses_where_confinement_is_not_to_be_had) {
  forbid_seccomp();
  Bench bench("max-workers=1 sandbox=require pool=refused");
  bench.publish_session();
  auto &speaker = bench.add_speaker(1);
  bench.push(speaker.next());
  const std::string text = error_of(bench);
  fail_unless(text.find("sandbox=require") != std::string::npos, "%s", text.c_str());
  fail_unless(eventually([&] { return bench.push(speaker.next()) == GST_FLOW_ERROR; }));
  fail_unless_equals_int(bench.pull_all().size(), 0);
}
GST_END_TEST;

GST_START_TEST(try_takes_what_there_is_and_says_so) {
  g_unsetenv("DV_STRICT_SANDBOX");
  forbid_seccomp();
  Bench bench("max-workers=1 sandbox=try pool=tried");
  bench.publish_session();
  bench.add_speaker(1);
  bench.round();
  const std::string told = started_detail(bench);
  fail_unless(told.find("no-new-privs") != std::string::npos, "%s", told.c_str());
  fail_unless(told.find("seccomp") == std::string::npos, "%s", told.c_str());
  bench.eos_and_wait();
  fail_unless_equals_int(bench.pull_all().size(), 1);
}
GST_END_TEST;

static Suite *guest_suite() {
  GST_ELEMENT_REGISTER(discorddecrypt, nullptr);
  Suite *s = suite_create("discorddecrypt as a guest");
  TCase *tc = tcase_create("guest");
  if (long_form()) tcase_set_timeout(tc, 3000);
  suite_add_tcase(s, tc);
  tcase_add_test(tc, works_where_children_are_ignored);
  tcase_add_test(tc, works_where_a_handler_reaps_all_children);
  tcase_add_test(tc, works_where_a_loop_waits_for_any_child);
  tcase_add_test(tc, works_in_a_child_of_a_host_that_used_it_before);
  tcase_add_test(tc, a_worker_has_no_environment_no_arguments_and_no_descriptors_but_its_own);
  tcase_add_test(tc, cycles_leave_nothing_behind);
  tcase_add_test(tc, workers_end_with_their_host_even_if_a_fork_of_it_lives_on);
  tcase_add_test(tc, the_confinement_in_force_is_told);
  tcase_add_test(tc, require_refuses_where_confinement_is_not_to_be_had);
  tcase_add_test(tc, try_takes_what_there_is_and_says_so);
  return s;
}
GST_CHECK_MAIN(guest);
