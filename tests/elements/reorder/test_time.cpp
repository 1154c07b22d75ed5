// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/elements/reorder/support.hpp"

using dvtest::Bench;

GST_START_TEST(pause_of_the_speaker_is_kept_and_is_no_loss) {
  Bench b("hold-first=false");
  b.push_at(0, 7, 1, 960);
  b.push_at(20, 7, 2, 1920);
  b.push_at(3000, 7, 3, 1920 + 48 * 2980);
  b.expect_received(7, 3);
  expect(b.take(7, 3), "!1@0 2@20 3@3000");
  fail_unless_equals_uint64(b.stat("lost"), 0);
}
GST_END_TEST

GST_START_TEST(input_without_time_is_placed_by_its_rtp_time) {
  Bench b("latency=100", dvtest::kRtpCaps, false);
  // A file is read as fast as it goes.
  for (int i = 0; i < 50; ++i)
    fail_unless_equals_int(b.push(dvtest::rtp_packet(7, i)), GST_FLOW_OK);
  b.push(dvtest::rtp_packet(7, 50, 48000 * 10));
  b.push_event(gst_event_new_eos());
  b.expect_received(7, 51);
  b.take(7, 49);
  expect(b.take(7, 2), "49@980 50@10000");
}
GST_END_TEST

GST_START_TEST(time_stamps_of_upstream_are_the_arrival) {
  Bench b("hold-first=false latency=100");
  gst_test_clock_set_time(b.clock(), GST_SECOND);
  for (int i = 0; i < 3; ++i) {
    GstBuffer *packet = dvtest::rtp_packet(7, i);
    GST_BUFFER_PTS(packet) = (900 + 20 * i) * GST_MSECOND;
    b.push(packet);
  }
  b.expect_received(7, 3);
  expect(b.take(7, 3), "!0@900 1@920 2@940");
}
GST_END_TEST

GST_START_TEST(a_buffer_list_is_judged_as_a_whole) {
  Bench b("hold-first=false latency=100");
  b.push_at(0, 7, 1);
  b.at(20);
  GstBufferList *list = gst_buffer_list_new();
  for (int seq : {4, 3, 2}) gst_buffer_list_add(list, dvtest::rtp_packet(7, seq));
  fail_unless_equals_int(gst_pad_push_list(b.in()->srcpad, list), GST_FLOW_OK);
  b.expect_received(7, 4);
  expect(b.take(7, 4), "!1@0 2@20 3@40 4@60");
}
GST_END_TEST

GST_START_TEST(silence_is_told_at_a_steady_pace_when_asked_for) {
  Bench b("hold-first=false latency=100 gap-interval=200");
  b.push_at(0, 7, 1);
  b.expect_received(7, 1);
  GstHarness *h = b.out(7);
  GstClockTime end = 20 * GST_MSECOND;
  for (unsigned i = 0; i < 5; ++i) {
    GstClockID id = nullptr;
    gst_test_clock_wait_for_next_pending_id(b.clock(), &id);
    fail_unless_equals_uint64(gst_clock_id_get_time(id), end + 300 * GST_MSECOND);
    gst_clock_id_unref(id);
    fail_unless(gst_test_clock_crank(b.clock()));
    dv::Ref<GstEvent> event;
    do {
      event.reset(gst_harness_pull_event(h));
    } while (GST_EVENT_TYPE(event.get()) != GST_EVENT_GAP);
    GstClockTime at = 0, length = 0;
    gst_event_parse_gap(event.get(), &at, &length);
    fail_unless_equals_uint64(at, end);
    fail_unless_equals_uint64(length, 200 * GST_MSECOND);
    end = at + length;
  }
  // A frame of a time already told to be silent is placed after it, not thrown away.
  b.push_at(1350, 7, 2, 1920);
  b.expect_received(7, 2);
  b.take(7, 1);
  fail_unless(b.take(7, 1) >= "2@1020");
}
GST_END_TEST

TCase *time_case() {
  TCase *tc = tcase_create("time");
  tcase_add_test(tc, pause_of_the_speaker_is_kept_and_is_no_loss);
  tcase_add_test(tc, input_without_time_is_placed_by_its_rtp_time);
  tcase_add_test(tc, time_stamps_of_upstream_are_the_arrival);
  tcase_add_test(tc, a_buffer_list_is_judged_as_a_whole);
  tcase_add_test(tc, silence_is_told_at_a_steady_pace_when_asked_for);
  return tc;
}
