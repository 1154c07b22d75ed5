// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>

namespace dv {

struct ReleaseMini {
  void operator()(GstMiniObject *p) const noexcept { gst_mini_object_unref(p); }
};
/** A buffer or an event. */
using PadItem = std::unique_ptr<GstMiniObject, ReleaseMini>;

/**
 * What waits to be pushed by one source pad. Any thread fills it, one at a time empties it: the
 * pad's task or, for pads without one, whoever has filled it. Thread safe; own lock, under which
 * nothing foreign is called.
 */
class PadQueue {
 public:
  /** Never blocks. With `max_buffers` > 0 the oldest buffers make room; returns how many did. */
  std::size_t push(PadItem item, std::size_t max_buffers = 0);
  /** Blocks until fewer than `max_buffers` buffers wait, or until flushing. */
  void wait_for_room(std::size_t max_buffers);
  /** Blocks; null when flushing. */
  PadItem pop();
  /** Never blocks; null when there is nothing, or when flushing. */
  PadItem try_pop();
  /** Whether `pop` would give something now. */
  bool ready() const;
  /** While set, nobody blocks and `pop` gives nothing. */
  void set_flushing(bool flushing);
  /** Returns the number of buffers thrown away. */
  std::size_t clear();
  std::size_t buffers() const;

 private:
  PadItem take_front();

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<PadItem> items_;
  std::size_t buffers_ = 0;
  bool flushing_ = true;
};

}  // namespace dv
