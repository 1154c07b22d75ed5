// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <array>
#include <cstdint>

#include "ext/wire/rtp.hpp"

namespace dv::chain {

/**
 * Knows the last packets of a stream by number and RTP time. Both together tell a repeated packet
 * from one of a numbering that started anew within the window.
 */
class SeenRing {
 public:
  /** False: the same packet was here before. */
  bool insert(std::uint16_t seq, std::uint32_t rtp_time) {
    std::uint64_t &slot = slots_[seq % slots_.size()];
    const std::uint64_t value = kUsed | std::uint64_t{seq} << 32 | rtp_time;
    if (slot == value) return false;
    slot = value;
    return true;
  }

 private:
  static constexpr std::size_t kWindow = 1024;
  static constexpr std::uint64_t kUsed = std::uint64_t{1} << 48;
  std::array<std::uint64_t, kWindow> slots_{};
};

/** Extends numbers in order of arrival; starts one block up, so that nothing goes below zero. */
class ArrivalNumbers {
 public:
  std::uint64_t extend(std::uint16_t seq) {
    const std::uint64_t number = extend16(started_ ? highest_ : kFirstBlock + seq, seq);
    if (!started_ || number > highest_) highest_ = number;
    started_ = true;
    return number;
  }

 private:
  static constexpr std::uint64_t kFirstBlock = 65536;
  std::uint64_t highest_ = 0;
  bool started_ = false;
};

}  // namespace dv::chain
