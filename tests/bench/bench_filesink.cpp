// SPDX-License-Identifier: LGPL-2.1-or-later
// Whole channels in real time: encrypted datagrams through discorddecrypt into discordfilesink.
// bench_filesink DIRECTORY CHANNELS SPEAKERS SECONDS wav|opus. Everybody speaks all the time.
// Prints CPU and everything that was dropped; exit code 1 if there was any.
#include <gst/gst.h>

#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gst/glue/frame_meta.hpp"
#include "gst/glue/key_event.hpp"
#include "gst/glue/ref.hpp"
#include "tests/bench/measure.hpp"
#include "tests/bench/traffic.hpp"

namespace dv::bench {
namespace {

struct Plan {
  std::string directory, format;
  std::size_t channels, speakers, seconds;
};

gboolean answer_live(GstPad *pad, GstObject *parent, GstQuery *query) {
  if (GST_QUERY_TYPE(query) != GST_QUERY_LATENCY) return gst_pad_query_default(pad, parent, query);
  gst_query_set_latency(query, TRUE, 0, GST_CLOCK_TIME_NONE);
  return TRUE;
}

/** One channel: a thread that sends what is due, as the receive thread of a source would. */
class Channel {
 public:
  Channel(const Plan &plan, std::size_t number, const Traffic &traffic)
      : traffic_(traffic), rounds_(plan.seconds * 50) {
    const bool decode = plan.format == "wav";
    const std::string location = plan.directory + "/" + std::to_string(number) + "-%u.%x";
    const std::string launch = std::string("discorddecrypt name=decrypt decode=") +
                               (decode ? "true" : "false") +
                               " ! discordfilesink name=sink format=" + plan.format +
                               " overwrite=true location=\"" + location + "\"";
    pipeline_.reset(gst_parse_launch(launch.c_str(), nullptr));
    if (!pipeline_) broken("the elements are missing; run tests/bench/run-filesink.sh");
    decrypt_.reset(gst_bin_get_by_name(GST_BIN(pipeline_.get()), "decrypt"));
    sink_.reset(gst_bin_get_by_name(GST_BIN(pipeline_.get()), "sink"));
    feed_.reset(GST_PAD(gst_object_ref_sink(gst_pad_new("feed", GST_PAD_SRC))));
    gst_pad_set_query_function(feed_.get(), answer_live);
    Ref<GstPad> in(gst_element_get_static_pad(decrypt_.get(), "sink"));
    gst_pad_link_full(feed_.get(), in.get(), GST_PAD_LINK_CHECK_NOTHING);
    gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING);
    gst_pad_set_active(feed_.get(), TRUE);
    for (const KeyUpdate &update : traffic.keys) store_->publish(clone(update));
    gst_pad_push_event(feed_.get(), gst_event_new_stream_start("bench"));
    Ref<GstCaps> caps(gst_caps_new_empty_simple(DV_CAPS_DISCORD_RTP));
    gst_pad_push_event(feed_.get(), gst_event_new_caps(caps.get()));
    GstSegment segment;
    gst_segment_init(&segment, GST_FORMAT_TIME);
    gst_pad_push_event(feed_.get(), gst_event_new_segment(&segment));
    gst_pad_push_event(feed_.get(), key_store_event_new(store_));
  }
  ~Channel() {
    gst_element_set_state(pipeline_.get(), GST_STATE_NULL);
    gst_pad_set_active(feed_.get(), FALSE);
  }
  Channel(const Channel &) = delete;
  Channel &operator=(const Channel &) = delete;

  void run(std::int64_t start) {
    for (std::size_t round = 0; round < rounds_; ++round) {
      const std::int64_t due = start + static_cast<std::int64_t>(round) * kPacketNs;
      const std::int64_t now = wall_ns();
      if (now < due) {
        std::this_thread::sleep_for(std::chrono::nanoseconds(due - now));
      }
      latest_ = std::max(latest_, wall_ns() - due);
      push(round);
    }
    gst_pad_push_event(feed_.get(), gst_event_new_eos());
  }
  void wait_end() {
    Ref<GstBus> bus(gst_element_get_bus(pipeline_.get()));
    Ref<GstMessage> message(gst_bus_timed_pop_filtered(
        bus.get(), 120 * GST_SECOND,
        static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR)));
    if (!message || GST_MESSAGE_TYPE(message.get()) != GST_MESSAGE_EOS) broken("no end");
  }
  std::uint64_t sink_count(const char *name) const { return count(sink_.get(), name); }
  std::uint64_t overload() const { return count(decrypt_.get(), "drop-overload"); }
  std::vector<std::int64_t> workers() const {
    std::vector<std::int64_t> pids;
    const auto s = stats(decrypt_.get());
    const GValue *list = gst_structure_get_value(s.get(), "worker-pids");
    for (guint i = 0; list != nullptr && i < gst_value_array_get_size(list); ++i) {
      pids.push_back(g_value_get_int64(gst_value_array_get_value(list, i)));
    }
    return pids;
  }
  std::int64_t latest() const { return latest_; }

 private:
  void push(std::size_t round) {
    const std::size_t speakers = traffic_.streams;
    GstBufferList *list = gst_buffer_list_new_sized(static_cast<guint>(speakers));
    const GstClockTime now = gst_element_get_current_running_time(pipeline_.get());
    for (std::size_t i = 0; i < speakers; ++i) {
      const Bytes &datagram = traffic_.datagrams[round * speakers + i];
      GstBuffer *buffer = gst_buffer_new_memdup(datagram.data(), datagram.size());
      GST_BUFFER_PTS(buffer) = now;
      dv_buffer_add_session_meta(buffer, traffic_.session);
      gst_buffer_list_add(list, buffer);
    }
    if (gst_pad_push_list(feed_.get(), list) != GST_FLOW_OK) broken("nothing more is taken");
  }
  static Ref<GstStructure> stats(GstElement *element) {
    GstStructure *s = nullptr;
    g_object_get(element, "stats", &s, nullptr);
    return Ref<GstStructure>(s);
  }
  static std::uint64_t count(GstElement *element, const char *name) {
    guint64 value = 0;
    if (!gst_structure_get_uint64(stats(element).get(), name, &value)) broken(name);
    return value;
  }

  const Traffic &traffic_;
  const std::size_t rounds_;
  std::shared_ptr<KeyStore> store_ = std::make_shared<KeyStore>();
  Ref<GstElement> pipeline_, decrypt_, sink_;
  Ref<GstPad> feed_;
  std::int64_t latest_ = 0;
};

int run(const Plan &plan) {
  TrafficSpec spec;
  spec.streams = plan.speakers;
  spec.rounds = plan.seconds * 50;
  const Traffic traffic = make_traffic(make_speech(plan.directory), spec);
  std::vector<std::unique_ptr<Channel>> channels;
  for (std::size_t i = 0; i < plan.channels; ++i) {
    channels.push_back(std::make_unique<Channel>(plan, i + 1, traffic));
  }
  const std::int64_t start = wall_ns(), cpu = own_cpu_ns();
  std::vector<std::thread> threads;
  for (auto &channel : channels) threads.emplace_back([&] { channel->run(start + kPacketNs); });
  for (auto &thread : threads) thread.join();
  const auto pids = channels[0]->workers();
  const std::int64_t workers = cpu_ns_of(pids);
  for (auto &channel : channels) channel->wait_end();
  const double seconds = static_cast<double>(wall_ns() - start) / 1e9;
  const double used = static_cast<double>(own_cpu_ns() - cpu + workers) / 1e9;

  const std::uint64_t sent = plan.channels * plan.speakers * spec.rounds;
  std::uint64_t frames = 0, samples = 0, dropped = 0, overload = 0, tracks = 0;
  std::int64_t latest = 0;
  for (auto &channel : channels) {
    frames += channel->sink_count("frames");
    samples += channel->sink_count("samples");
    tracks += channel->sink_count("tracks");
    overload += channel->overload();
    for (const char *name : {"dropped-queue-full", "dropped-failed", "dropped-malformed"}) {
      dropped += channel->sink_count(name);
    }
    latest = std::max(latest, channel->latest());
  }
  std::printf("%zu channels x %zu speakers, %s, %zu s\n", plan.channels, plan.speakers,
              plan.format.c_str(), plan.seconds);
  std::printf("  packets sent %llu, frames recorded %llu, tracks %llu\n",
              static_cast<unsigned long long>(sent), static_cast<unsigned long long>(frames),
              static_cast<unsigned long long>(tracks));
  std::printf("  dropped by the sink %llu, for overload before it %llu, missing %lld\n",
              static_cast<unsigned long long>(dropped), static_cast<unsigned long long>(overload),
              static_cast<long long>(sent) - static_cast<long long>(samples / 960));
  std::printf("  CPU %.1f s in %.1f s: %.2f cores; sender late by at most %lld ms\n", used, seconds,
              used / seconds, static_cast<long long>(latest / 1000000));
  return dropped == 0 && samples / 960 >= sent ? 0 : 1;
}

}  // namespace
}  // namespace dv::bench

int main(int argc, char **argv) {
  gst_init(&argc, &argv);
  if (argc != 6) {
    std::fprintf(stderr, "usage: bench_filesink DIRECTORY CHANNELS SPEAKERS SECONDS wav|opus\n");
    return 2;
  }
  return dv::bench::run({argv[1], argv[5], std::strtoul(argv[2], nullptr, 10),
                         std::strtoul(argv[3], nullptr, 10), std::strtoul(argv[4], nullptr, 10)});
}
