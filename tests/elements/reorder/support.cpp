// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/elements/reorder/support.hpp"

#include <gst/rtp/gstrtpbuffer.h>

#include "gst/glue/frame_meta.hpp"

namespace dvtest {

GstBuffer *rtp_packet(std::uint32_t ssrc, int seq, std::int64_t rtp_time) {
  GstBuffer *buffer = gst_rtp_buffer_new_allocate(40, 0, 0);
  GstRTPBuffer rtp = GST_RTP_BUFFER_INIT;
  fail_unless(gst_rtp_buffer_map(buffer, GST_MAP_WRITE, &rtp));
  gst_rtp_buffer_set_ssrc(&rtp, ssrc);
  gst_rtp_buffer_set_seq(&rtp, static_cast<guint16>(seq));
  gst_rtp_buffer_set_timestamp(
      &rtp, static_cast<guint32>(rtp_time < 0 ? static_cast<std::int64_t>(seq) * 960 : rtp_time));
  gst_rtp_buffer_set_payload_type(&rtp, 111);
  auto payload = static_cast<guint8 *>(gst_rtp_buffer_get_payload(&rtp));
  for (int i = 0; i < 40; ++i) payload[i] = 0x55;
  payload[0] = 0xfc;  // CELT, 20 ms, stereo, one frame
  gst_rtp_buffer_unmap(&rtp);
  return buffer;
}

GstBuffer *raw_frame(std::uint32_t ssrc, std::uint64_t seq, GstClockTime arrival,
                     std::uint32_t flags, std::uint32_t session) {
  GstBuffer *buffer = gst_buffer_new_allocate(nullptr, 3840, nullptr);
  gst_buffer_memset(buffer, 0, static_cast<guint8>(seq), 3840);
  DvRtpFrameMeta *meta = dv_buffer_add_rtp_frame_meta(buffer);
  meta->ssrc = ssrc;
  meta->session = session;
  meta->user_id = ssrc * guint64{1000};
  meta->extended_seq = seq;
  meta->rtp_time = static_cast<guint32>(seq * 960);
  meta->samples = 960;
  meta->arrival = arrival;
  meta->flags = flags;
  return buffer;
}

namespace {
bool pad_threads = true;
}

void without_pad_threads() { pad_threads = false; }

Bench::Bench(const char *properties, const char *caps, bool live) {
  const std::string launch = std::string("rtpjitterreorder pad-threads=") +
                             (pad_threads ? "true " : "false ") + properties;
  GError *error = nullptr;
  GstElement *element = gst_parse_launch(launch.c_str(), &error);
  fail_unless(element != nullptr && error == nullptr);
  in_ = gst_harness_new_with_element(element, "sink", nullptr);
  gst_object_unref(element);
  g_signal_connect(in_->element, "pad-added", G_CALLBACK(on_pad_added), this);
  g_signal_connect(in_->element, "pad-removed", G_CALLBACK(on_pad_removed), this);
  gst_harness_set_live(in_, live);
  gst_harness_use_testclock(in_);
  clock_ = gst_harness_get_testclock(in_);
  gst_harness_play(in_);
  gst_harness_set_src_caps_str(in_, caps);
}

Bench::~Bench() {
  // A pad that has ended is removed by a thread of its own, maybe only after this.
  g_signal_handlers_disconnect_by_data(in_->element, this);
  gst_element_set_state(in_->element, GST_STATE_NULL);
  for (GstHarness *h : all_) gst_harness_teardown(h);
  gst_object_unref(clock_);
  gst_harness_teardown(in_);
}

void Bench::on_pad_added(GstElement *, GstPad *pad, gpointer data) {
  auto self = static_cast<Bench *>(data);
  GstHarness *h = gst_harness_new_with_element(self->in_->element, nullptr, nullptr);
  gst_harness_add_element_src_pad(h, pad);
  std::lock_guard lock(self->mutex_);
  self->outs_[GST_PAD_NAME(pad)] = h;
  self->all_.push_back(h);
}

void Bench::on_pad_removed(GstElement *, GstPad *pad, gpointer data) {
  auto self = static_cast<Bench *>(data);
  std::lock_guard lock(self->mutex_);
  self->outs_.erase(GST_PAD_NAME(pad));
}

void Bench::at(unsigned ms) {
  const GstClockTime target = ms * GST_MSECOND;
  for (;;) {
    GstClockID id = nullptr;
    const bool due =
        gst_test_clock_peek_next_pending_id(clock_, &id) && gst_clock_id_get_time(id) <= target;
    if (id) gst_clock_id_unref(id);
    if (!due) break;
    gst_test_clock_crank(clock_);
  }
  gst_test_clock_set_time(clock_, target);
}

GstFlowReturn Bench::push_at(unsigned ms, std::uint32_t ssrc, int seq, std::int64_t rtp_time) {
  at(ms);
  return push(rtp_packet(ssrc, seq, rtp_time));
}

std::size_t Bench::pads() {
  std::lock_guard lock(mutex_);
  return outs_.size();
}

GstHarness *Bench::out(std::uint32_t ssrc) {
  GstHarness *found = nullptr;
  wait_for(
      [&] {
        std::lock_guard lock(mutex_);
        auto it = outs_.find("src_" + std::to_string(ssrc));
        if (it != outs_.end()) found = it->second;
        return found != nullptr;
      },
      "a pad");
  return found;
}

std::string Bench::describe(GstHarness *h) {
  dv::Ref<GstBuffer> buffer(gst_harness_pull(h));
  fail_unless(buffer != nullptr);
  unsigned seq = 0;
  GstRTPBuffer rtp = GST_RTP_BUFFER_INIT;
  if (auto meta = dv_buffer_get_rtp_frame_meta(buffer.get())) {
    seq = static_cast<unsigned>(meta->extended_seq & 0xffff);
  } else {
    fail_unless(gst_rtp_buffer_map(buffer.get(), GST_MAP_READ, &rtp));
    seq = gst_rtp_buffer_get_seq(&rtp);
    gst_rtp_buffer_unmap(&rtp);
  }
  std::string text;
  if (GST_BUFFER_FLAG_IS_SET(buffer.get(), GST_BUFFER_FLAG_DISCONT)) text += "!";
  return text + std::to_string(seq) + "@" +
         std::to_string(GST_BUFFER_PTS(buffer.get()) / GST_MSECOND);
}

std::string Bench::take(std::uint32_t ssrc, unsigned count) {
  GstHarness *h = out(ssrc);
  std::string text;
  for (unsigned i = 0; i < count; ++i) text += (i ? " " : "") + describe(h);
  return text;
}

void Bench::expect_received(std::uint32_t ssrc, unsigned count) {
  GstHarness *h = out(ssrc);
  wait_for([&] { return gst_harness_buffers_received(h) >= count; }, "buffers");
  fail_unless_equals_int(gst_harness_buffers_received(h), count);
}

std::string Bench::take_until_eos(std::uint32_t ssrc) {
  GstHarness *h = out(ssrc);
  bool eos = false;
  std::string text;
  wait_for(
      [&] {
        while (gst_harness_events_in_queue(h) > 0) {
          dv::Ref<GstEvent> event(gst_harness_pull_event(h));
          eos = eos || GST_EVENT_TYPE(event.get()) == GST_EVENT_EOS;
        }
        return eos;
      },
      "EOS");
  while (gst_harness_buffers_in_queue(h) > 0) text += (text.empty() ? "" : " ") + describe(h);
  return text;
}

void Bench::expect_gone(std::uint32_t ssrc) {
  wait_for(
      [&] {
        std::lock_guard lock(mutex_);
        return !outs_.contains("src_" + std::to_string(ssrc));
      },
      "the pad to go");
}

guint64 Bench::stat(const char *name) {
  GstStructure *stats = nullptr;
  g_object_get(in_->element, "stats", &stats, nullptr);
  guint64 value = 0;
  fail_unless(gst_structure_get_uint64(stats, name, &value), "no %s in stats", name);
  gst_structure_free(stats);
  return value;
}

}  // namespace dvtest
