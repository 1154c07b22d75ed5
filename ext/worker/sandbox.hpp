// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>

#include "ext/wire/worker_messages.hpp"

namespace dv::worker {

/**
 * Gives up everything this process does not need from now on: new descriptors, files, sockets,
 * programs, processes, threads, executable memory, core dumps. Returns what is in force, bits of
 * `Confinement`; each step works alone. Nothing can be taken back. `strict`: system calls that are
 * not on the list kill the process instead of failing with ENOSYS.
 */
std::uint32_t confine(std::uint64_t memory_limit, bool strict);

/** Bits without which `sandbox=require` refuses to run. */
inline constexpr std::uint32_t kRequired = kNoNewPrivs | kLimits | kSeccomp | kNotDumpable;

}  // namespace dv::worker
