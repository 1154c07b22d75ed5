// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/filesink/pcm_converter.hpp"

namespace dv {

GstAudioInfo audio_info_of(const PcmFormat &pcm) {
  GstAudioInfo info;
  gst_audio_info_set_format(&info, pcm.is_float ? GST_AUDIO_FORMAT_F32LE : GST_AUDIO_FORMAT_S16LE,
                            static_cast<gint>(pcm.rate), pcm.channels, nullptr);
  return info;
}

PcmConverter::PcmConverter(const PcmFormat &from, const PcmFormat &to) : from_(from), to_(to) {
  GstAudioInfo in = audio_info_of(from), out = audio_info_of(to);
  converter_.reset(gst_audio_converter_new(GST_AUDIO_CONVERTER_FLAG_NONE, &in, &out, nullptr));
}

Ref<GstBuffer> PcmConverter::convert(GstBuffer *buffer) {
  GstMapInfo map;
  if (!converter_ || !gst_buffer_map(buffer, &map, GST_MAP_READ)) return nullptr;
  const gsize frames = map.size / from_.frame_bytes();
  const gsize out_frames = gst_audio_converter_get_out_frames(converter_.get(), frames);
  Ref<GstBuffer> out(gst_buffer_new_allocate(nullptr, out_frames * to_.frame_bytes(), nullptr));
  GstMapInfo to;
  gst_buffer_map(out.get(), &to, GST_MAP_WRITE);
  gpointer in_planes[] = {map.data}, out_planes[] = {to.data};
  const gboolean done = gst_audio_converter_samples(converter_.get(), GST_AUDIO_CONVERTER_FLAG_NONE,
                                                    in_planes, frames, out_planes, out_frames);
  gst_buffer_unmap(out.get(), &to);
  gst_buffer_unmap(buffer, &map);
  return done ? std::move(out) : nullptr;
}

}  // namespace dv
