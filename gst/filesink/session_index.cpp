// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/filesink/session_index.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <ctime>

namespace dv {

SessionIndex::~SessionIndex() { close(false); }

std::optional<FileError> SessionIndex::open(const std::string &path) {
  std::lock_guard lock(mutex_);
  path_ = path;
  fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd_ < 0) return FileError{errno, "open", path};
  alone_ = flock(fd_, LOCK_EX | LOCK_NB) == 0;
  // A line torn by a crash ends here, so that it spoils no other.
  const off_t size = lseek(fd_, 0, SEEK_END);
  char last = '\n';
  if (size > 0 && pread(fd_, &last, 1, size - 1) == 1 && last != '\n' &&
      ::write(fd_, "\n", 1) != 1) {
    return FileError{errno, "write to", path};
  }
  return std::nullopt;
}

bool SessionIndex::is_open() const {
  std::lock_guard lock(mutex_);
  return fd_ >= 0;
}

std::optional<FileError> SessionIndex::append(const JsonLine &line) {
  const std::string text = line.str();
  std::lock_guard lock(mutex_);
  if (fd_ < 0) return std::nullopt;
  ssize_t n = 0;
  do {
    n = ::write(fd_, text.data(), text.size());
  } while (n < 0 && errno == EINTR);
  if (n == static_cast<ssize_t>(text.size())) return std::nullopt;
  const FileError error{n < 0 ? errno : ENOSPC, "write to", path_};
  ::close(fd_);
  fd_ = -1;
  return error;
}

void SessionIndex::close(bool sync) {
  std::lock_guard lock(mutex_);
  if (fd_ < 0) return;
  if (sync) fsync(fd_);
  ::close(fd_);
  fd_ = -1;
}

std::string utc_text(Time since_1970) {
  const auto us = since_1970.count() / 1000;
  const auto t = static_cast<std::time_t>(us / 1000000);
  std::tm tm{};
  gmtime_r(&t, &tm);
  char day[32], text[64];
  day[std::strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &tm)] = '\0';
  std::snprintf(text, sizeof text, "%s.%06dZ", day, static_cast<int>(us % 1000000));
  return text;
}

}  // namespace dv
