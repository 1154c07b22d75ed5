// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/decrypt/pool/spawn.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "ext/decrypt/pool/worker_fds.hpp"

namespace dv {
namespace {

int pidfd_of(pid_t pid) { return static_cast<int>(syscall(SYS_pidfd_open, pid, 0)); }

/** The same file at a number that no descriptor of the child will have. */
Descriptor lifted(int fd) {
  return Descriptor(fcntl(fd, F_DUPFD_CLOEXEC, worker::kFirstFreeFd + 8));
}

/** What the child gets; closed here after the spawn. */
struct ChildEnds {
  Descriptor control, requests, replies, request_event, reply_event, host, errors;
  bool complete() const {
    return control && requests && replies && request_event && reply_event && host && errors;
  }
};

bool make_ends(int requests_fd, int replies_fd, Child &child, ChildEnds &ends) {
  int pair[2], pipe_ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return false;
  child.control = Descriptor(pair[0]);
  const Descriptor theirs(pair[1]);
  if (pipe2(pipe_ends, O_CLOEXEC) != 0) return false;
  child.errors = Descriptor(pipe_ends[0]);
  const Descriptor write_end(pipe_ends[1]);
  child.request_event = Descriptor(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  child.reply_event = Descriptor(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  fcntl(child.control.get(), F_SETFL, O_NONBLOCK);
  fcntl(child.errors.get(), F_SETFL, O_NONBLOCK);
  const Descriptor self(pidfd_of(getpid()));
  // Opened anew, read-only: the seal forbids writable mappings, this even asking for one.
  const std::string path = "/proc/self/fd/" + std::to_string(requests_fd);
  const Descriptor readable(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  ends.control = lifted(theirs.get());
  ends.requests = lifted(readable ? readable.get() : requests_fd);
  ends.replies = lifted(replies_fd);
  ends.request_event = lifted(child.request_event.get());
  ends.reply_event = lifted(child.reply_event.get());
  ends.host = lifted(self.get());
  ends.errors = lifted(write_end.get());
  return ends.complete();
}

struct Actions {
  posix_spawn_file_actions_t raw;
  posix_spawnattr_t attributes;

  Actions() {
    posix_spawn_file_actions_init(&raw);
    posix_spawnattr_init(&attributes);
  }
  ~Actions() {
    posix_spawn_file_actions_destroy(&raw);
    posix_spawnattr_destroy(&attributes);
  }
  Actions(const Actions &) = delete;
  Actions &operator=(const Actions &) = delete;

  void fill(const ChildEnds &ends) {
    posix_spawn_file_actions_addopen(&raw, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&raw, 1, "/dev/null", O_WRONLY, 0);
    const std::array<std::pair<const Descriptor *, int>, 7> moves{{
        {&ends.errors, 2},
        {&ends.control, worker::kControlFd},
        {&ends.requests, worker::kRequestsFd},
        {&ends.replies, worker::kRepliesFd},
        {&ends.request_event, worker::kRequestEventFd},
        {&ends.reply_event, worker::kReplyEventFd},
        {&ends.host, worker::kHostPidFd},
    }};
    for (const auto &[from, to] : moves) posix_spawn_file_actions_adddup2(&raw, from->get(), to);
    posix_spawn_file_actions_addclosefrom_np(&raw, worker::kFirstFreeFd);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
};

}  // namespace

int spawn_worker(const std::string &path, int requests_fd, int replies_fd, Child &child) {
  ChildEnds ends;
  errno = EMFILE;
  if (!make_ends(requests_fd, replies_fd, child, ends)) return errno;
  Actions actions;
  actions.fill(ends);
  char name[] = "gst-discord-worker";
  char *argv[] = {name, nullptr};
  char *environment[] = {nullptr};
  const int error =
      posix_spawn(&child.pid, path.c_str(), &actions.raw, &actions.attributes, argv, environment);
  if (error != 0) return error;
  // Should it have ended already and been reaped by others, its socket says so all the same.
  child.pidfd = Descriptor(pidfd_of(child.pid));
  return 0;
}

/** By pidfd where there is one: where the application reaps, the pid may be another's by now. */
static int wait_for(Child &child, int options) {
  if (child.pid <= 0 || child.reaped) return kStatusUnknown;
  siginfo_t info{};
  const bool by_fd = static_cast<bool>(child.pidfd);
  const id_t id = static_cast<id_t>(by_fd ? child.pidfd.get() : child.pid);
  int result = 0;
  do {
    result = waitid(by_fd ? P_PIDFD : P_PID, id, &info, WEXITED | options);
  } while (result != 0 && errno == EINTR);
  if (result == 0 && info.si_pid == 0) return kNotEnded;
  child.reaped = true;
  if (result != 0) return kStatusUnknown;  // ECHILD: the application was faster
  return info.si_code == CLD_EXITED ? W_EXITCODE(info.si_status, 0) : info.si_status;
}

int reap_child(Child &child) { return wait_for(child, WNOHANG); }

void kill_child(Child &child) {
  if (child.pid <= 0 || child.reaped) return;
  if (child.pidfd) {
    syscall(SYS_pidfd_send_signal, child.pidfd.get(), SIGKILL, nullptr, 0);
  }
  // SIGKILL can not be refused, so this ends soon.
  wait_for(child, 0);
}

std::string describe_status(int status) {
  if (status < 0) return "ended";
  if (WIFEXITED(status)) return "exit code " + std::to_string(WEXITSTATUS(status));
  if (WIFSIGNALED(status)) return std::string("signal ") + std::to_string(WTERMSIG(status));
  return "ended";
}

}  // namespace dv
