// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "ext/crypto/secret.hpp"

/** Looks for secrets in the memory of the test's own process, and of its workers. */
namespace dv::test {

/**
 * To be asked first: false where freed memory is kept aside as it was (sanitizers). Meson's
 * MALLOC_PERTURB_, which would wipe what the code under test does not, is undone.
 */
inline bool can_scan() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return false;
#else
  return mallopt(M_PERTURB, 0) == 1;
#endif
}

inline constexpr std::uint8_t kMask = 0xa5;

/** A secret as it is looked for: masked, so that the list itself is no finding. */
struct Wanted {
  std::string name;
  Bytes masked;
};

inline Wanted masked(std::string name, ByteView secret) {
  Wanted w{std::move(name), {}};
  for (const std::uint8_t b : secret) w.masked.push_back(b ^ kMask);
  return w;
}

inline bool found_in(const std::uint8_t *from, const std::uint8_t *to, const Bytes &wanted) {
  const auto size = static_cast<std::ptrdiff_t>(wanted.size());
  const std::uint8_t first = wanted[0] ^ kMask;
  for (const std::uint8_t *p = from; to - p >= size; ++p) {
    p = std::find(p, to - size + 1, first);
    if (p == to - size + 1) return false;
    std::ptrdiff_t i = 1;
    while (i < size && (p[i] ^ kMask) == wanted[static_cast<std::size_t>(i)]) ++i;
    if (i == size) return true;
  }
  return false;
}

/** A mapping that a process can write to. */
struct Mapping {
  std::uintptr_t from = 0, to = 0;
  std::string path;
};

inline std::vector<Mapping> writable_memory(const std::string &process) {
  std::ifstream maps("/proc/" + process + "/maps");
  std::vector<Mapping> all;
  std::string line;
  while (std::getline(maps, line)) {
    std::istringstream fields(line);
    std::string range, rights, offset, device, inode, path;
    fields >> range >> rights >> offset >> device >> inode >> path;
    if (rights.compare(0, 2, "rw") != 0 || path.starts_with("[v")) continue;
    const auto dash = range.find('-');
    all.push_back({std::stoull(range.substr(0, dash), nullptr, 16),
                   std::stoull(range.substr(dash + 1), nullptr, 16), path});
  }
  return all;
}

/** Names of what is found in the writable memory of this process. */
inline std::string scan(const std::vector<Wanted> &all) {
  std::string found;
  for (const Mapping &m : writable_memory("self")) {
    const auto *from = reinterpret_cast<const std::uint8_t *>(m.from);
    const auto *to = reinterpret_cast<const std::uint8_t *>(m.to);
    for (const auto &w : all)
      if (found_in(from, to, w.masked)) found += w.name + " in " + m.path + "; ";
  }
  return found;
}

/** The same of another process; nothing is read where that is not allowed. */
inline std::string scan_process(const std::string &process, const std::vector<Wanted> &all) {
  std::string found;
  const int memory = open(("/proc/" + process + "/mem").c_str(), O_RDONLY | O_CLOEXEC);
  for (const Mapping &m : writable_memory(process)) {
    Bytes copy(m.to - m.from);
    const auto got = pread(memory, copy.data(), copy.size(), static_cast<off_t>(m.from));
    const std::uint8_t *to = copy.data() + std::max<ssize_t>(got, 0);
    for (const auto &w : all)
      if (found_in(copy.data(), to, w.masked)) found += w.name + " in " + m.path + "; ";
    // What the other process may hold, this one may not.
    wipe_bytes(copy);
  }
  if (memory >= 0) close(memory);
  return found;
}

/** Overwrites what returned calls have left on the stack: those bytes are nobody's any more. */
[[gnu::noinline]] inline void clear_stack() {
  volatile std::uint8_t room[65536];
  for (auto &b : room) b = 0;
}

}  // namespace dv::test
