// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <random>

#include "ext/worker/link.hpp"

namespace dv::worker {

/**
 * What tests make a worker do. Armed by control messages from the host alone; without
 * `-Dtest_hooks=true` none of it is compiled in.
 */
class Hooks {
 public:
  explicit Hooks(Link &link) : link_(link) {}
  void arm(const TestHook &hook);
  /** Before a packet is opened. */
  void packet(SessionId session, ByteView data);
  /** After a packet was answered, before the answer is shown. */
  void answered();

 private:
  Link &link_;
  TestHook crash_;
  bool armed_ = false;
  std::uint64_t mad_ = 0;
  std::mt19937_64 random_;
};

}  // namespace dv::worker
