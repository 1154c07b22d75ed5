// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/decrypt/output_queue.hpp"

#include <iterator>

namespace dv {

void OutputQueue::put(OutputItem item) {
  std::lock_guard lock(mutex_);
  items_.push_back(std::move(item));
}

std::vector<OutputItem> OutputQueue::take() {
  std::vector<OutputItem> taken;
  {
    std::lock_guard lock(mutex_);
    if (items_.empty()) return taken;
    taken.reserve(items_.size());
    std::move(items_.begin(), items_.end(), std::back_inserter(taken));
    items_.clear();
  }
  emptied_.notify_all();
  return taken;
}

void OutputQueue::wait(Clock::time_point until) {
  std::unique_lock lock(mutex_);
  const auto ready = [&] { return !items_.empty() || flushing_ || woken_; };
  if (until == Clock::time_point::max()) {
    filled_.wait(lock, ready);
  } else {
    filled_.wait_until(lock, until, ready);
  }
  woken_ = false;
}

void OutputQueue::wake() {
  {
    std::lock_guard lock(mutex_);
    woken_ = true;
  }
  filled_.notify_one();
}

bool OutputQueue::wait_room(std::size_t limit, Clock::time_point until) {
  std::unique_lock lock(mutex_);
  const auto ready = [&] { return items_.size() < limit || flushing_; };
  if (until == Clock::time_point::max()) {
    emptied_.wait(lock, ready);
  } else {
    emptied_.wait_until(lock, until, ready);
  }
  return !flushing_ && items_.size() < limit;
}

void OutputQueue::set_flushing(bool flushing) {
  std::deque<OutputItem> dropped;
  {
    std::lock_guard lock(mutex_);
    flushing_ = flushing;
    if (flushing) {
      std::deque<OutputItem> kept;
      for (auto &item : items_) {
        (item.kind == OutputItem::Kind::event ? kept : dropped).push_back(std::move(item));
      }
      items_ = std::move(kept);
    }
  }
  filled_.notify_all();
  emptied_.notify_all();
}

void OutputQueue::clear() {
  std::deque<OutputItem> dropped;
  std::lock_guard lock(mutex_);
  dropped.swap(items_);
  woken_ = false;
}

std::size_t OutputQueue::size() const {
  std::lock_guard lock(mutex_);
  return items_.size();
}

}  // namespace dv
