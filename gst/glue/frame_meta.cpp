// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/glue/frame_meta.hpp"

#include <cstring>

namespace {

// No tags: the facts stay true however the samples are converted.
const gchar *no_tags[] = {nullptr};

template <class Meta>
gboolean init_zero(GstMeta *meta, gpointer, GstBuffer *) {
  auto *bytes = reinterpret_cast<guint8 *>(meta);
  std::memset(bytes + sizeof(GstMeta), 0, sizeof(Meta) - sizeof(GstMeta));
  return TRUE;
}

template <class Meta>
void copy_fields(Meta *to, const Meta *from) {
  std::memcpy(reinterpret_cast<guint8 *>(to) + sizeof(GstMeta),
              reinterpret_cast<const guint8 *>(from) + sizeof(GstMeta),
              sizeof(Meta) - sizeof(GstMeta));
}

gboolean transform_frame(GstBuffer *dest, GstMeta *meta, GstBuffer *, GQuark, gpointer) {
  if (auto *copy = dv_buffer_add_rtp_frame_meta(dest)) {
    copy_fields(copy, reinterpret_cast<DvRtpFrameMeta *>(meta));
  }
  return TRUE;
}

gboolean transform_session(GstBuffer *dest, GstMeta *meta, GstBuffer *, GQuark, gpointer) {
  dv_buffer_add_session_meta(dest, reinterpret_cast<DvSessionMeta *>(meta)->session);
  return TRUE;
}

// GType names are process-wide: a test that links this code beside the plugin must meet the types
// the plugin has registered, not register them again.
GType api_type(const gchar *name) {
  const GType known = g_type_from_name(name);
  return known != 0 ? known : gst_meta_api_type_register(name, no_tags);
}

template <class Meta>
const GstMetaInfo *meta_info(GType api, const gchar *name, GstMetaTransformFunction transform) {
  const GstMetaInfo *known = gst_meta_get_info(name);
  if (known != nullptr) return known;
  return gst_meta_register(api, name, sizeof(Meta), init_zero<Meta>, nullptr, transform);
}

}  // namespace

GType dv_rtp_frame_meta_api_get_type() {
  static const GType type = api_type("DvRtpFrameMetaAPI");
  return type;
}

const GstMetaInfo *dv_rtp_frame_meta_get_info() {
  static const GstMetaInfo *info = meta_info<DvRtpFrameMeta>(dv_rtp_frame_meta_api_get_type(),
                                                             "DvRtpFrameMeta", transform_frame);
  return info;
}

DvRtpFrameMeta *dv_buffer_add_rtp_frame_meta(GstBuffer *buffer) {
  return reinterpret_cast<DvRtpFrameMeta *>(
      gst_buffer_add_meta(buffer, dv_rtp_frame_meta_get_info(), nullptr));
}

DvRtpFrameMeta *dv_buffer_get_rtp_frame_meta(GstBuffer *buffer) {
  return reinterpret_cast<DvRtpFrameMeta *>(
      gst_buffer_get_meta(buffer, dv_rtp_frame_meta_api_get_type()));
}

GType dv_session_meta_api_get_type() {
  static const GType type = api_type("DvSessionMetaAPI");
  return type;
}

const GstMetaInfo *dv_session_meta_get_info() {
  static const GstMetaInfo *info =
      meta_info<DvSessionMeta>(dv_session_meta_api_get_type(), "DvSessionMeta", transform_session);
  return info;
}

DvSessionMeta *dv_buffer_add_session_meta(GstBuffer *buffer, guint32 session) {
  auto *meta = reinterpret_cast<DvSessionMeta *>(
      gst_buffer_add_meta(buffer, dv_session_meta_get_info(), nullptr));
  if (meta != nullptr) meta->session = session;
  return meta;
}

DvSessionMeta *dv_buffer_get_session_meta(GstBuffer *buffer) {
  return reinterpret_cast<DvSessionMeta *>(
      gst_buffer_get_meta(buffer, dv_session_meta_api_get_type()));
}
