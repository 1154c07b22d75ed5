// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>
#include <gst/check/gsttestclock.h>

#include <thread>

#include "ext/voice/gstvoiceintake.hpp"
#include "gst/glue/frame_meta.hpp"

namespace dv::voice {
namespace {

/** An element with a clock that stands at `running` after base time. */
struct Playing {
  explicit Playing(GstClockTime running) {
    static const bool ready = gst_init_check(nullptr, nullptr, nullptr);
    REQUIRE(ready);
    element = gst_bin_new(nullptr);
    gst_object_ref_sink(element);
    clock = gst_test_clock_new_with_start_time(base + running);
    gst_element_set_clock(element, clock);
    gst_element_set_base_time(element, base);
  }
  ~Playing() {
    gst_object_unref(element);
    gst_object_unref(clock);
  }
  static constexpr GstClockTime base = 1000 * GST_SECOND;
  GstElement *element;
  GstClock *clock;
};

Bytes rtp(std::uint8_t number, std::size_t size = 40) {
  Bytes packet(size, number);
  packet[0] = 0x80;
  return packet;
}

void push(Intake &intake, const std::vector<Bytes> &packets, Time age = Time{0}) {
  std::vector<Datagram> datagrams;
  for (const Bytes &packet : packets) datagrams.push_back({packet, age, false});
  intake.push_media(7, datagrams);
}

bool closes(const IntakeStats &s) {
  return s.received == s.delivered + s.queued + s.drop_paused + s.drop_not_playing +
                           s.drop_overflow + s.drop_malformed + s.drop_flushed;
}

std::uint8_t number_of(GstBuffer *buffer) {
  std::uint8_t number = 0;
  gst_buffer_extract(buffer, 20, &number, 1);
  return number;
}

}  // namespace

TEST_CASE("a datagram carries its session and the running time at which the kernel got it") {
  Playing playing(5 * GST_SECOND);
  Intake intake(playing.element);
  intake.set_playing(true);
  push(intake, {rtp(1)}, 30ms);
  Intake::Taken taken = intake.pop();
  REQUIRE(taken.buffers);
  GstBuffer *buffer = gst_buffer_list_get(taken.buffers.get(), 0);
  CHECK(GST_BUFFER_PTS(buffer) == 5 * GST_SECOND - 30 * GST_MSECOND);
  CHECK(GST_BUFFER_DTS(buffer) == GST_BUFFER_PTS(buffer));
  CHECK(gst_buffer_get_size(buffer) == 40);
  CHECK(dv_buffer_get_session_meta(buffer)->session == 7);
  CHECK(GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DISCONT));
}

TEST_CASE("a datagram from before the start of the running time is at its start") {
  Playing playing(GST_MSECOND);
  Intake intake(playing.element);
  intake.set_playing(true);
  push(intake, {rtp(1)}, 30ms);
  CHECK(GST_BUFFER_PTS(gst_buffer_list_get(intake.pop().buffers.get(), 0)) == 0);
}

TEST_CASE("what is queued comes in one list, in order, and only the first is a discontinuity") {
  Playing playing(GST_SECOND);
  Intake intake(playing.element);
  intake.set_playing(true);
  push(intake, {rtp(1), rtp(2)});
  push(intake, {rtp(3)});
  Intake::Taken taken = intake.pop();
  REQUIRE(gst_buffer_list_length(taken.buffers.get()) == 3);
  for (guint i = 0; i < 3; ++i) {
    GstBuffer *buffer = gst_buffer_list_get(taken.buffers.get(), i);
    CHECK(number_of(buffer) == i + 1);
    CHECK(GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DISCONT) == (i == 0));
  }
  intake.mark_discont();
  push(intake, {rtp(4)});
  CHECK(GST_BUFFER_FLAG_IS_SET(gst_buffer_list_get(intake.pop().buffers.get(), 0),
                               GST_BUFFER_FLAG_DISCONT));
}

TEST_CASE("events keep their place between the datagrams") {
  Playing playing(GST_SECOND);
  Intake intake(playing.element);
  intake.set_playing(true);
  push(intake, {rtp(1)});
  intake.push_event(Ref<GstEvent>(gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM_STICKY,
                                                       gst_structure_new_empty("between"))));
  push(intake, {rtp(2)});
  CHECK(number_of(gst_buffer_list_get(intake.pop().buffers.get(), 0)) == 1);
  CHECK(gst_event_has_name(intake.pop().event.get(), "between"));
  CHECK(number_of(gst_buffer_list_get(intake.pop().buffers.get(), 0)) == 2);
}

TEST_CASE("every datagram has exactly one fate") {
  Playing playing(GST_SECOND);
  Intake intake(playing.element);
  push(intake, {rtp(1), rtp(2)});  // not playing yet
  intake.set_playing(true);
  push(intake, {rtp(3), Bytes(5, 0x80), Bytes(40, 0x20)});  // too short; no RTP
  const Bytes cut = rtp(4);
  const Datagram truncated{cut, Time{0}, true};
  intake.push_media(7, {&truncated, 1});
  intake.set_paused(true);
  push(intake, {rtp(5)});
  intake.set_paused(false);
  intake.pop();
  push(intake, {rtp(6)});
  IntakeStats stats = intake.stats();
  CHECK(closes(stats));
  CHECK(stats.received == 8);
  CHECK(stats.drop_not_playing == 2);
  CHECK(stats.drop_malformed == 3);
  CHECK(stats.drop_paused == 1);
  CHECK(stats.delivered == 1);
  CHECK(stats.queued == 1);
  intake.clear();
  stats = intake.stats();
  CHECK(closes(stats));
  CHECK(stats.drop_flushed == 1);
}

TEST_CASE("what downstream does not take in time is dropped, the oldest first, events never") {
  Playing playing(GST_SECOND);
  Intake intake(playing.element);
  intake.set_playing(true);
  intake.push_event(Ref<GstEvent>(
      gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM_STICKY, gst_structure_new_empty("first"))));
  push(intake, {rtp(1)});
  for (int i = 0; i < 1024; ++i) push(intake, std::vector<Bytes>(16, rtp(2)));
  IntakeStats stats = intake.stats();
  CHECK(closes(stats));
  CHECK(stats.queued == 16384);
  CHECK(stats.drop_overflow == 1);
  CHECK(gst_event_has_name(intake.pop().event.get(), "first"));
  CHECK(number_of(gst_buffer_list_get(intake.pop().buffers.get(), 0)) == 2);
}

TEST_CASE("what was queued before the end is still delivered") {
  Playing playing(GST_SECOND);
  Intake intake(playing.element);
  intake.set_playing(true);
  push(intake, {rtp(1)});
  intake.finish(GST_FLOW_EOS);
  intake.finish(GST_FLOW_ERROR);
  push(intake, {rtp(2)});
  CHECK(intake.pop().buffers);
  CHECK(intake.pop().flow == GST_FLOW_EOS);
  CHECK(closes(intake.stats()));
}

TEST_CASE("flushing wakes who waits, and what is queued stays for afterwards") {
  Playing playing(GST_SECOND);
  Intake intake(playing.element);
  intake.set_playing(true);
  GstFlowReturn flow = GST_FLOW_OK;
  std::thread waiting([&] { flow = intake.pop().flow; });
  intake.set_flushing(true);
  waiting.join();
  CHECK(flow == GST_FLOW_FLUSHING);
  push(intake, {rtp(1)});
  CHECK(intake.pop().flow == GST_FLOW_FLUSHING);
  intake.set_flushing(false);
  CHECK(intake.pop().buffers);
}

TEST_CASE("without a clock there is no running time and nothing flows") {
  Playing playing(GST_SECOND);
  gst_element_set_clock(playing.element, nullptr);
  Intake intake(playing.element);
  intake.set_playing(true);
  push(intake, {rtp(1)});
  CHECK(intake.stats().drop_not_playing == 1);
}

}  // namespace dv::voice
