// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <sys/types.h>

#include <string>

#include "ext/decrypt/pool/descriptor.hpp"

namespace dv {

/** A child process and the host's ends of what connects them. */
struct Child {
  pid_t pid = -1;
  bool reaped = false;
  Descriptor pidfd;          ///< readable when it has ended
  Descriptor control;        ///< SOCK_SEQPACKET, non-blocking
  Descriptor errors;         ///< its stderr, non-blocking
  Descriptor request_event;  ///< host -> worker
  Descriptor reply_event;    ///< worker -> host, non-blocking
};

/**
 * Starts the worker executable with an empty environment, in a session of its own, with the
 * descriptors of `worker_fds.hpp` and no others, all signals at their defaults. `posix_spawn`
 * shares the host's memory until exec, so that the size of the host does not matter. Returns an
 * errno value; 0: `child` is complete.
 */
int spawn_worker(const std::string &path, int requests_fd, int replies_fd, Child &child);

/** Ends it if it has not ended and reaps it. That others may have reaped it is no error. */
void kill_child(Child &child);
inline constexpr int kNotEnded = -2;
inline constexpr int kStatusUnknown = -1;  ///< somebody else reaped it
/** Reaps if it has ended, and gives the raw wait status then. */
int reap_child(Child &child);
std::string describe_status(int status);

}  // namespace dv
