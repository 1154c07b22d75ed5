// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/worker/hooks.hpp"

#if DV_TEST_HOOKS

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <random>

#include "ext/decrypt/pool/worker_fds.hpp"

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

void forbidden(std::uint64_t which) {
  switch (which) {
    case 0:
      open("/etc/passwd", O_RDONLY);
      break;
    case 1:
      socket(AF_INET, SOCK_DGRAM, 0);
      break;
    case 2:
      connect(kControlFd, nullptr, 0);
      break;
    case 3:
      execl("/bin/true", "true", nullptr);
      break;
    case 4:
      syscall(SYS_fork);
      break;
    case 5:
      syscall(SYS_clone, CLONE_VM | CLONE_THREAD | CLONE_SIGHAND, nullptr);
      break;
    case 6:
      mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      break;
    case 7:
      ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
      break;
    case 8:
      kill(getppid(), 0);
      break;
    case 9: {
      void *p = mmap(nullptr, 4096, PROT_READ, MAP_SHARED, kRequestsFd, 0);
      if (p == MAP_FAILED) p = nullptr;
      signal(SIGSEGV, SIG_DFL);  // a sanitizer would take this for a mistake and report it
      *static_cast<volatile char *>(p) = 1;
      break;
    }
    default:
      unlink("/nonexistent");
      break;
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
      forbidden(hook.a);
      break;
    case TestHook::Action::eat_memory:
      eat_memory();
      break;
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
}  // namespace dv::worker

#endif
