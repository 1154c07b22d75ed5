// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstddef>
#include <cstdint>

namespace dv::worker {

/**
 * For tests of the confinement: what no confined worker may do. Tries number `which` and complains
 * on stderr if it comes back. `requests` points into the request region.
 */
void try_forbidden(std::uint64_t which, std::uint8_t *requests);

/** Numbers of `try_forbidden`, in this order. */
inline constexpr const char *kForbiddenActs[] = {
    "open",
    "openat",
    "socket",
    "connect",
    "bind",
    "execve",
    "execveat",
    "fork",
    "vfork",
    "thread",
    "map executable memory",
    "make memory executable",
    "ptrace",
    "signal its parent",
    "signal its host by pidfd",
    "pidfd_open",
    "read another process",
    "write another process",
    "map the request region to write",
    "make the request region writable",
    "write to the request region",
    "memfd_create",
    "unlink",
    "rename",
    "mount",
    "chroot",
    "unshare",
    "setuid",
    "keyctl",
    "bpf",
    "io_uring_setup",
    "userfaultfd",
    "perf_event_open",
    "personality",
};
inline constexpr std::size_t kForbiddenCount = sizeof kForbiddenActs / sizeof *kForbiddenActs;
/** This and the next: memory that is not writable ends them, not the filter. */
inline constexpr std::size_t kFirstByMemory = 19;

}  // namespace dv::worker
