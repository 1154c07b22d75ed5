// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/glue/frame_meta.hpp"
#include "gst/glue/source_info.hpp"
#include "tests/elements/reorder/support.hpp"

using dvtest::Bench;

static GstEvent *info(std::uint32_t ssrc, const char *cname, const char *name, bool present = true,
                      std::uint32_t session = 0) {
  dv::SourceInfo i;
  i.session = session;
  i.ssrc = ssrc;
  i.cname = cname;
  i.name = name;
  i.present = present;
  return dv::source_info_event_new(i, ssrc);
}

GST_START_TEST(each_speaker_gets_a_pad_of_its_own) {
  Bench b("hold-first=false");
  for (int i = 0; i < 20; ++i) {
    for (std::uint32_t ssrc : {1u, 2u, 0xffffffffu}) b.push_at(20u * i, ssrc, i);
  }
  fail_unless_equals_int(b.pads(), 3);
  for (std::uint32_t ssrc : {1u, 2u, 0xffffffffu}) b.expect_received(ssrc, 20);
}
GST_END_TEST

GST_START_TEST(pad_begins_with_its_own_sticky_events) {
  Bench b("hold-first=false");
  b.push_event(info(5, "8675309", "Ann\xff <b>"));
  b.push_at(0, 5, 1);
  GstHarness *h = b.out(5);
  b.expect_received(5, 1);
  const GstEventType wanted[] = {GST_EVENT_STREAM_START, GST_EVENT_CAPS, GST_EVENT_SEGMENT,
                                 GST_EVENT_TAG};
  for (GstEventType type : wanted) {
    dv::Ref<GstEvent> event(gst_harness_pull_event(h));
    fail_unless_equals_int(GST_EVENT_TYPE(event.get()), type);
    if (type == GST_EVENT_STREAM_START) {
      const gchar *id = nullptr;
      guint group = 0;
      gst_event_parse_stream_start(event.get(), &id);
      fail_unless(g_str_has_suffix(id, "/8675309/ssrc-5"), "%s", id);
      fail_unless(gst_event_parse_group_id(event.get(), &group));
    } else if (type == GST_EVENT_CAPS) {
      GstCaps *caps = nullptr;
      guint ssrc = 0;
      gst_event_parse_caps(event.get(), &caps);
      fail_unless(gst_structure_get_uint(gst_caps_get_structure(caps, 0), "ssrc", &ssrc));
      fail_unless_equals_int(ssrc, 5);
    } else if (type == GST_EVENT_TAG) {
      GstTagList *tags = nullptr;
      gst_event_parse_tag(event.get(), &tags);
      dv::Ref<gchar> title([&] {
        gchar *t = nullptr;
        fail_unless(gst_tag_list_get_string(tags, GST_TAG_TITLE, &t));
        return t;
      }());
      fail_unless(g_str_has_prefix(title.get(), "Ann"));
    }
  }
  dv::Ref<GstPad> pad(gst_element_get_static_pad(b.element(), "src_5"));
  guint ssrc = 0;
  guint64 user = 0, in = 0;
  GstStructure *stats = nullptr;
  g_object_get(pad.get(), "ssrc", &ssrc, "user-id", &user, "stats", &stats, nullptr);
  fail_unless_equals_int(ssrc, 5);
  fail_unless_equals_uint64(user, 8675309);
  fail_unless(gst_structure_get_uint64(stats, "in", &in));
  fail_unless_equals_uint64(in, 1);
  gst_structure_free(stats);
}
GST_END_TEST

GST_START_TEST(raw_frames_lose_the_caps_feature_and_keep_the_meta) {
  Bench b("", dvtest::kRawCaps);
  for (unsigned i = 0; i < 10; ++i) {
    b.at(20 * i);
    b.push(dvtest::raw_frame(9, 65536 + i, 20 * i * GST_MSECOND,
                             i == 0 ? DV_FRAME_FLAG_AFTER_GAP : DV_FRAME_FLAG_NONE));
  }
  b.at(400);
  b.expect_received(9, 10);
  GstHarness *h = b.out(9);
  dv::Ref<GstPad> pad(gst_element_get_static_pad(b.element(), "src_9"));
  dv::Ref<GstCaps> caps(gst_pad_get_current_caps(pad.get()));
  dv::Ref<GstCaps> plain(
      gst_caps_from_string("audio/x-raw,format=S16LE,layout=interleaved,"
                           "rate=48000,channels=2"));
  fail_unless(gst_caps_is_equal(caps.get(), plain.get()));
  for (unsigned i = 0; i < 10; ++i) {
    dv::Ref<GstBuffer> buffer(gst_harness_pull(h));
    fail_unless_equals_uint64(GST_BUFFER_PTS(buffer.get()), 20 * i * GST_MSECOND);
    fail_unless_equals_uint64(GST_BUFFER_DURATION(buffer.get()), 20 * GST_MSECOND);
    fail_unless_equals_uint64(dv_buffer_get_rtp_frame_meta(buffer.get())->extended_seq, 65536 + i);
  }
}
GST_END_TEST

GST_START_TEST(loss_told_by_who_was_before_us_is_believed) {
  Bench b("hold-first=false", dvtest::kRawCaps);
  b.push(dvtest::raw_frame(9, 100, 0));
  // One made up, two given up.
  b.push(dvtest::raw_frame(9, 101, 80 * GST_MSECOND, DV_FRAME_FLAG_CONCEALED));
  b.push(dvtest::raw_frame(9, 104, 80 * GST_MSECOND, DV_FRAME_FLAG_AFTER_GAP));
  b.expect_received(9, 3);
  expect(b.take(9, 3), "!100@0 101@20 !104@80");
  fail_unless_equals_uint64(b.stat("lost"), 2);
  fail_unless_equals_uint64(b.stat("concealed"), 1);
}
GST_END_TEST

GST_START_TEST(decoded_frames_out_of_order_are_put_in_order) {
  Bench b("latency=100", dvtest::kRawCaps);
  unsigned time = 0;
  for (unsigned seq : {100u, 102u, 101u, 104u, 105u}) {
    b.at(time);
    b.push(dvtest::raw_frame(9, seq, time * GST_MSECOND));
    time += 20;
  }
  // Held by the rules, then a moment more: the delays of the first few are compared.
  gst_test_clock_wait_for_next_pending_id(b.clock(), nullptr);
  b.at(100);
  gst_test_clock_wait_for_next_pending_id(b.clock(), nullptr);
  b.at(400);
  b.expect_received(9, 5);
  expect(b.take(9, 5), "!100@0 101@20 102@40 !104@80 105@100");
  fail_unless_equals_uint64(b.stat("lost"), 1);
}
GST_END_TEST

GST_START_TEST(who_has_left_loses_the_pad_after_a_while) {
  Bench b("hold-first=false latency=100");
  b.push_event(info(5, "1", "a"));
  b.push_at(0, 5, 1);
  b.push_at(20, 5, 3);
  b.push_event(info(5, "1", "a", false));
  gst_test_clock_wait_for_next_pending_id(b.clock(), nullptr);
  b.at(120);
  b.expect_received(5, 2);
  gst_test_clock_wait_for_next_pending_id(b.clock(), nullptr);
  b.at(2019);
  fail_unless_equals_int(b.pads(), 1);
  b.at(2020);
  b.expect_gone(5);
  // The counters stay in the sum.
  dvtest::wait_for([&] { return b.stat("in") == 2; }, "the account");
  b.push_at(2040, 5, 4);
  b.expect_received(5, 1);
}
GST_END_TEST

GST_START_TEST(who_comes_back_keeps_the_pad) {
  Bench b("hold-first=false");
  b.push_at(0, 5, 1);
  b.push_event(info(5, "1", "a", false));
  b.push_event(info(5, "1", "a", true));
  b.at(5000);
  b.push_at(5020, 5, 2);
  b.expect_received(5, 2);
  fail_unless_equals_int(b.pads(), 1);
}
GST_END_TEST

static GstBuffer *frame_of(dv::UserId user, unsigned seq, GstClockTime arrival) {
  GstBuffer *buffer = dvtest::raw_frame(9, seq, arrival);
  dv_buffer_get_rtp_frame_meta(buffer)->user_id = user;
  return buffer;
}

// Frames of the first may still be under way when the news of the second comes.
GST_START_TEST(another_speaker_on_the_same_number_gets_another_pad) {
  Bench b("hold-first=false", dvtest::kRawCaps);
  b.push_event(info(9, "1", "a", true, 1));
  b.push(frame_of(1, 100, 0));
  b.expect_received(9, 1);
  GstHarness *before = b.out(9);
  b.push_event(info(9, "2", "b", true, 1));
  b.push(frame_of(1, 101, 20 * GST_MSECOND));
  b.push(frame_of(2, 5000, 40 * GST_MSECOND));
  b.push(frame_of(2, 5001, 60 * GST_MSECOND));
  b.at(400);
  dvtest::wait_for([&] { return gst_harness_buffers_received(before) == 2; },
                   "the first one's rest");
  dvtest::wait_for([&] { return b.stat("out") == 4; }, "the second one's frames");
  while (GstBuffer *buffer = gst_harness_try_pull(before)) {
    fail_unless_equals_uint64(dv_buffer_get_rtp_frame_meta(buffer)->user_id, 1);
    gst_buffer_unref(buffer);
  }
}
GST_END_TEST

GST_START_TEST(another_name_on_the_same_number_ends_the_pad) {
  Bench b("hold-first=false");
  b.push_event(info(5, "1", "a"));
  b.push_at(0, 5, 1);
  b.expect_received(5, 1);
  b.push_event(info(5, "2", "b"));
  b.expect_gone(5);
  b.push_at(20, 5, 2);
  b.expect_received(5, 1);
}
GST_END_TEST

GST_START_TEST(facts_take_as_many_slots_as_there_are_numbers_at_a_time) {
  dv::SourceInfoSlots slots;
  const auto tell = [&](std::uint32_t session, std::uint32_t ssrc, bool present) {
    dv::SourceInfo i;
    i.session = session;
    i.ssrc = ssrc;
    i.present = present;
    return slots.slot_of(i);
  };
  fail_unless_equals_int(tell(1, 7, true), 0);
  fail_unless_equals_int(tell(1, 8, true), 1);
  fail_unless_equals_int(tell(1, 7, true), 0);
  fail_unless_equals_int(tell(1, 7, false), 0);
  fail_unless_equals_int(tell(2, 7, true), 0);
  fail_unless_equals_int(tell(2, 9, true), 2);
  for (std::uint32_t ssrc = 10; ssrc < 10000; ++ssrc) {
    fail_unless_equals_int(tell(2, ssrc, true), 3);
    fail_unless_equals_int(tell(2, ssrc, false), 3);
  }
}
GST_END_TEST

GST_START_TEST(clear_ssrc_hands_on_what_is_held_and_ends_the_pad) {
  Bench b("latency=100");
  b.push_at(0, 5, 1);
  b.push_at(0, 6, 1);
  GstHarness *h = b.out(5);
  g_signal_emit_by_name(b.element(), "clear-ssrc", 5u);
  dvtest::wait_for([&] { return gst_harness_buffers_received(h) == 1; }, "the held frame");
  b.expect_gone(5);
  fail_unless_equals_int(b.pads(), 1);
}
GST_END_TEST

GST_START_TEST(latency_is_reported) {
  Bench b("latency=80 hold-first=false");
  gst_harness_set_upstream_latency(b.in(), 7 * GST_MSECOND);
  b.push_at(0, 5, 1);
  b.expect_received(5, 1);
  dv::Ref<GstPad> pad(gst_element_get_static_pad(b.element(), "src_5"));
  dv::Ref<GstQuery> query(gst_query_new_latency());
  fail_unless(gst_pad_query(pad.get(), query.get()));
  gboolean live = FALSE;
  GstClockTime least = 0;
  gst_query_parse_latency(query.get(), &live, &least, nullptr);
  fail_unless(live);
  fail_unless_equals_uint64(least, 87 * GST_MSECOND);
}
GST_END_TEST

GST_START_TEST(latency_for_the_order_is_told_once) {
  Bench b("latency=120", dvtest::kRawCaps);
  gst_harness_set_upstream_latency(b.in(), 125 * GST_MSECOND);
  b.push(dvtest::raw_frame(5, 1, 0));
  dv::Ref<GstPad> pad(gst_element_get_static_pad(b.element(), "src_5"));
  dv::Ref<GstQuery> query(gst_query_new_latency());
  fail_unless(gst_pad_query(pad.get(), query.get()));
  GstClockTime least = 0;
  gst_query_parse_latency(query.get(), nullptr, &least, nullptr);
  fail_unless_equals_uint64(least, 125 * GST_MSECOND);
}
GST_END_TEST

GST_START_TEST(many_made_up_speakers_come_and_go) {
  Bench b("hold-first=false");
  for (std::uint32_t ssrc = 1; ssrc <= 60; ++ssrc) b.push_at(0, ssrc, 1);
  fail_unless_equals_int(b.pads(), 60);
  for (std::uint32_t ssrc = 1; ssrc <= 60; ++ssrc) {
    g_signal_emit_by_name(b.element(), "clear-ssrc", ssrc);
  }
  dvtest::wait_for([&] { return b.pads() == 0; }, "all pads to go");
}
GST_END_TEST

GST_START_TEST(state_cycles_leave_nothing_behind) {
  dv::Ref<GstElement> element(gst_element_factory_make("rtpjitterreorder", nullptr));
  gst_object_ref_sink(element.get());
  dv::Ref<GstPad> sink(gst_element_get_static_pad(element.get(), "sink"));
  dv::Ref<GstCaps> caps(gst_caps_from_string(dvtest::kRtpCaps));
  for (int cycle = 0; cycle < 100; ++cycle) {
    fail_unless(gst_element_set_state(element.get(), GST_STATE_PLAYING) !=
                GST_STATE_CHANGE_FAILURE);
    fail_unless(gst_pad_send_event(sink.get(), gst_event_new_stream_start("s")));
    fail_unless(gst_pad_send_event(sink.get(), gst_event_new_caps(caps.get())));
    GstSegment segment;
    gst_segment_init(&segment, GST_FORMAT_TIME);
    fail_unless(gst_pad_send_event(sink.get(), gst_event_new_segment(&segment)));
    for (int i = 0; i < 4; ++i) {
      fail_unless_equals_int(gst_pad_chain(sink.get(), dvtest::rtp_packet(i % 2, i)), GST_FLOW_OK);
    }
    fail_unless_equals_int(element->numsrcpads, 2);
    gst_element_set_state(element.get(), cycle % 2 ? GST_STATE_NULL : GST_STATE_READY);
    fail_unless_equals_int(element->numsrcpads, 0);
  }
  gst_element_set_state(element.get(), GST_STATE_NULL);
}
GST_END_TEST

TCase *pads_case() {
  TCase *tc = tcase_create("pads");
  tcase_add_test(tc, each_speaker_gets_a_pad_of_its_own);
  tcase_add_test(tc, pad_begins_with_its_own_sticky_events);
  tcase_add_test(tc, raw_frames_lose_the_caps_feature_and_keep_the_meta);
  tcase_add_test(tc, loss_told_by_who_was_before_us_is_believed);
  tcase_add_test(tc, decoded_frames_out_of_order_are_put_in_order);
  tcase_add_test(tc, who_has_left_loses_the_pad_after_a_while);
  tcase_add_test(tc, who_comes_back_keeps_the_pad);
  tcase_add_test(tc, another_speaker_on_the_same_number_gets_another_pad);
  tcase_add_test(tc, another_name_on_the_same_number_ends_the_pad);
  tcase_add_test(tc, facts_take_as_many_slots_as_there_are_numbers_at_a_time);
  tcase_add_test(tc, clear_ssrc_hands_on_what_is_held_and_ends_the_pad);
  tcase_add_test(tc, latency_is_reported);
  tcase_add_test(tc, latency_for_the_order_is_told_once);
  tcase_add_test(tc, many_made_up_speakers_come_and_go);
  tcase_add_test(tc, state_cycles_leave_nothing_behind);
  return tc;
}
