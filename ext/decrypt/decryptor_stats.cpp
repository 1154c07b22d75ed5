// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/decrypt/decryptor.hpp"

namespace dv {
namespace {

void set_count(GstStructure *s, const char *name, std::uint64_t value) {
  gst_structure_set(s, name, G_TYPE_UINT64, static_cast<guint64>(value), nullptr);
}

void set_account(GstStructure *s, const Account &account) {
  set_count(s, "received", account.received);
  for (std::size_t v = 0; v < kVerdicts; ++v) {
    set_count(s, stats_name(static_cast<Verdict>(v)), account.by[v]);
  }
  set_count(s, "pending", account.pending());
}

GstStructure *stream_structure(const StatsBook::Stream &stream) {
  GstStructure *s =
      gst_structure_new("application/x-discorddecrypt-stream-stats", "session", G_TYPE_UINT,
                        stream.session, "ssrc", G_TYPE_UINT, stream.ssrc, "user-id", G_TYPE_UINT64,
                        static_cast<guint64>(stream.user), nullptr);
  set_account(s, stream.account);
  set_count(s, "lost", stream.lost);
  set_count(s, "concealed", stream.concealed);
  return s;
}

void set_workers(GstStructure *s, const std::shared_ptr<Engine> &engine) {
  const auto pids = engine ? engine->workers() : std::vector<std::int64_t>{};
  set_count(s, "workers", pids.size());
  GValue list = G_VALUE_INIT;
  gst_value_array_init(&list, static_cast<guint>(pids.size()));
  for (const std::int64_t pid : pids) {
    GValue item = G_VALUE_INIT;
    g_value_init(&item, G_TYPE_INT64);
    g_value_set_int64(&item, pid);
    gst_value_array_append_and_take_value(&list, &item);
  }
  gst_structure_take_value(s, "worker-pids", &list);
}

}  // namespace

void Decryptor::reset_stats() {
  std::lock_guard lock(stats_mutex_);
  book_.clear();
  workers_started_ = restarts_ = 0;
  confinement_.clear();
}

GstStructure *Decryptor::stats() const {
  std::vector<StatsBook::Stream> streams;
  GstStructure *s = gst_structure_new_empty("application/x-discorddecrypt-stats");
  {
    std::lock_guard lock(stats_mutex_);
    set_account(s, book_.total());
    set_count(s, "lost", book_.total_lost());
    set_count(s, "concealed", book_.total_concealed());
    set_count(s, "workers-started", workers_started_);
    set_count(s, "restarts", restarts_);
    gst_structure_set(s, "confinement", G_TYPE_STRING, confinement_.c_str(), nullptr);
    streams = book_.streams();
  }
  set_workers(s, shared_engine());
  GValue list = G_VALUE_INIT;
  gst_value_array_init(&list, static_cast<guint>(streams.size()));
  for (const auto &stream : streams) {
    GValue item = G_VALUE_INIT;
    g_value_init(&item, GST_TYPE_STRUCTURE);
    g_value_take_boxed(&item, stream_structure(stream));
    gst_value_array_append_and_take_value(&list, &item);
  }
  gst_structure_take_value(s, "streams", &list);
  return s;
}

}  // namespace dv
