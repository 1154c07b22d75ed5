// SPDX-License-Identifier: LGPL-2.1-or-later
#include <cstdio>
#include <filesystem>
#include <random>

#include "crash_bench.hpp"
#include "cut_disk.hpp"

// Last: it defines `fail` as a macro.
#include <gst/check/gstcheck.h>

using namespace bench;
using namespace crash;

GST_START_TEST(a_power_cut_costs_two_seconds_at_most_and_a_restart_goes_on) {
  const std::string format = kFormats[__i__];
  const int cuts = is_long() ? 20 : 1;
  WorstLoss loss(2);
  std::mt19937 random(static_cast<unsigned>(11 + __i__));
  CutDisk disk;
  fail_unless(disk.problem().empty(), "%s", disk.problem().c_str());
  for (int cut = 0; cut < cuts; ++cut) {
    const std::string dir = disk.path() + "/" + std::to_string(cut);
    std::filesystem::create_directory(dir);
    // Earlier than after two seconds, all may be gone.
    const guint64 frames = record_and_kill({"--power", format, dir}, 125 + random() % 150, [&] {
      g_usleep(random() % 100000);
      disk.cut();
    });
    disk.mount_again();
    for (guint64 user = 1; user <= kUsers; ++user) {
      const std::string path = dir + "/" + std::to_string(user) + "." + format + ".part";
      fail_unless(exists(path), "no %s", path.c_str());
      loss.add(path, frames, check_file(path, format, user, false));
      check_programs(path, format);
    }
    fail_unless(index_of(dir).size() >= 7);
    record_more({"--power", format, dir});
    check_continued(dir, format);
    remove_dir(dir);
  }
  loss.tell(format, cuts);
}
GST_END_TEST

static Suite *power_cut_suite() {
  Suite *suite = suite_create("discordfilesink power cut");
  TCase *cut = tcase_create("power cut");
  suite_add_tcase(suite, cut);
  tcase_set_timeout(cut, is_long() ? 3600 : 120);
  tcase_add_loop_test(cut, a_power_cut_costs_two_seconds_at_most_and_a_restart_goes_on, 0, 4);
  return suite;
}

int main(int argc, char **argv) {
  gst_check_init(&argc, &argv);
  if (const CutDisk disk; !disk.problem().empty()) {
    std::printf("SKIPPED: no ext4 on a loop device (needs root): %s\n", disk.problem().c_str());
    return 77;
  }
  return gst_check_run_suite(power_cut_suite(), "power_cut", __FILE__);
}
