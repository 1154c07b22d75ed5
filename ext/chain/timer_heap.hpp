// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "ext/wire/ids.hpp"

namespace dv::chain {

/** Base of what can be in a TimerHeap. */
struct Timed {
  static constexpr std::size_t kNowhere = static_cast<std::size_t>(-1);
  Time timer_due = kNever;
  std::size_t timer_index = kNowhere;
};

/**
 * Binary heap of objects by the time they are due. Objects know their place, so that a change
 * costs O(log n) and, where nothing changes, one comparison. The heap does not own them.
 */
template <class T>
class TimerHeap {
 public:
  /** kNever takes the object out. */
  void set(T &object, Time due) {
    if (due == object.timer_due) return;
    if (due == kNever) return remove(object);
    const bool sooner = due < object.timer_due;
    object.timer_due = due;
    if (object.timer_index == Timed::kNowhere) {
      object.timer_index = heap_.size();
      heap_.push_back(&object);
    }
    if (sooner)
      up(object.timer_index);
    else
      down(object.timer_index);
  }

  void remove(T &object) {
    const std::size_t index = std::exchange(object.timer_index, Timed::kNowhere);
    object.timer_due = kNever;
    if (index == Timed::kNowhere) return;
    T *last = heap_.back();
    heap_.pop_back();
    if (last == &object) return;
    heap_[index] = last;
    last->timer_index = index;
    up(index);
    down(last->timer_index);
  }

  T *first() const { return heap_.empty() ? nullptr : heap_.front(); }
  Time due() const { return heap_.empty() ? kNever : heap_.front()->timer_due; }

 private:
  void up(std::size_t i) {
    while (i > 0 && heap_[i]->timer_due < heap_[(i - 1) / 2]->timer_due) {
      exchange(i, (i - 1) / 2);
      i = (i - 1) / 2;
    }
  }
  void down(std::size_t i) {
    for (;;) {
      std::size_t least = i;
      for (std::size_t child = 2 * i + 1; child <= 2 * i + 2 && child < heap_.size(); ++child)
        if (heap_[child]->timer_due < heap_[least]->timer_due) least = child;
      if (least == i) return;
      exchange(i, least);
      i = least;
    }
  }
  void exchange(std::size_t a, std::size_t b) {
    std::swap(heap_[a], heap_[b]);
    heap_[a]->timer_index = a;
    heap_[b]->timer_index = b;
  }

  std::vector<T *> heap_;
};

}  // namespace dv::chain
