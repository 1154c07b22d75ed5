// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/worker/forbidden.hpp"

#if DV_TEST_HOOKS

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <string>

#include "ext/decrypt/pool/worker_fds.hpp"

namespace dv::worker {
namespace {

constexpr std::size_t kPage = 4096;

// Not by the functions of libc: some of them would do something else first.
template <class... T>
long call(long number, T... arguments) {
  return syscall(number, arguments...);
}

long reach_into(long number) {
  char byte = 0;
  iovec here{&byte, 1}, there{&byte, 1};
  return call(number, getppid(), &here, 1L, &there, 1L, 0L);
}

long scribble_on(volatile std::uint8_t *requests) {
  signal(SIGSEGV, SIG_DFL);  // a sanitizer would take this for a mistake and report it
  *requests = 1;
  return 0;
}

/** Comes back only if nothing stops it. */
long act(std::uint64_t which, std::uint8_t *requests) {
  char *const none[] = {nullptr};
  auto *page = reinterpret_cast<void *>(reinterpret_cast<std::uintptr_t>(requests) / kPage * kPage);
  const auto thread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;
  switch (which) {
    case 0:
      return call(SYS_open, "/etc/passwd", O_RDONLY);
    case 1:
      return call(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY);
    case 2:
      return call(SYS_socket, AF_INET, SOCK_DGRAM, 0);
    case 3:
      return call(SYS_connect, kControlFd, nullptr, 0);
    case 4:
      return call(SYS_bind, kControlFd, nullptr, 0);
    case 5:
      return call(SYS_execve, "/bin/true", none, none);
    case 6:
      return call(SYS_execveat, AT_FDCWD, "/bin/true", none, none, 0);
    case 7:
      return call(SYS_fork);
    case 8:
      return call(SYS_vfork);
    case 9:
      return call(SYS_clone, thread, nullptr, nullptr, nullptr, 0);
    case 10:
      return call(SYS_mmap, nullptr, kPage, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                  0L);
    case 11:
      return call(SYS_mprotect, page, kPage, PROT_READ | PROT_EXEC);
    case 12:
      return call(SYS_ptrace, PTRACE_TRACEME, 0, nullptr, nullptr);
    case 13:
      return call(SYS_kill, getppid(), 0);
    case 14:
      return call(SYS_pidfd_send_signal, kHostPidFd, 0, nullptr, 0);
    case 15:
      return call(SYS_pidfd_open, getppid(), 0);
    case 16:
      return reach_into(SYS_process_vm_readv);
    case 17:
      return reach_into(SYS_process_vm_writev);
    case 18:
      return call(SYS_mmap, nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, kRequestsFd, 0L);
    case 19:
      call(SYS_mprotect, page, kPage, PROT_READ | PROT_WRITE);
      return scribble_on(requests);
    case 20:
      return scribble_on(requests);
    case 21:
      return call(SYS_memfd_create, "x", 0);
    case 22:
      return call(SYS_unlink, "/nonexistent");
    case 23:
      return call(SYS_rename, "/nonexistent", "/nonexistent2");
    case 24:
      return call(SYS_mount, nullptr, "/", nullptr, 0, nullptr);
    case 25:
      return call(SYS_chroot, "/");
    case 26:
      return call(SYS_unshare, 0);
    case 27:
      return call(SYS_setuid, 0);
    case 28:
      return call(SYS_keyctl, 0, 0, 0, 0, 0);
    case 29:
      return call(SYS_bpf, 0, nullptr, 0);
    case 30:
      return call(SYS_io_uring_setup, 0, nullptr);
    case 31:
      return call(SYS_userfaultfd, 0);
    case 32:
      return call(SYS_perf_event_open, nullptr, 0, 0, 0, 0);
    case 33:
      return call(SYS_personality, 0xffffffffL);
    default:
      return -1;
  }
}

}  // namespace

void try_forbidden(std::uint64_t which, std::uint8_t *requests) {
  const long result = act(which, requests);
  const std::string text =
      "forbidden act " + std::to_string(which) + " came back with " + std::to_string(result) + "\n";
  [[maybe_unused]] const ssize_t n = write(STDERR_FILENO, text.data(), text.size());
}

}  // namespace dv::worker

#endif
