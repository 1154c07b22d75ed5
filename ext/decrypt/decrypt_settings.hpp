// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <thread>

namespace dv {

enum class SandboxMode : std::uint8_t { require, attempt, off };

/** Properties of discorddecrypt; the in-class values are the one source of their defaults. */
struct DecryptSettings {
  static constexpr std::uint32_t kMaxWorkers = 64;
  static std::uint32_t default_workers() {
    return std::clamp(std::thread::hardware_concurrency(), 1U, 8U);
  }

  std::uint32_t max_workers = default_workers();
  bool decode = true;
  std::uint32_t latency_ms = 120;
  bool plc = true;
  bool fec = true;
  std::uint32_t idle_timeout_ms = 10000;
  std::uint32_t reply_timeout_ms = 2000;
  std::uint32_t max_batch_us = 2000;
  std::string pool = "default";
  std::string allow_users;  ///< user ids, separated by commas; empty: everybody
  std::string deny_users;
  SandboxMode sandbox = SandboxMode::attempt;
};

}  // namespace dv
