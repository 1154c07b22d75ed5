// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/audio/audio.h>
#include <gst/pbutils/encoding-profile.h>

#include <condition_variable>
#include <memory>
#include <mutex>

#include "gst/filesink/naming.hpp"
#include "gst/filesink/ogg_opus.hpp"
#include "gst/filesink/track_output.hpp"
#include "gst/glue/ref.hpp"

namespace dv {

/**
 * PCM through stock encoder elements into a file. The elements sit in a bin inside the
 * sink, so that applications can reach them, and have no thread of their own: they run in that of
 * whoever writes. Where a profile brings queues, the end of the file is waited for.
 *
 * The file is written by the pad at the end of the chain and not by filesink, which can neither
 * create it with mode 0600 nor leave an existing one alone.
 */
class EncoderOutput final : public TrackOutput {
 public:
  struct Setup {
    TrackFormat format = TrackFormat::flac;
    GstEncodingProfile *profile = nullptr;  ///< borrowed; for TrackFormat::profile
    std::string name;                       ///< of the bin
    std::uint32_t serial = 0;
    PcmFormat pcm;
    TrackTags tags;
  };

  EncoderOutput(GstBin *host, std::unique_ptr<OutputFile> file, Setup setup);
  ~EncoderOutput() override;

  /** Makes and starts the elements; on failure says which one is missing. */
  std::optional<std::string> start();
  std::optional<FileError> write_silence(std::uint64_t samples) override;
  std::optional<FileError> write(ByteView data, std::uint64_t samples) override;
  std::optional<FileError> settle() override;
  std::optional<FileError> finish() override;
  const OutputFile &file() const override { return *file_; }
  GstElement *bin() const { return bin_.get(); }

 private:
  bool build();
  Ref<GstPad> encoder_pad();
  void push_start();
  std::optional<FileError> push(GstBuffer *buffer, std::uint64_t samples);
  std::optional<FileError> push_zeros(std::uint64_t samples);
  std::optional<FileError> outcome(GstFlowReturn flow);
  void stop();

  // The pad at the end, called from whatever thread the encoder pushes in.
  static GstFlowReturn end_chain(GstPad *pad, GstObject *parent, GstBuffer *buffer);
  static gboolean end_event(GstPad *pad, GstObject *parent, GstEvent *event);
  static gboolean end_query(GstPad *pad, GstObject *parent, GstQuery *query);
  std::optional<FileError> store(GstBuffer *buffer);
  std::optional<FileError> store_packet(ByteView packet, GstBuffer *buffer);
  void read_opus_head(GstCaps *caps);

  GstBin *host_;  // outlives every output: the recording is ended before the bin goes
  std::unique_ptr<OutputFile> file_;
  Setup setup_;
  Ref<GstElement> bin_;
  GstElement *first_ = nullptr;  // inside bin_
  GstElement *last_ = nullptr;
  Ref<GstPad> feed_, end_;
  Ref<GstBuffer> zeros_;
  std::uint64_t fed_ = 0;    ///< samples pushed into the encoder
  std::uint64_t lead_ = 0;   ///< encoder delay still to be taken from leading silence
  std::uint64_t taken_ = 0;  ///< the part of it that was
  std::uint64_t total_ = 0;  ///< samples of the track
  bool failed_ = false;

  std::mutex mutex_;  // what follows; held over file writes only
  std::condition_variable ended_;
  std::optional<FileError> error_;
  std::unique_ptr<OggOpusWriter> ogg_;
  std::uint64_t offset_ = 0;
  bool speech_waits_ = false, eos_ = false;
};

}  // namespace dv
