// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/elements/reorder/support.hpp"

using dvtest::Bench;

GST_START_TEST(in_order_frames_pass_without_delay) {
  Bench b("hold-first=false");
  for (int i = 0; i < 3; ++i) b.push_at(20u * i, 7, 1 + i);
  expect(b.take(7, 3), "!1@0 2@20 3@40");
  fail_unless_equals_int(gst_test_clock_peek_id_count(b.clock()), 0);
}
GST_END_TEST

GST_START_TEST(first_frame_waits_for_the_one_before) {
  Bench b("latency=100");
  b.push_at(0, 7, 2, 1920);
  b.push_at(20, 7, 1, 960);
  b.push_at(40, 7, 3, 2880);
  b.push_at(60, 7, 4, 3840);
  b.expect_received(7, 0);
  gst_test_clock_wait_for_next_pending_id(b.clock(), nullptr);
  // Delays that differ by 40 ms tell only later where the first one belongs.
  b.at(100);
  b.expect_received(7, 0);
  gst_test_clock_wait_for_next_pending_id(b.clock(), nullptr);
  b.at(300);
  expect(b.take(7, 1).substr(0, 2), "!1");
  expect(b.take(7, 2).substr(0, 1), "2");
}
GST_END_TEST

GST_START_TEST(hole_that_is_filled_in_time_loses_nothing) {
  Bench b("hold-first=false latency=100");
  int t = 0;
  for (int seq : {1, 2, 5, 3, 4, 6}) b.push_at(20u * t++, 7, seq);
  expect(b.take(7, 6), "!1@0 2@20 3@40 4@60 5@80 6@100");
  fail_unless_equals_uint64(b.stat("lost"), 0);
  fail_unless_equals_uint64(b.stat("filled"), 2);
}
GST_END_TEST

static void collect_events(GstHarness *h, std::string &text, GstClockTime &at,
                           GstClockTime &length) {
  while (gst_harness_events_in_queue(h) > 0) {
    dv::Ref<GstEvent> event(gst_harness_pull_event(h));
    if (GST_EVENT_TYPE(event.get()) == GST_EVENT_GAP) {
      gst_event_parse_gap(event.get(), &at, &length);
      text += "gap ";
    } else if (gst_event_has_name(event.get(), "GstRTPPacketLost")) {
      text += "lost ";
      const GstStructure *s = gst_event_get_structure(event.get());
      guint seqnum = 0, ssrc = 0;
      guint64 count = 0;
      fail_unless(gst_structure_get(s, "seqnum", G_TYPE_UINT, &seqnum, "ssrc", G_TYPE_UINT, &ssrc,
                                    "count", G_TYPE_UINT64, &count, nullptr));
      fail_unless_equals_int(seqnum, 3);
      fail_unless_equals_int(ssrc, 7);
      fail_unless_equals_uint64(count, 1);
    }
  }
}

GST_START_TEST(hole_times_out_on_the_clock_without_a_later_frame) {
  Bench b("hold-first=false latency=100");
  b.push_at(0, 7, 1);
  b.push_at(20, 7, 2);
  b.push_at(60, 7, 4);
  b.expect_received(7, 2);
  GstClockID id = nullptr;
  gst_test_clock_wait_for_next_pending_id(b.clock(), &id);
  fail_unless_equals_uint64(gst_clock_id_get_time(id), 160 * GST_MSECOND);
  gst_clock_id_unref(id);
  b.at(159);
  b.expect_received(7, 2);
  b.at(160);
  expect(b.take(7, 3), "!1@0 2@20 !4@60");
  std::string events;
  GstClockTime at = 0, length = 0;
  collect_events(b.out(7), events, at, length);
  expect(events, "lost gap ");
  fail_unless_equals_uint64(at, 40 * GST_MSECOND);
  fail_unless_equals_uint64(length, 20 * GST_MSECOND);
  fail_unless_equals_uint64(b.stat("lost"), 1);
}
GST_END_TEST

GST_START_TEST(filled_hole_leaves_no_timer) {
  Bench b("hold-first=false latency=100");
  b.push_at(0, 7, 1);
  b.push_at(20, 7, 3);
  gst_test_clock_wait_for_next_pending_id(b.clock(), nullptr);
  b.push_at(40, 7, 2);
  dvtest::wait_for([&] { return gst_test_clock_peek_id_count(b.clock()) == 0; }, "no timer");
  b.expect_received(7, 3);
}
GST_END_TEST

GST_START_TEST(speakers_do_not_wait_for_each_other) {
  Bench b("hold-first=false latency=100");
  b.push_at(0, 1, 1);
  b.push_at(0, 2, 1);
  b.push_at(40, 1, 3);
  b.push_at(60, 2, 2);
  b.push_at(100, 2, 4);
  b.expect_received(2, 2);
  gst_test_clock_wait_for_next_pending_id(b.clock(), nullptr);
  b.at(140);
  b.expect_received(1, 2);
  b.expect_received(2, 2);
  gst_test_clock_wait_for_next_pending_id(b.clock(), nullptr);
  b.at(200);
  b.expect_received(2, 3);
}
GST_END_TEST

GST_START_TEST(duplicates_and_late_frames_are_counted) {
  Bench b("hold-first=false latency=40");
  int t = 0;
  for (int seq : {1, 2, 2, 4, 4}) b.push_at(20u * t++, 7, seq);
  gst_test_clock_wait_for_next_pending_id(b.clock(), nullptr);
  b.at(200);
  b.expect_received(7, 3);
  b.push_at(220, 7, 3);
  fail_unless_equals_uint64(b.stat("duplicate"), 2);
  fail_unless_equals_uint64(b.stat("late"), 1);
  fail_unless_equals_uint64(b.stat("in"), 6);
  fail_unless_equals_uint64(b.stat("out"), 3);
}
GST_END_TEST

GST_START_TEST(eos_drains_everything_held) {
  Bench b("hold-first=true latency=100");
  b.push_at(0, 7, 1);
  b.push_at(20, 7, 2);
  b.push_at(40, 7, 4);
  b.push_event(gst_event_new_eos());
  expect(b.take_until_eos(7), "!1@0 2@20 !4@60");
  fail_unless_equals_uint64(b.stat("lost"), 1);
}
GST_END_TEST

GST_START_TEST(flush_starts_anew) {
  Bench b("hold-first=false latency=100");
  b.push_at(0, 7, 1);
  b.push_at(20, 7, 2);
  b.push_at(40, 7, 9);
  b.expect_received(7, 2);
  b.push_event(gst_event_new_flush_start());
  b.push_event(gst_event_new_flush_stop(TRUE));
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  b.push_event(gst_event_new_segment(&segment));
  b.push_at(60, 7, 7);
  b.push_at(80, 7, 8);
  b.expect_received(7, 4);
  b.take(7, 2);
  expect(b.take(7, 2), "!7@60 8@80");
  fail_unless_equals_uint64(b.stat("flushed"), 1);
  fail_unless_equals_uint64(b.stat("lost"), 0);
}
GST_END_TEST

GST_START_TEST(seed_rules_wait_with_everything_for_the_set_time) {
  Bench b("rules=seed latency=2000");
  b.push_at(0, 7, 1);
  b.push_at(20, 7, 2);
  for (int i = 0; i < 10; ++i) b.push_at(60u + 20u * i, 7, 4 + i);
  b.expect_received(7, 2);
  gst_test_clock_wait_for_next_pending_id(b.clock(), nullptr);
  b.at(2059);
  b.expect_received(7, 2);
  b.at(2060);
  b.expect_received(7, 12);
}
GST_END_TEST

GST_START_TEST(restart_of_the_numbers_is_followed) {
  Bench b("hold-first=false");
  b.push_at(0, 7, 40000);
  b.push_at(20, 7, 40001);
  for (int i = 0; i < 3; ++i) b.push_at(40u + 20u * i, 7, 100 + i);
  b.expect_received(7, 5);
  expect(b.take(7, 5).substr(0, 26), "!40000@0 40001@20 !100@40 ");
  fail_unless_equals_uint64(b.stat("restarts"), 1);
}
GST_END_TEST

GST_START_TEST(what_is_no_rtp_is_counted_and_harms_nobody) {
  Bench b("hold-first=false");
  b.push_at(0, 7, 1);
  for (gsize size : {0u, 1u, 11u, 12u, 40u}) {
    GstBuffer *bad = gst_buffer_new_allocate(nullptr, size, nullptr);
    gst_buffer_memset(bad, 0, 0x3f, size);
    fail_unless_equals_int(b.push(bad), GST_FLOW_OK);
  }
  b.push_at(20, 7, 2);
  b.expect_received(7, 2);
  fail_unless_equals_uint64(b.stat("malformed"), 5);
  fail_unless_equals_int(b.pads(), 1);
}
GST_END_TEST

TCase *order_case() {
  TCase *tc = tcase_create("order");
  tcase_add_test(tc, in_order_frames_pass_without_delay);
  tcase_add_test(tc, first_frame_waits_for_the_one_before);
  tcase_add_test(tc, hole_that_is_filled_in_time_loses_nothing);
  tcase_add_test(tc, hole_times_out_on_the_clock_without_a_later_frame);
  tcase_add_test(tc, filled_hole_leaves_no_timer);
  tcase_add_test(tc, speakers_do_not_wait_for_each_other);
  tcase_add_test(tc, duplicates_and_late_frames_are_counted);
  tcase_add_test(tc, eos_drains_everything_held);
  tcase_add_test(tc, flush_starts_anew);
  tcase_add_test(tc, seed_rules_wait_with_everything_for_the_set_time);
  tcase_add_test(tc, restart_of_the_numbers_is_followed);
  tcase_add_test(tc, what_is_no_rtp_is_counted_and_harms_nobody);
  return tc;
}
