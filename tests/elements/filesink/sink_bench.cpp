// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sink_bench.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "gst/glue/frame_meta.hpp"
#include "gst/glue/source_info.hpp"

namespace bench {
namespace {

constexpr GstClockTime kLimit = 60 * GST_SECOND;

std::string text_of(const GstStructure *s, const char *field) {
  const gchar *text = gst_structure_get_string(s, field);
  return text != nullptr ? text : "";
}

std::uint64_t little(const dv::Bytes &b, std::size_t at, int bytes) {
  std::uint64_t v = 0;
  for (int i = bytes; i-- > 0;) v = v << 8 | b.at(at + static_cast<std::size_t>(i));
  return v;
}

GstBuffer *rtp_packet(guint32 ssrc, guint64 seq, const GstBuffer *payload) {
  auto *body = const_cast<GstBuffer *>(payload);
  guint8 header[12] = {0x80, 120};
  dv::store_be16(header + 2, static_cast<std::uint16_t>(seq));
  dv::store_be32(header + 4, static_cast<std::uint32_t>(seq * kFrame));
  dv::store_be32(header + 8, ssrc);
  GstBuffer *packet = gst_buffer_new_memdup(header, sizeof header);
  return gst_buffer_append(packet, body);
}

gboolean answer_live(GstPad *pad, GstObject *parent, GstQuery *query) {
  if (GST_QUERY_TYPE(query) != GST_QUERY_LATENCY) return gst_pad_query_default(pad, parent, query);
  gst_query_set_latency(query, TRUE, 0, GST_CLOCK_TIME_NONE);
  return TRUE;
}

}  // namespace

void require(bool holds, const char *what) {
  if (holds) return;
  g_printerr("does not hold: %s\n", what);
  std::abort();
}

Bench::Bench(const std::string &properties, Input input) : input_(input) {
  GError *error = nullptr;
  pipeline_ = gst_parse_launch_full(("discordfilesink name=sink " + properties).c_str(), nullptr,
                                    GST_PARSE_FLAG_PLACE_IN_BIN, &error);
  require(error == nullptr, error != nullptr ? error->message : "");
  if (!GST_IS_PIPELINE(pipeline_)) {
    GstElement *bin = pipeline_;
    pipeline_ = gst_pipeline_new(nullptr);
    gst_bin_add(GST_BIN(pipeline_), bin);
  }
  sink_ = gst_bin_get_by_name(GST_BIN(pipeline_), "sink");
  pad_ = gst_pad_new("feed", GST_PAD_SRC);
  gst_object_ref_sink(pad_);
  if (input == Input::live) gst_pad_set_query_function(pad_, answer_live);
  GstPad *target = gst_element_get_static_pad(sink_, "sink");
  require(gst_pad_link_full(pad_, target, GST_PAD_LINK_CHECK_NOTHING) == GST_PAD_LINK_OK, "link");
  gst_object_unref(target);
}

Bench::~Bench() {
  stop();
  gst_object_unref(pad_);
  gst_object_unref(sink_);
  gst_object_unref(pipeline_);
}

void Bench::stop() {
  gst_element_set_state(pipeline_, GST_STATE_NULL);
  gst_pad_set_active(pad_, FALSE);
}

void Bench::unwind() {
  gst_element_set_state(pipeline_, GST_STATE_READY);
  gst_pad_set_active(pad_, FALSE);
  GstBus *bus = gst_element_get_bus(pipeline_);
  while (GstMessage *message = gst_bus_pop(bus)) {
    note(message);
    gst_message_unref(message);
  }
  gst_object_unref(bus);
}

bool Bench::start() {
  if (gst_element_set_state(pipeline_, GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE) {
    wait_for("error");
    return false;
  }
  gst_pad_set_active(pad_, TRUE);
  gst_pad_push_event(pad_, gst_event_new_stream_start("test"));
  const std::string samples =
      "audio/x-raw(" DV_CAPS_FEATURE_META_RTP_FRAME "),format=S16LE,layout=interleaved," + pcm;
  GstCaps *caps = gst_caps_from_string(
      input_ != Input::opus
          ? samples.c_str()
          : "application/x-rtp,media=audio,encoding-name=OPUS,clock-rate=48000,payload=120");
  require(gst_pad_push_event(pad_, gst_event_new_caps(caps)), "caps");
  gst_caps_unref(caps);
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  gst_pad_push_event(pad_, gst_event_new_segment(&segment));
  return true;
}

void Bench::name(guint64 user, guint32 ssrc, const std::string &name, bool present) {
  gst_pad_push_event(
      pad_, dv::source_info_event_new({1, ssrc, std::to_string(user), name, false, present}, ssrc));
}

GstFlowReturn Bench::push(guint64 user, guint32 ssrc, guint64 seq, GstClockTime at,
                          GstBuffer *buffer, guint32 flags) {
  if (input_ == Input::opus) buffer = rtp_packet(ssrc, seq, buffer);
  GST_BUFFER_PTS(buffer) = GST_BUFFER_DTS(buffer) = at;
  GST_BUFFER_DURATION(buffer) = 20 * GST_MSECOND;
  DvRtpFrameMeta *meta = dv_buffer_add_rtp_frame_meta(buffer);
  meta->ssrc = ssrc;
  meta->session = 1;
  meta->user_id = user;
  meta->extended_seq = seq;
  meta->rtp_time = static_cast<guint32>(seq * kFrame);
  meta->samples = kFrame;
  meta->arrival = at;
  meta->flags = flags;
  return gst_pad_push(pad_, buffer);
}

GstFlowReturn Bench::speak(guint64 user, guint32 ssrc, guint64 seq, GstClockTime at,
                           guint32 flags) {
  const std::uint64_t from = gst_util_uint64_scale_round(at, 48000, GST_SECOND);
  std::vector<gint16> samples;
  for (guint i = 0; i < kFrame; ++i) samples.insert(samples.end(), 2, noise(user, from + i));
  return push(user, ssrc, seq, at, gst_buffer_new_memdup(samples.data(), samples.size() * 2),
              flags);
}

void Bench::note(GstMessage *message) {
  Message out;
  GError *error = nullptr;
  gchar *debug = nullptr;
  switch (GST_MESSAGE_TYPE(message)) {
    case GST_MESSAGE_EOS:
      out.name = "eos";
      break;
    case GST_MESSAGE_ERROR:
      out.name = "error";
      gst_message_parse_error(message, &error, &debug);
      break;
    case GST_MESSAGE_WARNING:
      out.name = "warning";
      gst_message_parse_warning(message, &error, &debug);
      break;
    case GST_MESSAGE_ELEMENT: {
      const GstStructure *s = gst_message_get_structure(message);
      out.name = gst_structure_get_name(s);
      out.location = text_of(s, "location");
      out.reason = text_of(s, "reason");
      out.format = text_of(s, "format");
      gst_structure_get_uint64(s, "user-id", &out.user);
      gst_structure_get_uint64(s, "start", &out.start);
      gst_structure_get_uint64(s, "duration", &out.duration);
      gst_structure_get_uint64(s, "bytes", &out.bytes);
      for (const char *figure :
           {"lost", "concealed", "gaps", "speech-length", "lost-length", "concealed-length"}) {
        guint64 value = 0;
        if (gst_structure_get_uint64(s, figure, &value)) out.quality[figure] = value;
      }
      break;
    }
    default:
      return;
  }
  if (error != nullptr) {
    out.text = error->message;
    out.code = error->code;
    g_error_free(error);
    g_free(debug);
  }
  messages.push_back(out);
}

bool Bench::wait_for(const std::string &name) {
  GstBus *bus = gst_element_get_bus(pipeline_);
  bool found = false;
  while (!found) {
    GstMessage *message = gst_bus_timed_pop(bus, kLimit);
    if (message == nullptr) break;
    const std::size_t before = messages.size();
    note(message);
    gst_message_unref(message);
    found = messages.size() > before && messages.back().name == name;
  }
  gst_object_unref(bus);
  return found;
}

bool Bench::end() {
  gst_pad_push_event(pad_, gst_event_new_eos());
  return wait_for("eos");
}

const Message *Bench::find(const std::string &name, guint64 user) const {
  for (const auto &m : messages) {
    if (m.name == name && (user == 0 || m.user == user)) return &m;
  }
  return nullptr;
}

std::size_t Bench::count(const std::string &name) const {
  return static_cast<std::size_t>(std::count_if(messages.begin(), messages.end(),
                                                [&](const auto &m) { return m.name == name; }));
}

guint64 Bench::stat(const char *field) {
  GstStructure *stats = nullptr;
  g_object_get(sink_, "stats", &stats, nullptr);
  guint64 value = 0;
  require(gst_structure_get_uint64(stats, field, &value), field);
  gst_structure_free(stats);
  return value;
}

void Bench::wait_written(guint64 samples) {
  const gint64 limit = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;
  while (stat("samples") < samples) {
    require(g_get_monotonic_time() < limit, "samples written within a minute");
    g_usleep(200);
  }
}

gint16 noise(guint64 user, std::uint64_t position) {
  std::uint64_t x = user * 0x9e3779b97f4a7c15u + position * 0xbf58476d1ce4e5b9u;
  x ^= x >> 31;
  x *= 0x94d049bb133111ebu;
  x ^= x >> 29;
  // Never zero, so that silence can be told from it.
  return static_cast<gint16>(static_cast<int>(x % 8000) - 4000) | 1;
}

dv::Bytes read_bytes(const std::string &path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

Wav read_wav(const std::string &path) {
  const dv::Bytes b = read_bytes(path);
  Wav wav;
  if (b.size() < 12) return wav;
  for (std::size_t at = 12; at + 8 <= b.size();) {
    const std::string id(b.begin() + static_cast<long>(at), b.begin() + static_cast<long>(at + 4));
    const std::size_t size = little(b, at + 4, 4);
    if (id == "fmt ") {
      wav.channels = static_cast<unsigned>(little(b, at + 10, 2));
      wav.rate = static_cast<unsigned>(little(b, at + 12, 4));
    } else if (id == "data") {
      require(at + 8 + size <= b.size(), "the header promises more than there is");
      for (std::size_t i = 0; i + 1 < size; i += 2) {
        wav.samples.push_back(static_cast<gint16>(little(b, at + 8 + i, 2)));
      }
      break;
    }
    at += 8 + size + size % 2;
  }
  return wav;
}

bool is_noise(const Wav &wav, guint64 user, std::size_t at, std::size_t frames,
              std::uint64_t from) {
  if (at + frames > wav.frames()) return false;
  for (std::size_t i = 0; i < frames * 2; ++i) {
    if (wav.samples[at * 2 + i] != noise(user, from + i / 2)) return false;
  }
  return true;
}

std::int64_t find_noise(const Wav &wav, guint64 user, std::uint64_t from, std::size_t frames) {
  const std::uint64_t first = from > kFrame ? from - kFrame : 0;
  for (std::uint64_t at = first; at <= from + kFrame && at < wav.frames(); ++at) {
    if (wav.samples[at * 2] != noise(user, from)) continue;
    if (is_noise(wav, user, at, frames, from)) return static_cast<std::int64_t>(at);
  }
  return -1;
}

bool is_silent(const Wav &wav, std::size_t at, std::size_t frames) {
  if (at + frames > wav.frames()) return false;
  auto from = wav.samples.begin() + static_cast<long>(at * 2);
  return std::all_of(from, from + static_cast<long>(frames * 2), [](gint16 s) { return s == 0; });
}

std::string make_dir() {
  std::string pattern = (std::filesystem::temp_directory_path() / "filesink-XXXXXX").string();
  require(mkdtemp(pattern.data()) != nullptr, "mkdtemp");
  return pattern;
}

void remove_dir(const std::string &path) {
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
}

bool exists(const std::string &path) { return std::filesystem::exists(path); }

std::vector<std::string> list(const std::string &path) {
  std::vector<std::string> names;
  for (const auto &entry : std::filesystem::recursive_directory_iterator(path)) {
    names.push_back(entry.path().lexically_relative(path).string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace bench
