// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/voice/net/loop.hpp"

#include <condition_variable>
#include <mutex>

namespace dv::voice {
namespace {

using Task = std::function<void()>;

gboolean run_task(gpointer data) {
  (*static_cast<Task *>(data))();
  return G_SOURCE_REMOVE;
}
void free_task(gpointer data) { delete static_cast<Task *>(data); }

std::mutex acquire_mutex;  // guards `shared_loop` and start against stop; no loop task takes it
std::weak_ptr<NetLoop> shared_loop;

}  // namespace

std::shared_ptr<NetLoop> NetLoop::acquire() {
  std::lock_guard lock(acquire_mutex);
  std::shared_ptr<NetLoop> loop = shared_loop.lock();
  if (!loop) {
    loop = std::make_shared<NetLoop>();
    shared_loop = loop;
  }
  return loop;
}

NetLoop::NetLoop() : context_(g_main_context_new()), main_loop_(g_main_loop_new(context_, FALSE)) {
  thread_ = std::thread([this] { run(); });
}

NetLoop::~NetLoop() {
  post([this] { g_main_loop_quit(main_loop_); });
  thread_.join();
  g_main_loop_unref(main_loop_);
  g_main_context_unref(context_);
}

void NetLoop::run() {
  pthread_setname_np(pthread_self(), "discord-net");
  g_main_context_push_thread_default(context_);
  g_main_loop_run(main_loop_);
  finish_callbacks();
  g_main_context_pop_thread_default(context_);
}

void NetLoop::finish_callbacks() {
  // What was cancelled still answers, and owns memory and descriptors until it has. That takes a
  // moment; the limit is for an operation that does not heed its cancellation.
  bool late = false;
  GSource *limit = g_timeout_source_new(2000);
  g_source_set_callback(
      limit,
      [](gpointer data) -> gboolean {
        *static_cast<bool *>(data) = true;
        return G_SOURCE_REMOVE;
      },
      &late, nullptr);
  g_source_attach(limit, context_);
  while (expected_ > 0 && !late) g_main_context_iteration(context_, TRUE);
  g_source_destroy(limit);
  g_source_unref(limit);
  while (g_main_context_iteration(context_, FALSE)) {
  }
}

void NetLoop::post(Task task) {
  GSource *source = g_idle_source_new();
  g_source_set_priority(source, G_PRIORITY_DEFAULT);
  g_source_set_callback(source, run_task, new Task(std::move(task)), free_task);
  g_source_attach(source, context_);
  g_source_unref(source);
}

void NetLoop::call(Task task) {
  std::mutex mutex;
  std::condition_variable done_cond;
  bool done = false;
  post([&] {
    task();
    std::lock_guard lock(mutex);
    done = true;
    done_cond.notify_one();
  });
  std::unique_lock lock(mutex);
  done_cond.wait(lock, [&] { return done; });
}

Time NetLoop::now() {
  return std::chrono::duration_cast<Time>(std::chrono::steady_clock::now().time_since_epoch());
}

namespace {
struct TimerSource {
  GSource source;
  LoopTimer *timer;
};
}  // namespace

gboolean LoopTimer::dispatch(GSource *source, GSourceFunc, gpointer) {
  g_source_set_ready_time(source, -1);
  // The callee may destroy the timer, and with it the function that is running.
  auto fire = reinterpret_cast<TimerSource *>(source)->timer->fire_;
  fire();
  return G_SOURCE_CONTINUE;
}

LoopTimer::LoopTimer(NetLoop &loop, Task fire) : fire_(std::move(fire)) {
  static GSourceFuncs functions = {nullptr, nullptr, dispatch, nullptr, nullptr, nullptr};
  source_ = g_source_new(&functions, sizeof(TimerSource));
  reinterpret_cast<TimerSource *>(source_)->timer = this;
  g_source_attach(source_, loop.context());
}

LoopTimer::~LoopTimer() {
  g_source_destroy(source_);
  g_source_unref(source_);
}

void LoopTimer::set(Time when) {
  // A deadline is rounded up: firing early would make its owner set the same one again.
  const gint64 us = when == kNever ? -1 : std::max<gint64>(0, (when.count() + 999) / 1000);
  g_source_set_ready_time(source_, us);
}

}  // namespace dv::voice
