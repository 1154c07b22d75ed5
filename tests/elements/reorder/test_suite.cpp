// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/elements/reorder/support.hpp"

static Suite *rtpjitterreorder_suite() {
  Suite *suite = suite_create("rtpjitterreorder");
  suite_add_tcase(suite, order_case());
  suite_add_tcase(suite, pads_case());
  suite_add_tcase(suite, time_case());
  suite_add_tcase(suite, branches_case());
  return suite;
}

GST_CHECK_MAIN(rtpjitterreorder)
