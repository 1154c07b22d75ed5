// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/bench/rig.hpp"

#include <chrono>
#include <thread>

#include "gst/glue/frame_meta.hpp"
#include "gst/glue/key_event.hpp"
#include "tests/bench/measure.hpp"

namespace dv::bench {
namespace {

constexpr auto kPatience = std::chrono::seconds(60);

Rig *rig_of(GstPad *pad) { return static_cast<Rig *>(gst_pad_get_element_private(pad)); }

}  // namespace

Rig::Rig(const RigConfig &config, const Traffic &traffic)
    : session_(traffic.session), streams_(traffic.streams), live_(config.live) {
  element_.reset(gst_element_factory_make("discorddecrypt", nullptr));
  if (!element_) broken("there is no element discorddecrypt; run tests/bench/run.sh");
  gst_object_ref_sink(element_.get());
  g_object_set(element_.get(), "max-workers", config.workers, "decode", config.decode, "pool",
               config.pool.c_str(), nullptr);
  if (config.latency_ms >= 0) g_object_set(element_.get(), "latency", config.latency_ms, nullptr);

  feed_.reset(GST_PAD(gst_object_ref_sink(gst_pad_new("feed", GST_PAD_SRC))));
  drain_.reset(GST_PAD(gst_object_ref_sink(gst_pad_new("drain", GST_PAD_SINK))));
  gst_pad_set_element_private(feed_.get(), this);
  gst_pad_set_element_private(drain_.get(), this);
  gst_pad_set_query_function(feed_.get(), answer_query);
  gst_pad_set_chain_function(drain_.get(), take_buffer);
  gst_pad_set_chain_list_function(drain_.get(), take_list);
  gst_pad_set_event_function(drain_.get(), take_event);
  Ref<GstPad> sink(gst_element_get_static_pad(element_.get(), "sink"));
  Ref<GstPad> src(gst_element_get_static_pad(element_.get(), "src"));
  gst_pad_link(feed_.get(), sink.get());
  gst_pad_link(src.get(), drain_.get());
  gst_pad_set_active(drain_.get(), TRUE);
  gst_pad_set_active(feed_.get(), TRUE);
  if (!config.record_to.empty()) add_recorder(config.record_to);
  if (gst_element_set_state(element_.get(), GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE) {
    broken("discorddecrypt does not start");
  }

  for (const KeyUpdate &update : traffic.keys) store_->publish(clone(update));
  gst_pad_push_event(feed_.get(), gst_event_new_stream_start("bench"));
  Ref<GstCaps> caps(gst_caps_new_empty_simple(DV_CAPS_DISCORD_RTP));
  gst_pad_push_event(feed_.get(), gst_event_new_caps(caps.get()));
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  gst_pad_push_event(feed_.get(), gst_event_new_segment(&segment));
  gst_pad_push_event(feed_.get(), key_store_event_new(store_));
}

Rig::~Rig() {
  gst_element_set_state(element_.get(), GST_STATE_NULL);
  if (recorder_) gst_element_set_state(recorder_.get(), GST_STATE_NULL);
  gst_pad_set_active(feed_.get(), FALSE);
  gst_pad_set_active(drain_.get(), FALSE);
}

/** Everything goes on into files; a frame has come out once the recorder has taken it. */
void Rig::add_recorder(const std::string &location) {
  recorder_.reset(gst_element_factory_make("discordfilesink", nullptr));
  if (!recorder_) broken("there is no element discordfilesink; run tests/bench/run.sh");
  gst_object_ref_sink(recorder_.get());
  bus_.reset(gst_bus_new());
  gst_element_set_bus(recorder_.get(), bus_.get());
  g_object_set(recorder_.get(), "location", location.c_str(), "overwrite", TRUE, nullptr);
  onward_.reset(GST_PAD(gst_object_ref_sink(gst_pad_new("onward", GST_PAD_SRC))));
  Ref<GstPad> sink(gst_element_get_static_pad(recorder_.get(), "sink"));
  gst_pad_link(onward_.get(), sink.get());
  gst_pad_set_active(onward_.get(), TRUE);
  if (gst_element_set_state(recorder_.get(), GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE) {
    broken("discordfilesink does not start");
  }
}

void Rig::record_times(std::size_t streams, std::size_t rounds) {
  recorded_streams_ = streams;
  times_.assign(streams * rounds, 0);
}

void Rig::push(std::span<const Bytes> datagrams, GstClockTime pts) {
  GstBufferList *list = gst_buffer_list_new_sized(static_cast<guint>(datagrams.size()));
  for (const Bytes &datagram : datagrams) {
    GstBuffer *buffer = datagram.empty() ? gst_buffer_new()
                                         : gst_buffer_new_memdup(datagram.data(), datagram.size());
    GST_BUFFER_PTS(buffer) = pts;
    dv_buffer_add_session_meta(buffer, session_);
    gst_buffer_list_add(list, buffer);
  }
  pushed_ += datagrams.size();
  if (gst_pad_push_list(feed_.get(), list) != GST_FLOW_OK) broken("discorddecrypt takes no more");
}

void Rig::push_rounds(std::span<const Bytes> datagrams, std::size_t at_once) {
  for (std::size_t i = 0; i < datagrams.size(); i += at_once) {
    const std::size_t round = pushed_ / streams_;
    push(datagrams.subspan(i, std::min(at_once, datagrams.size() - i)),
         GST_SECOND + round * static_cast<GstClockTime>(kPacketNs));
  }
}

void Rig::eos_and_wait() {
  gst_pad_push_event(feed_.get(), gst_event_new_eos());
  {
    std::unique_lock lock(mutex_);
    if (!ended_.wait_for(lock, kPatience, [this] { return eos_; })) broken("EOS does not come out");
  }
  if (!recorder_) return;
  const Ref<GstMessage> end(
      gst_bus_timed_pop_filtered(bus_.get(), 60 * GST_SECOND,
                                 static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR)));
  if (!end || GST_MESSAGE_TYPE(end.get()) != GST_MESSAGE_EOS) broken("the files do not end");
}

bool Rig::wait_frames(std::uint64_t frames, double seconds) const {
  const auto until = wall_ns() + static_cast<std::int64_t>(seconds * 1e9);
  while (frames_ < frames) {
    if (wall_ns() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

Ref<GstStructure> Rig::stats() const {
  GstStructure *s = nullptr;
  g_object_get(element_.get(), "stats", &s, nullptr);
  return Ref<GstStructure>(s);
}

std::uint64_t Rig::count(const char *name) const {
  guint64 value = 0;
  if (!gst_structure_get_uint64(stats().get(), name, &value)) broken(name);
  return value;
}

std::string Rig::stats_text() const {
  const auto s = stats();

  const Ref<gchar> text(gst_structure_to_string(s.get()));
  return text.get();
}

std::vector<std::int64_t> Rig::workers() const {
  std::vector<std::int64_t> pids;
  const auto s = stats();
  const GValue *list = gst_structure_get_value(s.get(), "worker-pids");
  for (guint i = 0; list != nullptr && i < gst_value_array_get_size(list); ++i) {
    pids.push_back(g_value_get_int64(gst_value_array_get_value(list, i)));
  }
  return pids;
}

void Rig::note(GstBuffer *buffer, std::int64_t now) {
  const DvRtpFrameMeta *meta = dv_buffer_get_rtp_frame_meta(buffer);
  if (meta == nullptr) return;
  if ((meta->flags & DV_FRAME_FLAG_CONCEALED) != 0) {
    ++concealed_;
    return;
  }
  if (frames_.fetch_add(1) == 0) first_frame_ = now;
  const std::size_t stream = meta->ssrc - kFirstSsrc;
  const auto packet = static_cast<std::uint16_t>(meta->extended_seq - kFirstSeq);
  const std::size_t at = packet * recorded_streams_ + stream;
  if (stream < recorded_streams_ && at < times_.size()) times_[at] = now;
}

GstFlowReturn Rig::take_buffer(GstPad *pad, GstObject *, GstBuffer *raw) {
  Rig *rig = rig_of(pad);
  const Ref<GstBuffer> buffer(raw);
  if (rig->onward_ && gst_pad_push(rig->onward_.get(), gst_buffer_ref(raw)) != GST_FLOW_OK) {
    broken("discordfilesink takes no more");
  }
  rig->note(raw, wall_ns());
  return GST_FLOW_OK;
}

GstFlowReturn Rig::take_list(GstPad *pad, GstObject *, GstBufferList *raw) {
  Rig *rig = rig_of(pad);
  const Ref<GstBufferList> list(raw);
  if (rig->onward_ &&
      gst_pad_push_list(rig->onward_.get(), gst_buffer_list_ref(raw)) != GST_FLOW_OK) {
    broken("discordfilesink takes no more");
  }
  const auto now = wall_ns();
  for (guint i = 0; i < gst_buffer_list_length(raw); ++i) {
    rig->note(gst_buffer_list_get(raw, i), now);
  }
  return GST_FLOW_OK;
}

gboolean Rig::take_event(GstPad *pad, GstObject *, GstEvent *event) {
  Rig *rig = rig_of(pad);
  if (rig->onward_) gst_pad_push_event(rig->onward_.get(), gst_event_ref(event));
  if (GST_EVENT_TYPE(event) == GST_EVENT_EOS) {
    {
      std::lock_guard lock(rig->mutex_);
      rig->eos_ = true;
    }
    rig->ended_.notify_all();
  }
  gst_event_unref(event);
  return TRUE;
}

gboolean Rig::answer_query(GstPad *pad, GstObject *parent, GstQuery *query) {
  if (GST_QUERY_TYPE(query) != GST_QUERY_LATENCY) return gst_pad_query_default(pad, parent, query);
  gst_query_set_latency(query, rig_of(pad)->live_, 0, GST_CLOCK_TIME_NONE);
  return TRUE;
}

}  // namespace dv::bench
