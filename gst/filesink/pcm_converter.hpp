// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/audio/audio.h>

#include <memory>

#include "gst/filesink/wav_header.hpp"
#include "gst/glue/ref.hpp"

namespace dv {

GstAudioInfo audio_info_of(const PcmFormat &pcm);

/** Brings samples of one format into another: for a track whose source changes its format. */
class PcmConverter {
 public:
  PcmConverter(const PcmFormat &from, const PcmFormat &to);
  bool from(const PcmFormat &format) const { return from_ == format; }
  /** Null when the conversion is impossible. */
  Ref<GstBuffer> convert(GstBuffer *buffer);

 private:
  struct Free {
    void operator()(GstAudioConverter *p) const { gst_audio_converter_free(p); }
  };
  PcmFormat from_, to_;
  std::unique_ptr<GstAudioConverter, Free> converter_;
};

}  // namespace dv
