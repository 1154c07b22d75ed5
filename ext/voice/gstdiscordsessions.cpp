// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/voice/gstdiscordsessions.hpp"

#include <utility>

using dv::voice::MainSessions;

struct _GstDiscordSessions {
  GObject parent_instance;
  std::shared_ptr<MainSessions> *sessions;
};

G_DEFINE_FINAL_TYPE(GstDiscordSessions, dv_discord_sessions, G_TYPE_OBJECT)

static void dv_discord_sessions_init(GstDiscordSessions *self) {
  self->sessions = new std::shared_ptr<MainSessions>(std::make_shared<MainSessions>());
}

static void dv_discord_sessions_finalize(GObject *object) {
  delete DV_DISCORD_SESSIONS(object)->sessions;
  G_OBJECT_CLASS(dv_discord_sessions_parent_class)->finalize(object);
}

static void dv_discord_sessions_class_init(GstDiscordSessionsClass *klass) {
  G_OBJECT_CLASS(klass)->finalize = dv_discord_sessions_finalize;
}

namespace dv::voice {
namespace {
constexpr char kField[] = "sessions";
}

const std::shared_ptr<MainSessions> &default_sessions() {
  static const auto sessions = std::make_shared<MainSessions>();
  return sessions;
}

GstContext *sessions_context_new(std::shared_ptr<MainSessions> sessions) {
  auto *object = DV_DISCORD_SESSIONS(g_object_new(DV_TYPE_DISCORD_SESSIONS, nullptr));
  *object->sessions = std::move(sessions);
  GstContext *context = gst_context_new(kSessionsContext, TRUE);
  gst_structure_set(gst_context_writable_structure(context), kField, DV_TYPE_DISCORD_SESSIONS,
                    object, nullptr);
  g_object_unref(object);
  return context;
}

std::shared_ptr<MainSessions> sessions_from_context(GstContext *context) {
  const GValue *value = gst_structure_get_value(gst_context_get_structure(context), kField);
  if (value == nullptr || !G_VALUE_HOLDS_OBJECT(value)) return nullptr;
  auto *object = g_value_get_object(value);
  return DV_IS_DISCORD_SESSIONS(object) ? *DV_DISCORD_SESSIONS(object)->sessions : nullptr;
}

}  // namespace dv::voice
