// SPDX-License-Identifier: LGPL-2.1-or-later
#include <random>

#include "crash_bench.hpp"

// Last: it defines `fail` as a macro.
#include <gst/check/gstcheck.h>

using namespace bench;
using namespace crash;

GST_START_TEST(kill_9_costs_a_quarter_of_a_second_at_most_and_a_restart_goes_on) {
  const std::string format = kFormats[__i__];
  const int kills = is_long() ? 200 : 4;
  WorstLoss loss(0.25);
  std::mt19937 random(static_cast<unsigned>(7 + __i__));
  for (int kill = 0; kill < kills; ++kill) {
    const std::string dir = make_dir();
    // One of them as soon as files have anything that can be heard.
    const guint64 at_least = kill == 0 ? kFirst : kFirst + random() % 100;
    const guint64 frames = record_and_kill({format, dir}, at_least);
    for (guint64 user = 1; user <= kUsers; ++user) {
      const std::string path = dir + "/" + std::to_string(user) + "." + format + ".part";
      loss.add(path, frames, check_file(path, format, user));
      if (is_long() || static_cast<int>(user) == 1 + kill % 3) check_programs(path, format);
    }
    fail_unless(index_of(dir).size() >= 7);
    record_more({format, dir});
    check_continued(dir, format);
    remove_dir(dir);
  }
  loss.tell(format, kills);
}
GST_END_TEST

static Suite *crash_suite() {
  Suite *suite = suite_create("discordfilesink crash");
  TCase *crash = tcase_create("crash");
  suite_add_tcase(suite, crash);
  if (is_long()) tcase_set_timeout(crash, 3600);
  tcase_add_loop_test(crash, kill_9_costs_a_quarter_of_a_second_at_most_and_a_restart_goes_on, 0,
                      4);
  return suite;
}

GST_CHECK_MAIN(crash)
