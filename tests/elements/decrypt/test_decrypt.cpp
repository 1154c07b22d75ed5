// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/elements/decrypt/fixture.hpp"

using namespace dv;
using namespace dv::test;

namespace {

std::vector<std::int16_t> decoded(OpusSource &&source, int packets) {
  int error = 0;
  OpusDecoder *decoder = opus_decoder_create(48000, 2, &error);
  std::vector<std::int16_t> all;
  for (int i = 0; i < packets; ++i) {
    const Bytes packet = source.next();
    std::vector<std::int16_t> pcm(960 * 2);
    const int samples = opus_decode(decoder, packet.data(), static_cast<opus_int32>(packet.size()),
                                    pcm.data(), 960, 0);
    fail_unless_equals_int(samples, 960);
    all.insert(all.end(), pcm.begin(), pcm.end());
  }
  opus_decoder_destroy(decoder);
  return all;
}

// Every test runs in this process and with workers.
std::string mode(int i, const std::string &more = "") {
  return (i == 0 ? "max-workers=0 " : "max-workers=2 idle-timeout=0 ") + more;
}

}  // namespace

GST_START_TEST(pcm_of_each_speaker_is_that_of_libopus) {
  Bench bench(mode(__i__));
  bench.publish_session();
  bench.add_speaker(11);
  bench.add_speaker(12);
  for (int i = 0; i < 50; ++i) bench.round();
  bench.eos_and_wait();
  auto outputs = by_ssrc(bench.pull_all());
  fail_unless_equals_int(outputs.size(), 2);
  for (auto &[ssrc, frames] : outputs) {
    fail_unless_equals_int(frames.size(), 50);
    const auto expected = decoded(OpusSource({.seed = ssrc}), 50);
    Bytes all;
    guint64 seq = frames[0].meta.extended_seq;
    for (const auto &f : frames) {
      fail_unless_equals_uint64(f.meta.extended_seq, seq++);
      fail_unless_equals_uint64(f.meta.user_id, 1000 + ssrc);
      fail_unless_equals_int(f.meta.samples, 960);
      fail_unless_equals_int(f.meta.session, bench.session.id());
      all.insert(all.end(), f.data.begin(), f.data.end());
    }
    fail_unless_equals_int(all.size(), expected.size() * 2);
    fail_unless(std::memcmp(all.data(), expected.data(), all.size()) == 0);
  }
  fail_unless_equals_uint64(bench.count("received"), 100);
  fail_unless_equals_uint64(bench.count("delivered"), 100);
  bench.check_closed();
}
GST_END_TEST;

GST_START_TEST(caps_carry_the_feature_and_follow_downstream) {
  const char *caps =
      "audio/x-raw(meta:RtpFrame), format=F32LE, rate=16000, channels=1, layout=interleaved";
  Bench bench(mode(__i__), false, caps);
  bench.publish_session();
  bench.add_speaker(1);
  bench.round();
  bench.eos_and_wait();
  auto frames = bench.pull_all();
  fail_unless_equals_int(frames.size(), 1);
  fail_unless_equals_int(frames[0].data.size(), 320 * 4);
}
GST_END_TEST;

GST_START_TEST(without_decode_rtp_packets_leave_in_order_of_arrival) {
  Bench bench(mode(__i__, "decode=false"));
  bench.publish_session();
  auto &speaker = bench.add_speaker(5);
  const Bytes a = speaker.next(), b = speaker.next();
  bench.push(b);
  bench.push(a);
  bench.eos_and_wait();
  Ref<GstCaps> caps(gst_pad_get_current_caps(bench.harness->sinkpad));
  const GstStructure *s = gst_caps_get_structure(caps.get(), 0);
  fail_unless(gst_structure_has_name(s, "application/x-rtp"));
  fail_unless_equals_string(gst_structure_get_string(s, "encoding-name"), "OPUS");
  auto frames = bench.pull_all();
  fail_unless_equals_int(frames.size(), 2);
  fail_unless_equals_int(frames[0].data[0], 0x80);
  fail_unless_equals_int(frames[0].meta.extended_seq, frames[1].meta.extended_seq + 1);
}
GST_END_TEST;

GST_START_TEST(keys_that_come_late_open_what_waited_without_another_packet) {
  Bench bench(mode(__i__), true);
  auto &speaker = bench.add_speaker(7, false);
  for (int i = 0; i < 5; ++i) bench.push(speaker.next());
  fail_unless_equals_int(bench.pull_all().size(), 0);
  bench.publish_session();
  bench.store->publish(speaker.stream.binding());
  std::vector<Output> frames;
  fail_unless(eventually([&] {
    for (auto &f : bench.pull_all()) frames.push_back(std::move(f));
    return frames.size() == 5;
  }));
}
GST_END_TEST;

GST_START_TEST(a_live_hole_runs_out_without_another_packet) {
  Bench bench(mode(__i__, "latency=20"), true);
  bench.publish_session();
  auto &speaker = bench.add_speaker(7);
  bench.push(speaker.next());
  speaker.next();
  bench.push(speaker.next());
  std::vector<Output> frames;
  fail_unless(eventually([&] {
    for (auto &f : bench.pull_all()) frames.push_back(std::move(f));
    return frames.size() == 3;
  }));
  fail_unless((frames[1].meta.flags & DV_FRAME_FLAG_CONCEALED) != 0);
  fail_unless_equals_uint64(bench.count("lost"), 1);
}
GST_END_TEST;

GST_START_TEST(damage_is_counted_by_reason_and_costs_itself_only) {
  Bench bench(mode(__i__));
  bench.publish_session();
  auto &speaker = bench.add_speaker(9);
  bench.round();
  Bytes forged = speaker.next();
  speaker.stream.set_seq(static_cast<std::uint16_t>(speaker.stream.seq() - 1));
  forged[forged.size() - 10] ^= 1;
  bench.push(forged);
  bench.push(Bytes(5, 0x80));
  bench.push(Bytes{});
  bench.round();
  bench.eos_and_wait();
  fail_unless_equals_uint64(bench.count("received"), 5);
  fail_unless_equals_uint64(bench.count("delivered"), 2);
  fail_unless_equals_uint64(bench.count("drop-transport-auth"), 1);
  fail_unless_equals_uint64(bench.count("drop-malformed"), 2);
  bench.check_closed();
}
GST_END_TEST;

GST_START_TEST(flush_drops_what_waits_and_the_stream_goes_on) {
  Bench bench(mode(__i__));
  bench.publish_session();
  auto &speaker = bench.add_speaker(9);
  bench.round();
  speaker.next();
  bench.round();  // waits behind the hole
  const guint64 pending = bench.count("pending");
  fail_unless(pending >= 1);
  gst_harness_push_event(bench.harness, gst_event_new_flush_start());
  gst_harness_push_event(bench.harness, gst_event_new_flush_stop(TRUE));
  fail_unless_equals_uint64(bench.count("drop-flushed"), pending);
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  gst_harness_push_event(bench.harness, gst_event_new_segment(&segment));
  bench.pull_all();
  bench.round();
  bench.eos_and_wait();
  fail_unless_equals_int(bench.pull_all().size(), 1);
  bench.check_closed();
}
GST_END_TEST;

GST_START_TEST(who_is_who_passes_and_keys_do_not) {
  Bench bench(mode(__i__));
  bench.publish_session();
  auto &speaker = bench.add_speaker(9);
  bench.round();
  SourceInfo info;
  info.session = bench.session.id();
  info.ssrc = 9;
  info.cname = "1009";
  gst_harness_push_event(bench.harness, source_info_event_new(info, 0));
  speaker.next();
  bench.round();
  info.present = false;
  gst_harness_push_event(bench.harness, source_info_event_new(info, 0));
  // What waited behind the hole left before the news that the speaker has.
  int infos = 0;
  fail_unless(eventually([&] {
    while (GstEvent *e = gst_harness_try_pull_event(bench.harness)) {
      fail_unless(key_store_from_event(e) == nullptr);
      infos += source_info_from_event(e).has_value();
      gst_event_unref(e);
    }
    return infos == 2;
  }));
  fail_unless_equals_int(bench.pull_all().size(), 3);
}
GST_END_TEST;

GST_START_TEST(rtcp_leaves_whole_on_its_own_pad) {
  Bench bench(mode(__i__));
  bench.publish_session();
  GstHarness *rtcp = gst_harness_new_with_element(bench.element.get(), nullptr, "rtcp_src");
  const Bytes report{0x80, 200, 0, 6, 0, 0, 0, 9, 1, 2, 3, 4, 5, 6,
                     7,    8,   0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3};
  bench.push(bench.session.seal_rtcp(report));
  Ref<GstBuffer> buffer(gst_harness_pull(rtcp));
  fail_unless_equals_int(gst_buffer_memcmp(buffer.get(), 0, report.data(), report.size()), 0);
  fail_unless_equals_int(gst_buffer_get_size(buffer.get()), report.size());
  fail_unless(eventually([&] { return bench.count("delivered") == 1; }));
  gst_harness_teardown(rtcp);
}
GST_END_TEST;

GST_START_TEST(refused_users_are_not_opened_and_the_account_closes) {
  // Speakers 11, 12, 13 are users 1011, 1012, 1013.
  static const char *const lists[] = {"allow-users=1012", "deny-users=\"1011, 1013\"",
                                      "allow-users=1012,1013 deny-users=1013"};
  for (const char *list : lists) {
    Bench bench(mode(__i__, list));
    // The first packets come before it is known whose they are.
    for (Ssrc ssrc : {11, 12, 13}) bench.add_speaker(ssrc, false);
    for (int i = 0; i < 5; ++i) bench.round();
    bench.publish_session();
    for (auto &speaker : bench.speakers) bench.store->publish(speaker->stream.binding());
    for (int i = 0; i < 20; ++i) bench.round();
    bench.eos_and_wait();
    const auto frames = bench.pull_all();
    fail_unless_equals_int(frames.size(), 25);
    for (const auto &frame : frames) fail_unless_equals_uint64(frame.meta.user_id, 1012);
    fail_unless_equals_uint64(bench.count("delivered"), 25);
    fail_unless_equals_uint64(bench.count("drop-filtered"), 50);
    bench.check_closed();
  }
}
GST_END_TEST;

GST_START_TEST(a_number_that_goes_to_a_refused_user_is_silent_from_then_on) {
  Bench bench(mode(__i__, "deny-users=77"));
  bench.publish_session();
  auto &speaker = bench.add_speaker(11);
  for (int i = 0; i < 5; ++i) bench.round();
  SsrcUpdate other;
  other.session = bench.session.id();
  other.ssrc = 11;
  other.user = 77;
  bench.store->publish(other);
  for (int i = 0; i < 5; ++i) bench.round();
  bench.store->publish(speaker.stream.binding());
  for (int i = 0; i < 5; ++i) bench.round();
  bench.eos_and_wait();
  // 0: what a worker has answered when the number was nobody's any more.
  for (const auto &frame : bench.pull_all()) {
    fail_unless(frame.meta.user_id == 1011 || frame.meta.user_id == 0);
  }
  // One that comes together with the binding may still go either way.
  fail_unless(bench.count("drop-filtered") >= 4);
  fail_unless(bench.count("delivered") >= 9);
  bench.check_closed();
}
GST_END_TEST;

GST_START_TEST(lists_that_are_no_user_ids_are_an_error) {
  static const char *const wrong[] = {"allow-users=Ann", "deny-users=1,", "deny-users=0",
                                      "allow-users=18446744073709551616"};
  for (const char *list : wrong) {
    Ref<GstElement> element(gst_parse_launch(("discorddecrypt " + mode(0, list)).c_str(), nullptr));
    Ref<GstBus> bus(gst_bus_new());
    gst_element_set_bus(element.get(), bus.get());
    fail_unless_equals_int(gst_element_set_state(element.get(), GST_STATE_PAUSED),
                           GST_STATE_CHANGE_FAILURE);
    Ref<GstMessage> message(gst_bus_pop_filtered(bus.get(), GST_MESSAGE_ERROR));
    fail_unless(message != nullptr);
    gst_element_set_state(element.get(), GST_STATE_NULL);
    gst_element_set_bus(element.get(), nullptr);
  }
}
GST_END_TEST;

GST_START_TEST(latency_is_added_when_live) {
  Bench bench(mode(__i__, "latency=80"), true);
  gst_harness_set_upstream_latency(bench.harness, 10 * GST_MSECOND);
  fail_unless(gst_harness_query_latency(bench.harness) >= 90 * GST_MSECOND);
}
GST_END_TEST;

GST_START_TEST(buffer_lists_are_one_batch) {
  Bench bench(mode(__i__));
  bench.publish_session();
  auto &speaker = bench.add_speaker(3);
  GstBufferList *list = gst_buffer_list_new();
  for (int i = 0; i < 10; ++i) gst_buffer_list_add(list, bench.wrap(speaker.next()));
  fail_unless_equals_int(gst_pad_push_list(bench.harness->srcpad, list), GST_FLOW_OK);
  bench.eos_and_wait();
  fail_unless_equals_int(bench.pull_all().size(), 10);
}
GST_END_TEST;

static Suite *decrypt_suite() {
  GST_ELEMENT_REGISTER(discorddecrypt, nullptr);
  Suite *s = suite_create("discorddecrypt");
  TCase *tc = tcase_create("both modes");
  suite_add_tcase(s, tc);
  tcase_add_loop_test(tc, pcm_of_each_speaker_is_that_of_libopus, 0, 2);
  tcase_add_loop_test(tc, caps_carry_the_feature_and_follow_downstream, 0, 2);
  tcase_add_loop_test(tc, without_decode_rtp_packets_leave_in_order_of_arrival, 0, 2);
  tcase_add_loop_test(tc, keys_that_come_late_open_what_waited_without_another_packet, 0, 2);
  tcase_add_loop_test(tc, a_live_hole_runs_out_without_another_packet, 0, 2);
  tcase_add_loop_test(tc, damage_is_counted_by_reason_and_costs_itself_only, 0, 2);
  tcase_add_loop_test(tc, flush_drops_what_waits_and_the_stream_goes_on, 0, 2);
  tcase_add_loop_test(tc, who_is_who_passes_and_keys_do_not, 0, 2);
  tcase_add_loop_test(tc, rtcp_leaves_whole_on_its_own_pad, 0, 2);
  tcase_add_loop_test(tc, latency_is_added_when_live, 0, 2);
  tcase_add_loop_test(tc, buffer_lists_are_one_batch, 0, 2);
  tcase_add_loop_test(tc, refused_users_are_not_opened_and_the_account_closes, 0, 2);
  tcase_add_loop_test(tc, a_number_that_goes_to_a_refused_user_is_silent_from_then_on, 0, 2);
  tcase_add_test(tc, lists_that_are_no_user_ids_are_an_error);
  return s;
}
GST_CHECK_MAIN(decrypt);
