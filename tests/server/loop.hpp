// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <glib.h>

#include <cstdint>
#include <functional>
#include <map>
#include <thread>

#include "ext/wire/ids.hpp"

namespace dv::server {

/** The one thread of the server. All state of the server is touched by it alone. */
class Loop {
 public:
  using Task = std::function<void()>;
  using TimerId = std::uint64_t;

  Loop();
  ~Loop();
  Loop(const Loop &) = delete;
  Loop &operator=(const Loop &) = delete;

  /** Runs `task` on the thread and waits for it; called on the thread itself it runs at once. */
  void run(const Task &task);
  /** Runs `task` on the thread later. */
  void post(Task task);
  /** Monotonic, in nanoseconds. */
  static Time now();

  // Only on the thread:
  TimerId after(Time delay, Task task);
  TimerId every(Time period, Task task);
  void cancel(TimerId id);
  /** `ready` is called whenever `fd` can be read, until cancelled. */
  TimerId on_readable(int fd, Task ready);
  GMainContext *context() const { return context_; }

 private:
  struct Source;
  TimerId attach(GSource *source, bool once, Task task);

  GMainContext *context_;
  GMainLoop *loop_;
  std::map<TimerId, GSource *> sources_;
  TimerId next_id_ = 1;
  std::thread thread_;
};

}  // namespace dv::server
