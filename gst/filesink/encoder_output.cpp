// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/filesink/encoder_output.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "gst/filesink/opus_packet.hpp"
#include "gst/filesink/pcm_converter.hpp"
#include "gst/filesink/placement.hpp"

namespace dv {
namespace {

// Encoder and decoder delay of MP3 at any rate: files without a LAME tag play that much late.
constexpr std::uint64_t kMp3Delay = 1105;
constexpr std::uint32_t kOpusPage = 48 * 180, kOpusSilencePage = 48000;
// A packet this short holds silence.
constexpr std::size_t kOpusSilence = 3;
constexpr std::uint64_t kFlacBlock = 4096;
constexpr auto kFinishLimit = std::chrono::seconds(10);

Ref<GstCaps> caps_of(const PcmFormat &pcm) {
  const GstAudioInfo info = audio_info_of(pcm);
  return Ref<GstCaps>(gst_audio_info_to_caps(&info));
}

std::vector<const char *> elements_of(TrackFormat format) {
  switch (format) {
    case TrackFormat::mp3:
      return {"audioconvert", "audioresample", "lamemp3enc", "id3v2mux"};
    case TrackFormat::opus:
      return {"audioconvert", "audioresample", "opusenc"};
    case TrackFormat::profile:
      return {"encodebin"};
    default:
      return {"audioconvert", "audioresample", "flacenc"};
  }
}

void tune(GstElement *element) {
  const gchar *factory = GST_OBJECT_NAME(gst_element_get_factory(element));
  if (g_str_equal(factory, "lamemp3enc")) {
    // A constant rate tells players the length without a header that only the end could write.
    gst_util_set_object_arg(G_OBJECT(element), "target", "bitrate");
    g_object_set(element, "cbr", TRUE, "bitrate", 128, nullptr);
  } else if (g_str_equal(factory, "flacenc")) {
    g_object_set(element, "blocksize", static_cast<guint>(kFlacBlock), "seekpoints", 0, nullptr);
  } else if (g_str_equal(factory, "opusenc")) {
    // At a constant rate silence would take as much as speech.
    gst_util_set_object_arg(G_OBJECT(element), "bitrate-type", "vbr");
    g_object_set(element, "bitrate", 64000, nullptr);
  }
}

}  // namespace

EncoderOutput::EncoderOutput(GstBin *host, std::unique_ptr<OutputFile> file, Setup setup)
    : host_(host), file_(std::move(file)), setup_(std::move(setup)) {
  if (setup_.format == TrackFormat::mp3) lead_ = kMp3Delay;
}

EncoderOutput::~EncoderOutput() { stop(); }

bool EncoderOutput::build() {
  bin_.reset(GST_ELEMENT(gst_object_ref_sink(gst_bin_new(setup_.name.c_str()))));
  for (const char *factory : elements_of(setup_.format)) {
    GstElement *element = gst_element_factory_make(factory, nullptr);
    if (element == nullptr) {
      error_ =
          FileError{ENOENT, std::string("find the element ") + factory + " for", file_->path()};
      return false;
    }
    tune(element);
    if (setup_.profile != nullptr) g_object_set(element, "profile", setup_.profile, nullptr);
    gst_bin_add(GST_BIN(bin_.get()), element);
    if (last_ != nullptr && !gst_element_link(last_, element)) return false;
    if (first_ == nullptr) first_ = element;
    last_ = element;
  }
  return true;
}

Ref<GstPad> EncoderOutput::encoder_pad() {
  GstPad *pad = gst_element_get_static_pad(first_, "sink");
  // A profile of a bare codec has its pad from the start, one with a container on request.
  if (pad == nullptr) pad = gst_element_get_static_pad(first_, "audio_0");
  if (pad == nullptr) pad = gst_element_request_pad_simple(first_, "audio_%u");
  return Ref<GstPad>(pad);
}

std::optional<std::string> EncoderOutput::start() {
  if (!build()) {
    return error_ ? error_->doing : std::string("link the encoder");
  }
  Ref<GstPad> in = encoder_pad();
  Ref<GstPad> out(gst_element_get_static_pad(last_, "src"));
  if (!in || !out) return "find the pads of the encoder";
  feed_.reset(GST_PAD(gst_object_ref_sink(gst_pad_new("feed", GST_PAD_SRC))));
  end_.reset(GST_PAD(gst_object_ref_sink(gst_pad_new("end", GST_PAD_SINK))));
  gst_pad_set_element_private(end_.get(), this);
  gst_pad_set_chain_function(end_.get(), end_chain);
  gst_pad_set_event_function(end_.get(), end_event);
  gst_pad_set_query_function(end_.get(), end_query);
  gst_element_add_pad(bin_.get(), gst_ghost_pad_new("sink", in.get()));
  gst_element_add_pad(bin_.get(), gst_ghost_pad_new("src", out.get()));
  gst_bin_add(host_, bin_.get());
  Ref<GstPad> ghost_in(gst_element_get_static_pad(bin_.get(), "sink"));
  Ref<GstPad> ghost_out(gst_element_get_static_pad(bin_.get(), "src"));
  gst_pad_set_active(end_.get(), TRUE);
  gst_pad_set_active(feed_.get(), TRUE);
  if (gst_pad_link_full(ghost_out.get(), end_.get(), GST_PAD_LINK_CHECK_NOTHING) !=
          GST_PAD_LINK_OK ||
      gst_pad_link_full(feed_.get(), ghost_in.get(), GST_PAD_LINK_CHECK_NOTHING) !=
          GST_PAD_LINK_OK) {
    return "link the encoder";
  }
  // Not the state of the sink: that may be on its way down while a last file is begun.
  gst_element_set_locked_state(bin_.get(), TRUE);
  if (gst_element_set_state(bin_.get(), GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE) {
    return "start the encoder";
  }
  push_start();
  return std::nullopt;
}

void EncoderOutput::push_start() {
  gst_pad_push_event(feed_.get(), gst_event_new_stream_start(setup_.name.c_str()));
  gst_pad_push_event(feed_.get(), gst_event_new_caps(caps_of(setup_.pcm).get()));
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  gst_pad_push_event(feed_.get(), gst_event_new_segment(&segment));
  GstTagList *tags = gst_tag_list_new_empty();
  auto add = [tags](const gchar *tag, const std::string &text) {
    if (!text.empty()) gst_tag_list_add(tags, GST_TAG_MERGE_REPLACE, tag, text.c_str(), nullptr);
  };
  add(GST_TAG_TITLE, setup_.tags.title);
  add(GST_TAG_ARTIST, setup_.tags.artist);
  add(GST_TAG_COMMENT, setup_.tags.comment);
  gst_pad_push_event(feed_.get(), gst_event_new_tag(tags));
}

std::optional<FileError> EncoderOutput::outcome(GstFlowReturn flow) {
  std::lock_guard lock(mutex_);
  if (error_) {
    failed_ = true;
    return error_;
  }
  if (flow == GST_FLOW_OK) return std::nullopt;
  failed_ = true;
  return FileError{EIO, std::string("encode (") + gst_flow_get_name(flow) + ") into",
                   file_->path()};
}

std::optional<FileError> EncoderOutput::push(GstBuffer *buffer, std::uint64_t samples) {
  const Time from = time_of(static_cast<std::int64_t>(fed_), setup_.pcm.rate);
  const Time to = time_of(static_cast<std::int64_t>(fed_ + samples), setup_.pcm.rate);
  GST_BUFFER_PTS(buffer) = static_cast<GstClockTime>(from.count());
  GST_BUFFER_DURATION(buffer) = static_cast<GstClockTime>((to - from).count());
  fed_ += samples;
  return outcome(gst_pad_push(feed_.get(), buffer));
}

std::optional<FileError> EncoderOutput::push_zeros(std::uint64_t samples) {
  const std::uint64_t chunk = setup_.pcm.rate;
  const std::size_t frame = setup_.pcm.frame_bytes();
  if (!zeros_ && samples > 0) {
    zeros_.reset(gst_buffer_new_allocate(nullptr, chunk * frame, nullptr));
    gst_buffer_memset(zeros_.get(), 0, 0, chunk * frame);
  }
  while (samples > 0) {
    const std::uint64_t now = std::min(samples, chunk);
    GstBuffer *piece = gst_buffer_copy_region(zeros_.get(), GST_BUFFER_COPY_MEMORY, 0, now * frame);
    if (auto error = push(piece, now)) return error;
    samples -= now;
  }
  return std::nullopt;
}

std::optional<FileError> EncoderOutput::write_silence(std::uint64_t samples) {
  if (failed_) return std::nullopt;
  total_ += samples;
  if (fed_ == 0 && lead_ > 0) {
    const std::uint64_t take = std::min(samples, lead_);
    lead_ -= take;
    taken_ += take;
    samples -= take;
  }
  return push_zeros(samples);
}

std::optional<FileError> EncoderOutput::write(ByteView data, std::uint64_t samples) {
  if (failed_) return std::nullopt;
  total_ += samples;
  GstBuffer *buffer = gst_buffer_new_memdup(data.data(), data.size());
  return push(buffer, samples);
}

std::optional<FileError> EncoderOutput::settle() {
  std::lock_guard lock(mutex_);
  if (!ogg_ || error_ || !std::exchange(speech_waits_, false)) return std::nullopt;
  return error_ = file_->write_whole(file_->size(), ogg_->flush());
}

std::optional<FileError> EncoderOutput::finish() {
  std::optional<FileError> error;
  if (!failed_) error = push_zeros(taken_);
  // flacenc sends its events out of order when it ends before the first whole block.
  if (!failed_ && setup_.format == TrackFormat::flac && fed_ <= kFlacBlock) {
    error = push_zeros(kFlacBlock + 1 - fed_);
  }
  if (!failed_) {
    gst_pad_push_event(feed_.get(), gst_event_new_eos());
    std::unique_lock lock(mutex_);
    ended_.wait_for(lock, kFinishLimit, [this] { return eos_ || error_.has_value(); });
    if (!eos_ && !error_) error_ = FileError{ETIMEDOUT, "complete", file_->path()};
    error = error_;
  }
  stop();
  auto closed = file_->finish();
  return error ? error : closed;
}

void EncoderOutput::stop() {
  if (!bin_) return;
  gst_element_set_state(bin_.get(), GST_STATE_NULL);
  if (feed_) gst_pad_set_active(feed_.get(), FALSE);
  if (end_) gst_pad_set_active(end_.get(), FALSE);
  if (GST_OBJECT_PARENT(bin_.get()) != nullptr) gst_bin_remove(host_, bin_.get());
  bin_.reset();
}

std::optional<FileError> EncoderOutput::store_packet(ByteView packet, GstBuffer *buffer) {
  if (GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_HEADER) || !ogg_) return std::nullopt;
  const auto samples = opus_packet_samples(packet);
  if (!samples) return std::nullopt;
  // What the encoder adds behind the end is nothing but padding.
  if (ogg_->samples() >= fed_ * 48000 / setup_.pcm.rate) return std::nullopt;
  const bool silence = packet.size() <= kOpusSilence;
  const std::uint32_t page = silence ? kOpusSilencePage : kOpusPage;
  speech_waits_ = speech_waits_ || !silence;
  return file_->write_whole(file_->size(), ogg_->add(packet, *samples, page));
}

std::optional<FileError> EncoderOutput::store(GstBuffer *buffer) {
  GstMapInfo map;
  if (!gst_buffer_map(buffer, &map, GST_MAP_READ))
    return FileError{ENOMEM, "write to", file_->path()};
  const ByteView bytes(map.data, map.size);
  std::optional<FileError> error;
  if (setup_.format == TrackFormat::opus) {
    error = store_packet(bytes, buffer);
  } else {
    error = file_->write_whole(offset_, bytes);
    offset_ += map.size;
  }
  gst_buffer_unmap(buffer, &map);
  return error;
}

GstFlowReturn EncoderOutput::end_chain(GstPad *pad, GstObject *, GstBuffer *raw) {
  Ref<GstBuffer> buffer(raw);
  auto self = static_cast<EncoderOutput *>(gst_pad_get_element_private(pad));
  std::lock_guard lock(self->mutex_);
  if (self->error_) return GST_FLOW_ERROR;
  self->error_ = self->store(buffer.get());
  if (!self->error_) return GST_FLOW_OK;
  self->ended_.notify_all();
  return GST_FLOW_ERROR;
}

void EncoderOutput::read_opus_head(GstCaps *caps) {
  if (setup_.format != TrackFormat::opus || ogg_) return;
  OpusHead head{static_cast<std::uint8_t>(std::min<unsigned>(setup_.pcm.channels, 2)), 312,
                setup_.pcm.rate};
  const GValue *headers = gst_structure_get_value(gst_caps_get_structure(caps, 0), "streamheader");
  if (headers != nullptr && GST_VALUE_HOLDS_ARRAY(headers) &&
      gst_value_array_get_size(headers) > 0) {
    GstBuffer *first = gst_value_get_buffer(gst_value_array_get_value(headers, 0));
    guint8 raw[12] = {};
    if (first != nullptr && gst_buffer_extract(first, 0, raw, sizeof raw) == sizeof raw) {
      head.channels = raw[9];
      head.pre_skip = static_cast<std::uint16_t>(raw[10] | raw[11] << 8);
    }
  }
  ogg_ = std::make_unique<OggOpusWriter>(setup_.serial, head);
  error_ = file_->write_whole(0, ogg_->headers(setup_.tags));
}

gboolean EncoderOutput::end_event(GstPad *pad, GstObject *parent, GstEvent *event) {
  auto self = static_cast<EncoderOutput *>(gst_pad_get_element_private(pad));
  {
    std::lock_guard lock(self->mutex_);
    if (GST_EVENT_TYPE(event) == GST_EVENT_CAPS) {
      GstCaps *caps = nullptr;
      gst_event_parse_caps(event, &caps);
      self->read_opus_head(caps);
    } else if (GST_EVENT_TYPE(event) == GST_EVENT_SEGMENT) {
      const GstSegment *segment = nullptr;
      gst_event_parse_segment(event, &segment);
      if (segment->format == GST_FORMAT_BYTES) self->offset_ = segment->start;
    } else if (GST_EVENT_TYPE(event) == GST_EVENT_EOS) {
      if (self->ogg_ && !self->error_) {
        const std::uint64_t total = self->fed_ * 48000 / self->setup_.pcm.rate;
        self->error_ = self->file_->write_whole(self->file_->size(), self->ogg_->finish(total));
      }
      self->eos_ = true;
      self->ended_.notify_all();
    }
  }
  (void)parent;
  gst_event_unref(event);
  return TRUE;
}

gboolean EncoderOutput::end_query(GstPad *pad, GstObject *parent, GstQuery *query) {
  if (GST_QUERY_TYPE(query) == GST_QUERY_SEEKING) {
    GstFormat format;
    gst_query_parse_seeking(query, &format, nullptr, nullptr, nullptr);
    gst_query_set_seeking(query, GST_FORMAT_BYTES, format == GST_FORMAT_BYTES, 0, -1);
    return TRUE;
  }
  return gst_pad_query_default(pad, parent, query);
}

}  // namespace dv
