// SPDX-License-Identifier: LGPL-2.1-or-later
// Joins a voice channel, links each speaker's pad as it appears, and prints who speaks.
// Usage: DISCORD_TOKEN=… who_speaks GUILD CHANNEL [SECONDS] [GATEWAY_URL CA_FILE]
#include <gst/gst.h>

#include <cstdio>
#include <cstdlib>

// One branch a speaker: here to a fakesink, in your program to whatever you like.
static void on_pad_added(GstElement *, GstPad *pad, gpointer pipeline) {
  GstElement *convert = gst_element_factory_make("audioconvert", nullptr);
  GstElement *sink = gst_element_factory_make("fakesink", nullptr);
  g_object_set(sink, "async", FALSE, nullptr);
  gst_bin_add_many(GST_BIN(pipeline), convert, sink, nullptr);
  gst_element_link(convert, sink);
  gst_element_sync_state_with_parent(sink);
  gst_element_sync_state_with_parent(convert);
  GstPad *target = gst_element_get_static_pad(convert, "sink");
  gst_pad_link(pad, target);
  gst_object_unref(target);
  guint ssrc = 0;
  guint64 user = 0;
  g_object_get(pad, "ssrc", &ssrc, "user-id", &user, nullptr);
  std::printf("speaking: %" G_GUINT64_FORMAT " on SSRC %u\n", user, ssrc);
  std::fflush(stdout);
}

static gboolean on_message(GstBus *, GstMessage *message, gpointer loop) {
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
    GError *error = nullptr;
    gst_message_parse_error(message, &error, nullptr);
    std::fprintf(stderr, "error: %s\n", error->message);
    g_error_free(error);
    g_main_loop_quit(static_cast<GMainLoop *>(loop));
  } else if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS) {
    g_main_loop_quit(static_cast<GMainLoop *>(loop));
  } else if (gst_message_has_name(message, "discordvoicesrc-speaker-joined")) {
    std::printf("joined %s\n", gst_structure_get_string(gst_message_get_structure(message), "name"));
  }
  return G_SOURCE_CONTINUE;
}

static gboolean end_recording(gpointer pipeline) {
  gst_element_send_event(GST_ELEMENT(pipeline), gst_event_new_eos());
  return G_SOURCE_REMOVE;
}

int main(int argc, char **argv) {
  gst_init(&argc, &argv);
  if (argc < 3) return EXIT_FAILURE;
  GstElement *pipeline = gst_parse_launch(
      "discordvoicesrc name=voice ! discorddecrypt ! rtpjitterreorder name=reorder", nullptr);
  if (pipeline == nullptr) return EXIT_FAILURE;
  GstElement *voice = gst_bin_get_by_name(GST_BIN(pipeline), "voice");
  g_object_set(voice, "guild-id", argv[1], "channel-id", argv[2], nullptr);
  if (argc > 5) g_object_set(voice, "gateway-url", argv[4], "ca-file", argv[5], nullptr);
  GstElement *reorder = gst_bin_get_by_name(GST_BIN(pipeline), "reorder");
  g_signal_connect(reorder, "pad-added", G_CALLBACK(on_pad_added), pipeline);
  GMainLoop *loop = g_main_loop_new(nullptr, FALSE);
  guint watch = gst_bus_add_watch(GST_ELEMENT_BUS(pipeline), on_message, loop);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  if (argc > 3) g_timeout_add_seconds(std::atoi(argv[3]), end_recording, pipeline);
  g_main_loop_run(loop);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  g_source_remove(watch);
  g_main_loop_unref(loop);
  gst_object_unref(reorder);
  gst_object_unref(voice);
  gst_object_unref(pipeline);
  return EXIT_SUCCESS;
}
