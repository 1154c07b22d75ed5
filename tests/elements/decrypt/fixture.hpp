// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include "ext/decrypt/gstdiscorddecrypt.h"
#include "gst/glue/frame_meta.hpp"
#include "gst/glue/key_event.hpp"
#include "gst/glue/ref.hpp"
#include "gst/glue/source_info.hpp"
#include "tests/support/opus_source.hpp"
#include "tests/support/sealed_stream.hpp"

// Last: they define macros with names as common as `fail`.
#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>

namespace dv::test {

/** Waits for something another thread brings about; generous, since machines stall. */
inline bool eventually(const std::function<bool()> &condition) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

struct Speaker {
  Speaker(SealedSession &session, Ssrc ssrc, UserId user, unsigned seed)
      : stream(session, ssrc, user), opus({.seed = seed}) {}
  Bytes next() { return stream.send(opus.next()); }
  SealedStream stream;
  OpusSource opus;
};

struct Output {
  DvRtpFrameMeta meta;
  Bytes data;
};

/** discorddecrypt in a harness, fed with sealed datagrams 20 ms apart. */
struct Bench {
  explicit Bench(const std::string &properties = "max-workers=0", bool live = false,
                 const char *sink_caps = nullptr)
      : session(KeyStore::next_session_id()), store(std::make_shared<KeyStore>()) {
    harness = gst_harness_new_parse(("discorddecrypt name=d " + properties).c_str());
    element.reset(gst_harness_find_element(harness, "discorddecrypt"));
    if (element == nullptr) element.reset(GST_ELEMENT(gst_object_ref(harness->element)));
    gst_harness_set_live(harness, live);
    bus.reset(gst_bus_new());
    gst_element_set_bus(element.get(), bus.get());
    if (sink_caps != nullptr) gst_harness_set_sink_caps_str(harness, sink_caps);
    gst_harness_set_src_caps_str(harness, DV_CAPS_DISCORD_RTP);
    gst_harness_push_event(harness, key_store_event_new(store));
  }
  ~Bench() {
    gst_element_set_bus(element.get(), nullptr);
    element.reset();
    gst_harness_teardown(harness);
  }
  Bench(const Bench &) = delete;
  Bench &operator=(const Bench &) = delete;

  void publish_session() {
    store->publish(session.transport_key());
    store->publish(plain_session(session.id()));
  }
  Speaker &add_speaker(Ssrc ssrc, bool bind = true) {
    speakers.push_back(
        std::make_unique<Speaker>(session, ssrc, 1000 + ssrc, static_cast<unsigned>(ssrc)));
    if (bind) store->publish(speakers.back()->stream.binding());
    return *speakers.back();
  }
  GstBuffer *wrap(const Bytes &datagram) {
    GstBuffer *buffer = datagram.empty() ? gst_buffer_new()
                                         : gst_buffer_new_memdup(datagram.data(), datagram.size());
    GST_BUFFER_PTS(buffer) = arrival;
    dv_buffer_add_session_meta(buffer, session.id());
    return buffer;
  }
  GstFlowReturn push(const Bytes &datagram) { return gst_harness_push(harness, wrap(datagram)); }
  /** One packet of each speaker, then 20 ms. */
  void round() {
    for (auto &speaker : speakers) fail_unless_equals_int(push(speaker->next()), GST_FLOW_OK);
    arrival += 20 * GST_MSECOND;
  }
  void eos() { fail_unless(gst_harness_push_event(harness, gst_event_new_eos())); }
  bool at_eos() {
    bool seen = false;
    while (GstEvent *e = gst_harness_try_pull_event(harness)) {
      seen = seen || GST_EVENT_TYPE(e) == GST_EVENT_EOS;
      gst_event_unref(e);
    }
    return seen;
  }
  void eos_and_wait() {
    eos();
    fail_unless(eventually([this] { return at_eos(); }), "EOS does not come out");
  }
  std::vector<Output> pull_all() {
    std::vector<Output> all;
    while (GstBuffer *raw = gst_harness_try_pull(harness)) {
      Ref<GstBuffer> buffer(raw);
      const DvRtpFrameMeta *meta = dv_buffer_get_rtp_frame_meta(raw);
      fail_unless(meta != nullptr);
      GstMapInfo map;
      gst_buffer_map(raw, &map, GST_MAP_READ);
      all.push_back({*meta, Bytes(map.data, map.data + map.size)});
      gst_buffer_unmap(raw, &map);
      fail_unless_equals_uint64(GST_BUFFER_PTS(raw), meta->arrival);
    }
    return all;
  }
  Ref<GstStructure> stats() {
    GstStructure *s = nullptr;
    g_object_get(element.get(), "stats", &s, nullptr);
    return Ref<GstStructure>(s);
  }
  guint64 count(const char *name) {
    guint64 value = 0;
    fail_unless(gst_structure_get_uint64(stats().get(), name, &value), "no counter %s", name);
    return value;
  }
  /** received = delivered + drops, in sum and per SSRC. */
  void check_closed() {
    fail_unless_equals_uint64(count("pending"), 0);
    auto all = stats();
    const GValue *list = gst_structure_get_value(all.get(), "streams");
    for (guint i = 0; i < gst_value_array_get_size(list); ++i) {
      const GstStructure *s = gst_value_get_structure(gst_value_array_get_value(list, i));
      guint64 pending = 1;
      gst_structure_get_uint64(s, "pending", &pending);
      fail_unless_equals_uint64(pending, 0);
    }
  }

  SealedSession session;
  std::shared_ptr<KeyStore> store;
  GstHarness *harness = nullptr;
  Ref<GstElement> element;
  Ref<GstBus> bus;
  std::vector<std::unique_ptr<Speaker>> speakers;
  GstClockTime arrival = GST_SECOND;
};

inline std::map<guint32, std::vector<Output>> by_ssrc(std::vector<Output> outputs) {
  std::map<guint32, std::vector<Output>> sorted;
  for (auto &o : outputs) sorted[o.meta.ssrc].push_back(std::move(o));
  return sorted;
}

}  // namespace dv::test
