// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sink_bench.hpp"

namespace bench {
namespace {

void collect(GstElement *, GstBuffer *buffer, GstPad *, gpointer out) {
  auto *bytes = static_cast<dv::Bytes *>(out);
  GstMapInfo map;
  require(gst_buffer_map(buffer, &map, GST_MAP_READ), "map");
  bytes->insert(bytes->end(), map.data, map.data + map.size);
  gst_buffer_unmap(buffer, &map);
}

void collect_packet(GstElement *, GstBuffer *buffer, GstPad *, gpointer out) {
  dv::Bytes packet;
  collect(nullptr, buffer, nullptr, &packet);
  static_cast<std::vector<dv::Bytes> *>(out)->push_back(packet);
}

void run(const std::string &launch, GCallback callback, gpointer out) {
  GError *error = nullptr;
  GstElement *pipeline = gst_parse_launch(launch.c_str(), &error);
  require(pipeline != nullptr && error == nullptr, launch.c_str());
  GstElement *end = gst_bin_get_by_name(GST_BIN(pipeline), "end");
  g_object_set(end, "signal-handoffs", TRUE, "sync", FALSE, nullptr);
  g_signal_connect(end, "handoff", callback, out);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GstBus *bus = gst_element_get_bus(pipeline);
  GstMessage *message = gst_bus_timed_pop_filtered(
      bus, 60 * GST_SECOND, static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
  require(message != nullptr && GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS, launch.c_str());
  gst_message_unref(message);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(bus);
  gst_object_unref(end);
  gst_object_unref(pipeline);
}

}  // namespace

Wav decode(const std::string &path) {
  dv::Bytes bytes;
  run("filesrc location=\"" + path +
          "\" ! decodebin ! audioconvert ! audioresample ! "
          "audio/x-raw,format=S16LE,rate=48000,channels=2 ! fakesink name=end",
      G_CALLBACK(collect), &bytes);
  Wav wav{48000, 2, {}};
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
    wav.samples.push_back(static_cast<gint16>(bytes[i] | bytes[i + 1] << 8));
  }
  return wav;
}

std::vector<dv::Bytes> opus_packets(unsigned count) {
  std::vector<dv::Bytes> packets;
  run("audiotestsrc wave=sine freq=437.31 samplesperbuffer=960 num-buffers=" +
          std::to_string(count) +
          " ! audio/x-raw,format=S16LE,rate=48000,channels=2 ! opusenc frame-size=20 ! "
          "fakesink name=end",
      G_CALLBACK(collect_packet), &packets);
  packets.resize(count);
  return packets;
}

}  // namespace bench
