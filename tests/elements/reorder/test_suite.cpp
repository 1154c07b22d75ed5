// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/elements/reorder/support.hpp"

static Suite *rtpjitterreorder_suite() {
  Suite *suite = suite_create("rtpjitterreorder");
  suite_add_tcase(suite, order_case());
  suite_add_tcase(suite, pads_case());
  suite_add_tcase(suite, time_case());
  suite_add_tcase(suite, branches_case());
  // Branches that block need the threads; everything else is the same without.
  for (TCase *tests : {order_case(), pads_case(), time_case()}) {
    tcase_add_checked_fixture(tests, dvtest::without_pad_threads, nullptr);
    suite_add_tcase(suite, tests);
  }
  return suite;
}

GST_CHECK_MAIN(rtpjitterreorder)
