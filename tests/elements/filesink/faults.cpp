// SPDX-License-Identifier: LGPL-2.1-or-later
#include "faults.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdarg>
#include <mutex>

// The names of the C library's calls in this program come before those of the library itself, for
// whatever it loads. They are exported by the linker option of the target.
namespace bench {
namespace {

std::mutex mutex;
Fault fault;

template <class F>
F original(const char *name) {
  return reinterpret_cast<F>(dlsym(RTLD_NEXT, name));
}

/** The errno with which a call shall fail; 0: none. */
int failure(const char *call, const std::string &path, std::uint64_t length = UINT64_MAX) {
  std::lock_guard lock(mutex);
  const bool meant = fault.call == call && path.find(fault.path) != std::string::npos;
  return meant && length > fault.after ? fault.code : 0;
}

int failure_of(const char *call, int fd, std::uint64_t length = UINT64_MAX) {
  char path[PATH_MAX] = {};
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  if (readlink(link.c_str(), path, sizeof path - 1) < 0) return 0;
  return failure(call, path, length);
}

bool fails(int code) {
  if (code != 0) errno = code;
  return code != 0;
}

}  // namespace

void set_fault(const Fault &value) {
  std::lock_guard lock(mutex);
  fault = value;
}

}  // namespace bench

#define EXPORTED extern "C" __attribute__((visibility("default")))

EXPORTED ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) {
  const auto end = static_cast<std::uint64_t>(offset) + size;
  if (bench::fails(bench::failure_of("write", fd, end))) return -1;
  return bench::original<ssize_t (*)(int, const void *, size_t, off64_t)>("pwrite64")(fd, data,
                                                                                      size, offset);
}

EXPORTED int ftruncate64(int fd, off64_t size) noexcept {
  // Making it shorter needs no space.
  const off64_t now = lseek64(fd, 0, SEEK_END);
  if (size > now &&
      bench::fails(bench::failure_of("write", fd, static_cast<std::uint64_t>(size)))) {
    return -1;
  }
  return bench::original<int (*)(int, off64_t)>("ftruncate64")(fd, size);
}

EXPORTED int open64(const char *path, int flags, ...) {
  mode_t mode = 0;
  if ((flags & O_CREAT) != 0) {
    va_list arguments;
    va_start(arguments, flags);
    mode = va_arg(arguments, mode_t);
    va_end(arguments);
    if (bench::fails(bench::failure("create", path))) return -1;
  }
  return bench::original<int (*)(const char *, int, ...)>("open64")(path, flags, mode);
}

EXPORTED int renameat2(int from_fd, const char *from, int to_fd, const char *to,
                       unsigned flags) noexcept {
  if (bench::fails(bench::failure("rename", from))) return -1;
  return bench::original<int (*)(int, const char *, int, const char *, unsigned)>("renameat2")(
      from_fd, from, to_fd, to, flags);
}

EXPORTED int fsync(int fd) {
  if (bench::fails(bench::failure_of("sync", fd))) return -1;
  return bench::original<int (*)(int)>("fsync")(fd);
}
