// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstddef>

#include "ext/wire/ids.hpp"

namespace dv::voice {

/**
 * When a receiver looks at its socket again: at once, or, while datagrams come closely, once in a
 * millisecond for all that have come, as network cards hold back their interrupts. Waking a thread
 * of every stage up to the decoder costs more than a datagram's own share of the work: 300 speakers
 * took 100 us of CPU a packet one by one and 80 us so, with two processors the difference between
 * falling behind and not. The kernel's time stamps tell when datagrams came, so only what is heard
 * live is later, by that millisecond.
 */
class ReceivePace {
 public:
  static constexpr Time kRest = 1ms;
  /** Of what comes on average: more than a channel of 25 speakers brings. */
  static constexpr Time kWindow = 20ms;
  static constexpr std::size_t kBusy = 40;

  /** A receive call brought `count` at `now`, `full` if it could not take more: how long to rest
   * before the next. */
  Time after(std::size_t count, bool full, Time now) {
    if (now - begin_ >= kWindow) {
      busy_ = count_ >= kBusy && now - begin_ < 2 * kWindow;
      begin_ = now;
      count_ = 0;
    }
    count_ += count;
    return busy_ && !full ? kRest : Time{};
  }

 private:
  Time begin_{};
  std::size_t count_ = 0;
  bool busy_ = false;
};

}  // namespace dv::voice
