// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/worker/hooks.hpp"

#if DV_TEST_HOOKS

#include <unistd.h>

#include <cstdlib>

#include "ext/decrypt/pool/worker_fds.hpp"
#include "ext/worker/forbidden.hpp"

namespace dv::worker {
namespace {

void scribble(std::uint8_t *region, std::size_t size, std::uint64_t seed, std::uint64_t rounds) {
  std::mt19937_64 random(seed);
  for (std::uint64_t i = 0; i < rounds; ++i) {
    // Half of it where the indices are: that is what a host is most likely to stumble over.
    const std::size_t at = random() % 2 == 0 ? random() % 512 : random() % size;
    region[at] = static_cast<std::uint8_t>(random());
    if (i % 64 == 0) {
      const std::uint64_t one = 1;
      [[maybe_unused]] const ssize_t n = write(kReplyEventFd, &one, sizeof one);
    }
  }
}

void eat_memory() {
  for (;;) {
    auto *p = static_cast<volatile char *>(std::malloc(1 << 20));
    if (p == nullptr) std::abort();
    for (std::size_t i = 0; i < (1 << 20); i += 4096) p[i] = 1;
  }
}

}  // namespace

void Hooks::arm(const TestHook &hook) {
  switch (hook.action) {
    case TestHook::Action::crash_now:
      std::abort();
    case TestHook::Action::crash_on_packet:
      crash_ = hook;
      armed_ = true;
      break;
    case TestHook::Action::hang:
      for (;;) asm volatile("");
    case TestHook::Action::scribble:
      scribble(link_.reply_region(), link_.reply_size(), hook.a, hook.b);
      break;
    case TestHook::Action::forbidden_act:
      try_forbidden(hook.a, const_cast<std::uint8_t *>(link_.ring().next()));
      break;
    case TestHook::Action::eat_memory:
      eat_memory();
      break;
    case TestHook::Action::go_mad:
      mad_ = hook.b;
      // Its successors are mad in other ways.
      random_.seed(hook.a + static_cast<std::uint64_t>(getpid()));
      break;
  }
}

// Mostly data, of which a host can not know that it is wrong; indices and headers so rarely that a
// worker lives for a while before it is found out.
void Hooks::answered() {
  std::uint8_t *region = link_.reply_region();
  std::uint8_t *header = link_.ring().last();
  for (std::uint64_t i = 0; i < mad_; ++i) {
    const std::uint64_t choice = random_() % 1000;
    const auto value = static_cast<std::uint8_t>(random_());
    if (choice < 2) {
      region[random_() % (7 * kCacheLine)] = value;
    } else if (choice < 5) {
      header[random_() % kSlotHeader] = value;
    } else if (choice < 500) {
      header[kSlotHeader + random_() % kReplySpace] = value;
    } else {
      region[random_() % link_.reply_size()] = value;
    }
  }
}

void Hooks::packet(SessionId session, ByteView data) {
  if (!armed_ || session != crash_.a || data.size() < 12) return;
  if (load_be32(data.data() + 8) != crash_.b || load_be16(data.data() + 2) != crash_.c) return;
  std::abort();
}

}  // namespace dv::worker

#else

namespace dv::worker {
void Hooks::arm(const TestHook &) {}
void Hooks::packet(SessionId, ByteView) {}
void Hooks::answered() {}
}  // namespace dv::worker

#endif
