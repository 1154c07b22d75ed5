// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/reorder/gstreorderpad.hpp"

#include "gst/reorder/gstrtpjitterreorder.hpp"
#include "gst/reorder/reorder_stream.hpp"

namespace {
enum { PAD_PROP_0, PAD_PROP_SSRC, PAD_PROP_USER_ID, PAD_PROP_STATS, N_PAD_PROPS };
GParamSpec *pad_props[N_PAD_PROPS];
}  // namespace

struct _GstReorderPad {
  GstPad parent_instance;
  dv::StreamRef *stream;
};

G_DEFINE_FINAL_TYPE(GstReorderPad, dv_reorder_pad, GST_TYPE_PAD)

static GstStructure *pad_stats(GstReorderPad *self) {
  // The counters are guarded by the element; once it has let go of the pad nobody changes them.
  GstStructure *all = nullptr, *mine = nullptr;
  GstElement *element = gst_pad_get_parent_element(GST_PAD(self));
  if (element) {
    g_object_get(element, "stats", &all, nullptr);
    gst_object_unref(element);
  }
  const GValue *list = all ? gst_structure_get_value(all, "streams") : nullptr;
  for (guint i = 0; list && i < gst_value_array_get_size(list); ++i) {
    const GstStructure *one = gst_value_get_structure(gst_value_array_get_value(list, i));
    guint ssrc = 0, session = 0;
    gst_structure_get_uint(one, "ssrc", &ssrc);
    gst_structure_get_uint(one, "session", &session);
    if (ssrc != (*self->stream)->ssrc || session != (*self->stream)->session) continue;
    mine = gst_structure_copy(one);
    break;
  }
  if (all) gst_structure_free(all);
  return mine ? mine : gst_structure_new_empty("application/x-rtpjitterreorder-stream");
}

static void dv_reorder_pad_get_property(GObject *object, guint id, GValue *value,
                                        GParamSpec *pspec) {
  auto self = DV_REORDER_PAD(object);
  switch (id) {
    case PAD_PROP_SSRC:
      g_value_set_uint(value, (*self->stream)->ssrc);
      break;
    case PAD_PROP_USER_ID:
      g_value_set_uint64(value, (*self->stream)->user);
      break;
    case PAD_PROP_STATS:
      g_value_take_boxed(value, pad_stats(self));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
  }
}

static void dv_reorder_pad_finalize(GObject *object) {
  delete DV_REORDER_PAD(object)->stream;
  G_OBJECT_CLASS(dv_reorder_pad_parent_class)->finalize(object);
}

static void dv_reorder_pad_init(GstReorderPad *self) {
  self->stream = new dv::StreamRef(
      std::make_shared<dv::ReorderStream>(dv::SequenceConfig{}, dv::TimelineConfig{}));
}

static void dv_reorder_pad_class_init(GstReorderPadClass *klass) {
  auto object_class = G_OBJECT_CLASS(klass);
  object_class->get_property = dv_reorder_pad_get_property;
  object_class->finalize = dv_reorder_pad_finalize;
  constexpr auto flags = static_cast<GParamFlags>(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  /**
   * GstReorderPad:ssrc: Since: 0.1
   */
  pad_props[PAD_PROP_SSRC] = g_param_spec_uint(
      "ssrc", "SSRC", "RTP synchronisation source of this pad", 0, G_MAXUINT, 0, flags);
  /**
   * GstReorderPad:user-id: Since: 0.1
   */
  pad_props[PAD_PROP_USER_ID] = g_param_spec_uint64(
      "user-id", "User Id", "Numeric id of the user who speaks on this pad, 0 if not known (yet)",
      0, G_MAXUINT64, 0, flags);
  /**
   * GstReorderPad:stats: Since: 0.1
   */
  pad_props[PAD_PROP_STATS] =
      g_param_spec_boxed("stats", "Statistics", "Counters of this SSRC, as in the element's stats",
                         GST_TYPE_STRUCTURE, flags);
  g_object_class_install_properties(object_class, N_PAD_PROPS, pad_props);
  gst_type_mark_as_plugin_api(DV_TYPE_REORDER_PAD, static_cast<GstPluginAPIFlags>(0));
}

namespace dv {

GstPad *reorder_pad_new(GstPadTemplate *templ, const char *name, StreamRef stream) {
  auto pad = DV_REORDER_PAD(g_object_new(DV_TYPE_REORDER_PAD, "name", name, "direction",
                                         GST_PAD_SRC, "template", templ, nullptr));
  *pad->stream = std::move(stream);
  return GST_PAD(pad);
}

ReorderStream *reorder_pad_stream(GstPad *pad) { return DV_REORDER_PAD(pad)->stream->get(); }

static void store_sticky(GstPad *pad, GstEvent *event) {
  gst_pad_store_sticky_event(pad, event);
  gst_event_unref(event);
}

void reorder_pad_begin(GstPad *pad, GstElement *element, guint group_id, Ref<GstCaps> caps,
                       Ref<GstTagList> tags) {
  const ReorderStream &stream = *reorder_pad_stream(pad);
  Ref<gchar> tail(stream.cname.empty()
                      ? g_strdup_printf("ssrc-%u", stream.ssrc)
                      : g_strdup_printf("%s/ssrc-%u", stream.cname.c_str(), stream.ssrc));
  Ref<gchar> id(gst_pad_create_stream_id(pad, element, tail.get()));
  GstEvent *start = gst_event_new_stream_start(id.get());
  gst_event_set_group_id(start, group_id);
  store_sticky(pad, start);
  if (caps) store_sticky(pad, gst_event_new_caps(caps.get()));
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  store_sticky(pad, gst_event_new_segment(&segment));
  if (tags) store_sticky(pad, gst_event_new_tag(tags.release()));
}

void reorder_pad_complete_caps(GstPad *pad) {
  Ref<GstCaps> ours(gst_pad_get_current_caps(pad));
  if (!ours) return;
  Ref<GstCaps> wanted(gst_pad_peer_query_caps(pad, ours.get()));
  if (!wanted || gst_caps_is_empty(wanted.get()) || gst_caps_is_any(wanted.get())) return;
  Ref<GstCaps> both(gst_caps_intersect_full(ours.get(), wanted.get(), GST_CAPS_INTERSECT_FIRST));
  if (gst_caps_is_empty(both.get())) return;
  both.reset(gst_caps_fixate(both.release()));
  if (!gst_caps_is_equal(both.get(), ours.get())) {
    gst_pad_push_event(pad, gst_event_new_caps(both.get()));
  }
}

}  // namespace dv
