// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "ext/wire/worker_ring.hpp"

// A reply region full of somebody's bytes: the host must stay inside it, whatever they say.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  using namespace dv;
  constexpr std::uint32_t kSlots = 16;
  static Bytes requests(worker::request_region_size(kSlots));
  struct Free {
    void operator()(std::uint8_t *p) const { std::free(p); }
  };
  const std::size_t region = (worker::reply_region_size(kSlots) + 4095) / 4096 * 4096;
  const std::unique_ptr<std::uint8_t, Free> replies(
      static_cast<std::uint8_t *>(std::aligned_alloc(4096, region)));
  std::memset(replies.get(), 0, region);
  // The words first, then slot headers: a few bytes reach what matters.
  std::size_t at = 0;
  const auto fill = [&](std::size_t offset, std::size_t n) {
    const std::size_t take = std::min(n, size - at);
    std::memcpy(replies.get() + offset, data + at, take);
    at += take;
  };
  for (std::size_t word = 1; word <= 5; ++word) fill(word * worker::kCacheLine, 8);
  for (std::size_t slot = 0; slot < kSlots; ++slot) {
    fill(worker::kRingHeader + slot * worker::kReplySlot, worker::kSlotHeader);
  }
  worker::HostRing host(requests.data(), kSlots, replies.get(), kSlots);
  if (!host.refresh()) return 0;
  Bytes scratch;
  std::uint64_t sum = 0;
  while (host.reply_ready()) {
    const auto reply = host.peek();
    if (!reply || !host.complete(*reply)) break;
    for (const std::uint8_t b : host.data(*reply, scratch)) sum += b;
    host.take(*reply);
  }
  host.release();
  return sum == 1 ? 0 : 0;
}
