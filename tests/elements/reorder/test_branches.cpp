// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/elements/reorder/support.hpp"

using dvtest::Bench;

// One branch does not take what it is given; what do the others, the source and a shutdown see?

namespace {

class BlockedPad {
 public:
  BlockedPad(Bench &bench, const char *name)
      : pad_(gst_element_get_static_pad(bench.element(), name)),
        id_(gst_pad_add_probe(
            pad_.get(),
            static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BLOCK | GST_PAD_PROBE_TYPE_BUFFER),
            [](GstPad *, GstPadProbeInfo *, gpointer) { return GST_PAD_PROBE_OK; }, nullptr,
            nullptr)) {}
  void open() { gst_pad_remove_probe(pad_.get(), id_); }

 private:
  dv::Ref<GstPad> pad_;
  gulong id_;
};

}  // namespace

GST_START_TEST(slow_branch_of_a_live_source_loses_its_oldest_and_holds_up_nobody) {
  Bench b("hold-first=false max-size-buffers=50");
  b.push_at(0, 5, 0);
  b.push_at(0, 6, 0);
  b.expect_received(5, 1);
  BlockedPad blocked(b, "src_5");
  for (int i = 1; i <= 300; ++i) {
    b.push_at(20u * i, 5, i);
    b.push_at(20u * i, 6, i);
    b.expect_received(6, 1 + static_cast<unsigned>(i));
  }
  // One may be on its way through the blocked pad.
  const guint64 overflow = b.stat("overflow");
  fail_unless(overflow == 250 || overflow == 249, "overflow %" G_GUINT64_FORMAT, overflow);
  blocked.open();
  b.expect_received(5, 301 - static_cast<unsigned>(overflow));
  fail_unless_equals_uint64(b.stat("out"), 602);
  dvtest::wait_for([&] { return b.stat("pushed") + b.stat("overflow") == 602; }, "the account");
}
GST_END_TEST

GST_START_TEST(slow_branch_of_other_input_makes_it_wait_and_loses_nothing) {
  Bench b("hold-first=false max-size-buffers=10", dvtest::kRtpCaps, false);
  b.push(dvtest::rtp_packet(5, 0));
  b.expect_received(5, 1);
  BlockedPad blocked(b, "src_5");
  std::atomic<int> done{0};
  std::thread source([&] {
    for (int i = 1; i <= 200; ++i) {
      b.push(dvtest::rtp_packet(5, i));
      ++done;
    }
  });
  dvtest::wait_for([&] { return done >= 9; }, "the queue to fill");
  blocked.open();
  source.join();
  b.expect_received(5, 201);
  fail_unless_equals_uint64(b.stat("overflow"), 0);
}
GST_END_TEST

GST_START_TEST(shutdown_wakes_a_source_that_waits_for_a_slow_branch) {
  Bench b("hold-first=false max-size-buffers=10", dvtest::kRtpCaps, false);
  b.push(dvtest::rtp_packet(5, 0));
  b.expect_received(5, 1);
  BlockedPad blocked(b, "src_5");
  std::atomic<int> done{0};
  std::thread source([&] {
    int i = 1;
    while (b.push(dvtest::rtp_packet(5, i++)) == GST_FLOW_OK) ++done;
  });
  dvtest::wait_for([&] { return done >= 9; }, "the queue to fill");
  gst_element_set_state(b.element(), GST_STATE_NULL);
  source.join();
}
GST_END_TEST

GST_START_TEST(flush_wakes_a_source_that_waits_for_a_slow_branch) {
  Bench b("hold-first=false max-size-buffers=10", dvtest::kRtpCaps, false);
  b.push(dvtest::rtp_packet(5, 0));
  b.expect_received(5, 1);
  BlockedPad blocked(b, "src_5");
  std::atomic<int> done{0};
  std::thread source([&] {
    int i = 1;
    while (b.push(dvtest::rtp_packet(5, i++)) == GST_FLOW_OK) ++done;
  });
  dvtest::wait_for([&] { return done >= 9; }, "the queue to fill");
  b.push_event(gst_event_new_flush_start());
  source.join();
  blocked.open();
  b.push_event(gst_event_new_flush_stop(TRUE));
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  b.push_event(gst_event_new_segment(&segment));
  b.push(dvtest::rtp_packet(5, 1000));
  GstHarness *h = b.out(5);
  dvtest::wait_for(
      [&] {
        std::string last;
        while (gst_harness_buffers_in_queue(h) > 0) last = b.take(5, 1);
        return last.starts_with("!1000");
      },
      "data after the flush");
}
GST_END_TEST

GST_START_TEST(failing_branch_fails_alone) {
  Bench b("hold-first=false");
  b.push_at(0, 5, 0);
  b.push_at(0, 6, 0);
  b.expect_received(5, 1);
  b.expect_received(6, 1);
  dv::Ref<GstPad> pad(gst_element_get_static_pad(b.element(), "src_5"));
  dv::Ref<GstPad> peer(gst_pad_get_peer(pad.get()));
  gst_pad_set_chain_function(peer.get(), [](GstPad *, GstObject *, GstBuffer *buffer) {
    gst_buffer_unref(buffer);
    return GST_FLOW_ERROR;
  });
  for (int i = 1; i <= 20; ++i) {
    fail_unless_equals_int(b.push_at(20u * i, 5, i), GST_FLOW_OK);
    fail_unless_equals_int(b.push_at(20u * i, 6, i), GST_FLOW_OK);
  }
  b.expect_received(6, 21);
  dvtest::wait_for([&] { return b.stat("unlinked") == 20; }, "the failing branch to drain");
}
GST_END_TEST

GST_START_TEST(when_all_branches_fail_the_source_is_told) {
  Bench b("hold-first=false");
  b.push_at(0, 5, 0);
  b.expect_received(5, 1);
  dv::Ref<GstPad> pad(gst_element_get_static_pad(b.element(), "src_5"));
  dv::Ref<GstPad> peer(gst_pad_get_peer(pad.get()));
  gst_pad_set_chain_function(peer.get(), [](GstPad *, GstObject *, GstBuffer *buffer) {
    gst_buffer_unref(buffer);
    return GST_FLOW_ERROR;
  });
  b.push_at(20, 5, 1);
  dvtest::wait_for([&] { return b.stat("unlinked") == 1; }, "the failure");
  dvtest::wait_for([&] { return b.push_at(40, 5, 2) == GST_FLOW_ERROR; }, "the error upstream");
}
GST_END_TEST

TCase *branches_case() {
  TCase *tc = tcase_create("branches");
  tcase_add_test(tc, slow_branch_of_a_live_source_loses_its_oldest_and_holds_up_nobody);
  tcase_add_test(tc, slow_branch_of_other_input_makes_it_wait_and_loses_nothing);
  tcase_add_test(tc, shutdown_wakes_a_source_that_waits_for_a_slow_branch);
  tcase_add_test(tc, flush_wakes_a_source_that_waits_for_a_slow_branch);
  tcase_add_test(tc, failing_branch_fails_alone);
  tcase_add_test(tc, when_all_branches_fail_the_source_is_told);
  return tc;
}
