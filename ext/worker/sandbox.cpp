// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/worker/sandbox.hpp"

#include <linux/landlock.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "ext/decrypt/pool/worker_fds.hpp"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define DV_SANITIZED 1
#else
#define DV_SANITIZED 0
#endif

namespace dv::worker {
namespace {

// Sanitizers look at memory through pipes and reserve terabytes of address space.
constexpr rlim_t kMostDescriptors = DV_SANITIZED ? 32 : kFirstFreeFd;
constexpr std::uint32_t kUnknownCall = DV_SANITIZED ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(ENOSYS);

bool set_limit(__rlimit_resource resource, rlim_t value) {
  const rlimit limit{value, value};
  return setrlimit(resource, &limit) == 0;
}

bool limit_resources(std::uint64_t memory_limit) {
  bool ok = set_limit(RLIMIT_CORE, 0) & set_limit(RLIMIT_NPROC, 0) & set_limit(RLIMIT_FSIZE, 0) &
            set_limit(RLIMIT_NOFILE, kMostDescriptors);
  if (memory_limit != 0 && !DV_SANITIZED) ok &= set_limit(RLIMIT_AS, memory_limit);
  return ok;
}

/** An empty rule set: no file system access at all. */
bool restrict_files() {
  const long abi =
      syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (abi < 1) return false;
  landlock_ruleset_attr attr{};
  attr.handled_access_fs = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;  // all rights of version 1
  const long ruleset =
      syscall(SYS_landlock_create_ruleset, &attr, sizeof attr.handled_access_fs, 0);
  if (ruleset < 0) return false;
  const bool ok = syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
  close(static_cast<int>(ruleset));
  return ok;
}

struct Filter {
  explicit Filter(std::uint32_t unknown_call)
      : unknown(unknown_call), context(seccomp_init(unknown_call)) {}

  std::uint32_t unknown;
  scmp_filter_ctx context;
  bool ok = context != nullptr;

  ~Filter() {
    if (context != nullptr) seccomp_release(context);
  }
  // A rule that says what is done anyway is an error to the library.
  void add(std::uint32_t action, int call) {
    if (action == unknown) return;
    ok = ok && seccomp_rule_add(context, action, call, 0) == 0;
  }
  template <class... Condition>
  void add_if(std::uint32_t action, int call, Condition... condition) {
    if (action == unknown) return;
    const scmp_arg_cmp all[] = {condition...};
    ok = ok && seccomp_rule_add_array(context, action, call, sizeof...(condition), all) == 0;
  }
};

scmp_arg_cmp argument(unsigned int index, int value) {
  return {index, SCMP_CMP_EQ, static_cast<scmp_datum_t>(value), 0};
}
scmp_arg_cmp executable(unsigned int index, bool yes) {
  return {index, SCMP_CMP_MASKED_EQ, PROT_EXEC, yes ? scmp_datum_t{PROT_EXEC} : scmp_datum_t{0}};
}

scmp_arg_cmp anonymous(bool yes) {
  return {3, SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS,
          yes ? scmp_datum_t{MAP_ANONYMOUS} : scmp_datum_t{0}};
}

// What a worker does all day. The rest of the kernel is not its business.
constexpr int kAllowed[] = {
    SCMP_SYS(ppoll),
    SCMP_SYS(poll),
    SCMP_SYS(futex),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(brk),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(getrandom),
    SCMP_SYS(close),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(sched_yield),
    SCMP_SYS(mlock),
    SCMP_SYS(munlock),
    SCMP_SYS(getrusage),
};

// Whoever tries one of these is no longer our program.
constexpr int kDeadly[] = {
    SCMP_SYS(open),
    SCMP_SYS(openat),
    SCMP_SYS(openat2),
    SCMP_SYS(creat),
    SCMP_SYS(socket),
    SCMP_SYS(socketpair),
    SCMP_SYS(connect),
    SCMP_SYS(bind),
    SCMP_SYS(listen),
    SCMP_SYS(accept),
    SCMP_SYS(accept4),
    SCMP_SYS(execve),
    SCMP_SYS(execveat),
    SCMP_SYS(fork),
    SCMP_SYS(vfork),
    SCMP_SYS(clone),
    SCMP_SYS(clone3),
    SCMP_SYS(ptrace),
    SCMP_SYS(kill),
    SCMP_SYS(tkill),
    SCMP_SYS(tgkill),
    SCMP_SYS(pidfd_open),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(pidfd_send_signal),
    SCMP_SYS(rt_sigqueueinfo),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(bpf),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(unshare),
    SCMP_SYS(setns),
    SCMP_SYS(mount),
    SCMP_SYS(umount2),
    SCMP_SYS(pivot_root),
    SCMP_SYS(chroot),
    SCMP_SYS(keyctl),
    SCMP_SYS(add_key),
    SCMP_SYS(request_key),
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(kexec_load),
    SCMP_SYS(unlink),
    SCMP_SYS(unlinkat),
    SCMP_SYS(rename),
    SCMP_SYS(renameat2),
    SCMP_SYS(memfd_create),
    SCMP_SYS(setuid),
    SCMP_SYS(setgid),
    SCMP_SYS(personality),
};

bool filter_calls(bool strict) {
  Filter filter(strict ? SCMP_ACT_KILL_PROCESS : kUnknownCall);
  for (const int call : kAllowed) filter.add(SCMP_ACT_ALLOW, call);
  for (const int call : kDeadly) filter.add(SCMP_ACT_KILL_PROCESS, call);
  filter.add_if(SCMP_ACT_ALLOW, SCMP_SYS(read), argument(0, kRequestEventFd));
  filter.add_if(SCMP_ACT_ALLOW, SCMP_SYS(write), argument(0, kReplyEventFd));
  filter.add_if(SCMP_ACT_ALLOW, SCMP_SYS(write), argument(0, STDERR_FILENO));
  filter.add_if(SCMP_ACT_ALLOW, SCMP_SYS(recvfrom), argument(0, kControlFd));
  filter.add_if(SCMP_ACT_ALLOW, SCMP_SYS(sendto), argument(0, kControlFd));
  // The regions are mapped; from here on memory is anonymous and never executable.
  filter.add_if(SCMP_ACT_ALLOW, SCMP_SYS(mmap), executable(2, false), anonymous(true));
  filter.add_if(SCMP_ACT_ALLOW, SCMP_SYS(mprotect), executable(2, false));
  filter.add_if(SCMP_ACT_KILL_PROCESS, SCMP_SYS(mmap), executable(2, true));
  filter.add_if(SCMP_ACT_KILL_PROCESS, SCMP_SYS(mmap), anonymous(false));
  filter.add_if(SCMP_ACT_KILL_PROCESS, SCMP_SYS(mprotect), executable(2, true));
  filter.ok = filter.ok && seccomp_attr_set(filter.context, SCMP_FLTATR_CTL_OPTIMIZE, 2) == 0;
  return filter.ok && seccomp_load(filter.context) == 0;
}

}  // namespace

std::uint32_t confine(std::uint64_t memory_limit, bool strict) {
  std::uint32_t in_force = 0;
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0) in_force |= kNotDumpable;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0) in_force |= kNoNewPrivs;
  // Landlock needs one more descriptor for a moment; the limits come after it.
  if (restrict_files()) in_force |= kLandlock;
  if (limit_resources(memory_limit)) in_force |= kLimits;
  if (filter_calls(strict)) in_force |= kSeccomp;
  return in_force;
}

}  // namespace dv::worker
