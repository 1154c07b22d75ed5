// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

#include <exception>
#include <memory>

namespace dv {

/** One deleter for every reference-counted or freeable type of GLib and GStreamer. */
struct Release {
  void operator()(GstBuffer *p) const noexcept { gst_buffer_unref(p); }
  void operator()(GstBufferList *p) const noexcept { gst_buffer_list_unref(p); }
  void operator()(GstCaps *p) const noexcept { gst_caps_unref(p); }
  void operator()(GstEvent *p) const noexcept { gst_event_unref(p); }
  void operator()(GstQuery *p) const noexcept { gst_query_unref(p); }
  void operator()(GstMessage *p) const noexcept { gst_message_unref(p); }
  void operator()(GstStructure *p) const noexcept { gst_structure_free(p); }
  void operator()(GstTagList *p) const noexcept { gst_tag_list_unref(p); }
  void operator()(GstContext *p) const noexcept { gst_context_unref(p); }
  void operator()(GstPad *p) const noexcept { gst_object_unref(p); }
  void operator()(GstElement *p) const noexcept { gst_object_unref(p); }
  void operator()(GstBus *p) const noexcept { gst_object_unref(p); }
  void operator()(GstClock *p) const noexcept { gst_object_unref(p); }
  void operator()(GstObject *p) const noexcept { gst_object_unref(p); }
  void operator()(GError *p) const noexcept { g_error_free(p); }
  void operator()(GMainContext *p) const noexcept { g_main_context_unref(p); }
  void operator()(GMainLoop *p) const noexcept { g_main_loop_unref(p); }
  void operator()(GBytes *p) const noexcept { g_bytes_unref(p); }
  void operator()(GSource *p) const noexcept {
    g_source_destroy(p);
    g_source_unref(p);
  }
  void operator()(GObject *p) const noexcept { g_object_unref(p); }
  void operator()(gchar *p) const noexcept { g_free(p); }
};

/** Owns one reference. Give it up with `release()` in the very call that takes it. */
template <class T>
using Ref = std::unique_ptr<T, Release>;

/** Holds the GST_OBJECT_LOCK: for properties, for the time of a copy, and for nothing else. */
class ObjectLock {
 public:
  explicit ObjectLock(gpointer object) : object_(GST_OBJECT_CAST(object)) {
    GST_OBJECT_LOCK(object_);
  }
  ~ObjectLock() { GST_OBJECT_UNLOCK(object_); }
  ObjectLock(const ObjectLock &) = delete;
  ObjectLock &operator=(const ObjectLock &) = delete;

 private:
  GstObject *object_;
};

/** Runs C++ that may throw behind a C vfunc: what is thrown becomes one error message. */
template <class R, class F>
R guarded(gpointer element, R on_throw, F &&body) noexcept {
  try {
    return body();
  } catch (const std::exception &e) {
    GST_ELEMENT_ERROR(GST_ELEMENT_CAST(element), LIBRARY, FAILED, (nullptr), ("%s", e.what()));
  }
  return on_throw;
}

}  // namespace dv
