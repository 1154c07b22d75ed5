// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdlib>
#include <cstring>
#include <memory>

#include "ext/wire/worker_ring.hpp"

namespace dv::test {

/** Both regions in one process, zeroed and aligned as a mapping is. */
class Regions {
 public:
  explicit Regions(std::uint32_t request_slots = 16, std::uint32_t reply_slots = 16)
      : request_slots_(request_slots),
        reply_slots_(reply_slots),
        requests(make(worker::request_region_size(request_slots))),
        replies(make(worker::reply_region_size(reply_slots))) {}

  worker::HostRing host() { return {requests.get(), request_slots_, replies.get(), reply_slots_}; }
  worker::WorkerRing worker() {
    return {requests.get(), request_slots_, replies.get(), reply_slots_};
  }

 private:
  struct Free {
    void operator()(std::uint8_t *p) const { std::free(p); }
  };
  using Memory = std::unique_ptr<std::uint8_t, Free>;
  static Memory make(std::size_t size) {
    size = (size + 4095) / 4096 * 4096;
    auto *p = static_cast<std::uint8_t *>(std::aligned_alloc(4096, size));
    std::memset(p, 0, size);
    return Memory(p);
  }
  std::uint32_t request_slots_, reply_slots_;

 public:
  Memory requests, replies;
};

}  // namespace dv::test
