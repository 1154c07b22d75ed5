// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/glue/key_event.hpp"

namespace dv {
namespace {

constexpr char kName[] = "discord-key-store";
constexpr char kField[] = "store";
using Handle = std::shared_ptr<KeyStore>;

gpointer handle_copy(gpointer handle) { return new Handle(*static_cast<Handle *>(handle)); }
void handle_free(gpointer handle) { delete static_cast<Handle *>(handle); }

GType handle_type() {
  // Known already when a test links this code beside the plugin.
  static const GType type = [] {
    const GType known = g_type_from_name("DvKeyStoreHandle");
    return known != 0 ? known
                      : g_boxed_type_register_static("DvKeyStoreHandle", handle_copy, handle_free);
  }();
  return type;
}

}  // namespace

GstEvent *key_store_event_new(std::shared_ptr<KeyStore> store) {
  GstStructure *s = gst_structure_new_empty(kName);
  GValue value = G_VALUE_INIT;
  g_value_init(&value, handle_type());
  g_value_set_boxed(&value, &store);
  gst_structure_take_value(s, kField, &value);
  return gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM_STICKY, s);
}

std::shared_ptr<KeyStore> key_store_from_event(GstEvent *event) {
  if (GST_EVENT_TYPE(event) != GST_EVENT_CUSTOM_DOWNSTREAM_STICKY) return nullptr;
  const GstStructure *s = gst_event_get_structure(event);
  if (s == nullptr || !gst_structure_has_name(s, kName)) return nullptr;
  const GValue *value = gst_structure_get_value(s, kField);
  if (value == nullptr || !G_VALUE_HOLDS(value, handle_type())) return nullptr;
  return *static_cast<const Handle *>(g_value_get_boxed(value));
}

}  // namespace dv
