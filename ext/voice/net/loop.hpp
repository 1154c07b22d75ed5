// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gio/gio.h>

#include <functional>
#include <memory>
#include <thread>

#include "ext/wire/ids.hpp"

namespace dv::voice {

/**
 * The network thread: a GMainContext, thread default of the one thread that iterates it. All
 * gateway sockets of the process live and die on it, however many sources and speakers there are.
 *
 * Holders are elements (never objects on the loop itself), so that the thread that lets go last can
 * join it. What lives on the loop is destroyed there, by `call`, before its holder lets go.
 */
class NetLoop {
 public:
  /** The process's loop: started for the first holder, joined when the last one lets go. */
  static std::shared_ptr<NetLoop> acquire();

  NetLoop();
  ~NetLoop();
  NetLoop(const NetLoop &) = delete;
  NetLoop &operator=(const NetLoop &) = delete;

  /** Any thread. Tasks run in order, on the loop, never inside this call. */
  void post(std::function<void()> task);
  /** Any thread but the loop's. Returns when the task has run. */
  void call(std::function<void()> task);
  /** On the loop: an operation was begun whose callback the thread must live to see. */
  void expect_callback() { ++expected_; }
  void callback_came() { --expected_; }
  GMainContext *context() const { return context_; }
  bool is_current() const { return std::this_thread::get_id() == thread_.get_id(); }

  /** CLOCK_MONOTONIC. */
  static Time now();

 private:
  void run();
  void finish_callbacks();

  GMainContext *context_;
  GMainLoop *main_loop_;
  int expected_ = 0;  // the loop's
  std::thread thread_;
};

/** One deadline on the loop. Made, set and destroyed there. */
class LoopTimer {
 public:
  LoopTimer(NetLoop &loop, std::function<void()> fire);
  ~LoopTimer();
  LoopTimer(const LoopTimer &) = delete;
  LoopTimer &operator=(const LoopTimer &) = delete;

  /** Fires once, at `when` or soon after; kNever disarms. */
  void set(Time when);

 private:
  static gboolean dispatch(GSource *source, GSourceFunc callback, gpointer data);

  GSource *source_;
  std::function<void()> fire_;
};

}  // namespace dv::voice
