// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/server/loop.hpp"

#include <glib-unix.h>

#include <condition_variable>
#include <mutex>

namespace dv::server {

struct Loop::Source {
  Loop *loop;
  TimerId id;
  bool once;
  Task task;
};

namespace {
gboolean run_posted(gpointer data) {
  (*static_cast<Loop::Task *>(data))();
  return G_SOURCE_REMOVE;
}
}  // namespace

Loop::Loop() : context_(g_main_context_new()), loop_(g_main_loop_new(context_, FALSE)) {
  thread_ = std::thread([this] {
    g_main_context_push_thread_default(context_);
    g_main_loop_run(loop_);
    g_main_context_pop_thread_default(context_);
  });
}

Loop::~Loop() {
  run([this] {
    for (auto &[id, source] : sources_) {
      g_source_destroy(source);
      g_source_unref(source);
    }
    sources_.clear();
  });
  post([this] { g_main_loop_quit(loop_); });
  thread_.join();
  g_main_loop_unref(loop_);
  g_main_context_unref(context_);
}

void Loop::run(const Task &task) {
  if (std::this_thread::get_id() == thread_.get_id()) {
    task();
    return;
  }
  std::mutex mutex;
  std::condition_variable done_changed;
  bool done = false;
  post([&] {
    task();
    std::lock_guard lock(mutex);
    done = true;
    done_changed.notify_one();
  });
  std::unique_lock lock(mutex);
  done_changed.wait(lock, [&] { return done; });
}

void Loop::post(Task task) {
  GSource *source = g_idle_source_new();
  g_source_set_priority(source, G_PRIORITY_DEFAULT);
  g_source_set_callback(source, run_posted, new Task(std::move(task)),
                        [](gpointer data) { delete static_cast<Task *>(data); });
  g_source_attach(source, context_);
  g_source_unref(source);
}

Time Loop::now() { return Time(std::chrono::steady_clock::now().time_since_epoch()); }

Loop::TimerId Loop::attach(GSource *source, bool once, Task task) {
  const TimerId id = next_id_++;
  auto *state = new Source{this, id, once, std::move(task)};
  const auto destroy = [](gpointer data) { delete static_cast<Source *>(data); };
  GSourceFunc timer = [](gpointer data) -> gboolean {
    auto *self = static_cast<Source *>(data);
    const bool last = self->once;
    if (last) {
      auto it = self->loop->sources_.find(self->id);
      if (it != self->loop->sources_.end()) {
        g_source_unref(it->second);
        self->loop->sources_.erase(it);
      }
    }
    self->task();
    return last ? G_SOURCE_REMOVE : G_SOURCE_CONTINUE;
  };
  g_source_set_callback(source, timer, state, destroy);
  g_source_attach(source, context_);
  sources_[id] = source;
  return id;
}

Loop::TimerId Loop::after(Time delay, Task task) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(delay).count();
  return attach(g_timeout_source_new(static_cast<guint>(ms)), true, std::move(task));
}

Loop::TimerId Loop::every(Time period, Task task) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(period).count();
  return attach(g_timeout_source_new(static_cast<guint>(ms)), false, std::move(task));
}

Loop::TimerId Loop::on_readable(int fd, Task ready) {
  const TimerId id = next_id_++;
  auto *state = new Source{this, id, false, std::move(ready)};
  GSource *source = g_unix_fd_source_new(fd, G_IO_IN);
  GUnixFDSourceFunc readable = [](gint, GIOCondition, gpointer data) -> gboolean {
    static_cast<Source *>(data)->task();
    return G_SOURCE_CONTINUE;
  };
  g_source_set_callback(source, G_SOURCE_FUNC(readable), state,
                        [](gpointer data) { delete static_cast<Source *>(data); });
  g_source_attach(source, context_);
  sources_[id] = source;
  return id;
}

void Loop::cancel(TimerId id) {
  auto it = sources_.find(id);
  if (it == sources_.end()) return;
  GSource *source = it->second;
  sources_.erase(it);
  g_source_destroy(source);
  g_source_unref(source);
}

}  // namespace dv::server
