// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

namespace dv::worker {

/** Descriptors a worker is born with; 0 and 1 are /dev/null, 2 is a pipe to the host, all others
 * are closed. */
enum Descriptor : int {
  kControlFd = 3,       ///< SOCK_SEQPACKET
  kRequestsFd = 4,      ///< memfd, can be mapped read-only at most
  kRepliesFd = 5,       ///< memfd
  kRequestEventFd = 6,  ///< host -> worker: look at the rings
  kReplyEventFd = 7,    ///< worker -> host: look at the rings
  kHostPidFd = 8,       ///< readable when the host has ended
  kFirstFreeFd = 9,
};

/** Exit codes of gst-discord-worker. */
enum ExitCode : int {
  kExitDone = 0,
  kExitUsage = 64,         ///< not started by a host
  kExitProtocol = 65,      ///< hello of another version, or a message that makes no sense
  kExitNoSandbox = 66,     ///< `sandbox=require` and not all of it is to be had
  kExitSetup = 67,         ///< regions could not be mapped
  kExitHostNonsense = 68,  ///< request indices or slots that make no sense
};

}  // namespace dv::worker
