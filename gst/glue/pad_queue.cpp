// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/glue/pad_queue.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace dv {

std::size_t PadQueue::push(PadItem item, std::size_t max_buffers) {
  std::vector<PadItem> dropped;  // freed after the lock
  {
    std::lock_guard lock(mutex_);
    if (GST_IS_BUFFER(item.get())) ++buffers_;
    items_.push_back(std::move(item));
    while (max_buffers > 0 && buffers_ > max_buffers) {
      auto oldest = std::find_if(items_.begin(), items_.end(),
                                 [](const PadItem &i) { return GST_IS_BUFFER(i.get()); });
      dropped.push_back(std::move(*oldest));
      items_.erase(oldest);
      --buffers_;
    }
  }
  changed_.notify_all();
  return dropped.size();
}

void PadQueue::wait_for_room(std::size_t max_buffers) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return flushing_ || buffers_ < max_buffers; });
}

PadItem PadQueue::pop() {
  PadItem item;
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return flushing_ || !items_.empty(); });
    if (flushing_) return nullptr;
    item = take_front();
  }
  changed_.notify_all();
  return item;
}

PadItem PadQueue::try_pop() {
  PadItem item;
  {
    std::lock_guard lock(mutex_);
    if (flushing_ || items_.empty()) return nullptr;
    item = take_front();
  }
  changed_.notify_all();
  return item;
}

PadItem PadQueue::take_front() {
  PadItem item = std::move(items_.front());
  items_.pop_front();
  if (GST_IS_BUFFER(item.get())) --buffers_;
  return item;
}

bool PadQueue::ready() const {
  std::lock_guard lock(mutex_);
  return !flushing_ && !items_.empty();
}

void PadQueue::set_flushing(bool flushing) {
  {
    std::lock_guard lock(mutex_);
    flushing_ = flushing;
  }
  changed_.notify_all();
}

std::size_t PadQueue::clear() {
  std::deque<PadItem> dropped;
  std::size_t buffers = 0;
  {
    std::lock_guard lock(mutex_);
    dropped.swap(items_);
    buffers = std::exchange(buffers_, 0);
  }
  changed_.notify_all();
  return buffers;
}

std::size_t PadQueue::buffers() const {
  std::lock_guard lock(mutex_);
  return buffers_;
}

}  // namespace dv
