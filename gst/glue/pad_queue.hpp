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
 * What waits for the task of one source pad. Any thread fills it, the pad's task alone empties it.
 * Thread safe; own lock, under which nothing foreign is called.
 */
class PadQueue {
 public:
  /** Never blocks. With `max_buffers` > 0 the oldest buffers make room; returns how many did. */
  std::size_t push(PadItem item, std::size_t max_buffers = 0);
  /** Blocks until fewer than `max_buffers` buffers wait, or until flushing. */
  void wait_for_room(std::size_t max_buffers);
  /** Blocks; null when flushing. */
  PadItem pop();
  /** While set, nobody blocks and `pop` gives nothing. */
  void set_flushing(bool flushing);
  /** Returns the number of buffers thrown away. */
  std::size_t clear();
  std::size_t buffers() const;

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<PadItem> items_;
  std::size_t buffers_ = 0;
  bool flushing_ = true;
};

}  // namespace dv
