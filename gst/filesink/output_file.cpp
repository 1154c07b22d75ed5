// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/filesink/output_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>
#include <utility>

#include "gst/filesink/naming.hpp"

namespace dv {
namespace {

constexpr unsigned kMaxSuffix = 9999;

bool exists(const std::string &path) {
  struct stat st {};
  return lstat(path.c_str(), &st) == 0;
}

/** rename(2) that refuses to replace; where the file system cannot do that, check and rename. */
int rename_new(const std::string &from, const std::string &to) {
  if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return errno;
  if (exists(to)) return EEXIST;
  return std::rename(from.c_str(), to.c_str()) == 0 ? 0 : errno;
}

}  // namespace

std::string FileError::text() const {
  return "Could not " + doing + " \"" + path + "\": " + std::generic_category().message(code) + ".";
}

std::string FileError::advice() const {
  switch (code) {
    case ENOENT:
      return "The directory does not exist. Create it, or set another location.";
    case ENOTDIR:
      return "A part of the path is a file. Set another location.";
    case EACCES:
    case EPERM:
      return "Give this user the right to write there, or set another location.";
    case EROFS:
      return "The file system is mounted read-only. Set another location.";
    case ENOSPC:
    case EDQUOT:
      return "There is no space left. Free some, or record to another file system.";
    case EFBIG:
      return "The file has reached the largest size allowed here.";
    case ENAMETOOLONG:
      return "The name is too long. Use a shorter location.";
    case EEXIST:
      return "Too many files of that name. Clear the directory, or set another location.";
    case EMFILE:
    case ENFILE:
      return "Too many open files. Raise the limit (ulimit -n).";
    default:
      return "Check the storage device.";
  }
}

OutputFile::~OutputFile() {
  if (fd_ >= 0) close(fd_);
}

FileError OutputFile::failure(const char *doing, int code) const {
  return {code, doing, path_.empty() ? wanted_ : path_};
}

std::optional<FileError> OutputFile::create(const std::string &path, const Options &options) {
  options_ = options;
  wanted_ = path;
  for (; number_ <= kMaxSuffix; ++number_) {
    const std::string candidate = with_suffix(wanted_, number_);
    if (!options_.overwrite && exists(candidate)) continue;
    const std::string part = candidate + ".part";
    fd_ = open(part.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd_ >= 0) {
      path_ = candidate;
      return std::nullopt;
    }
    if (errno != EEXIST) return failure("create", errno);
  }
  return failure("create", EEXIST);
}

std::size_t OutputFile::read_at(std::uint64_t offset, Bytes &into) const {
  std::size_t done = 0;
  while (done < into.size()) {
    const ssize_t n =
        pread(fd_, into.data() + done, into.size() - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    done += static_cast<std::size_t>(n);
  }
  return done;
}

std::optional<FileError> OutputFile::write_at(std::uint64_t offset, ByteView bytes) {
  if (options_.buffer > 0 && offset == size()) {
    waiting_.insert(waiting_.end(), bytes.begin(), bytes.end());
    ends_.push_back(size());
    return waiting_.size() < options_.buffer ? std::nullopt : flush();
  }
  if (auto error = flush()) return error;
  return store(offset, bytes);
}

std::optional<FileError> OutputFile::write_whole(std::uint64_t offset, ByteView bytes) {
  const std::uint64_t before = size();
  auto error = write_at(offset, bytes);
  if (error) truncate_to(before);
  return error;
}

std::optional<FileError> OutputFile::flush() {
  const Bytes bytes = std::exchange(waiting_, {});
  const auto ends = std::exchange(ends_, {});
  std::uint64_t whole = size_;
  auto error = store(size_, bytes);
  if (!error) return std::nullopt;
  for (const std::uint64_t end : ends) whole = end <= size_ ? end : whole;
  truncate_to(whole);
  return error;
}

std::optional<FileError> OutputFile::store(std::uint64_t offset, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t n = pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return failure("write to", n == 0 ? ENOSPC : errno);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
    if (offset > size_) size_ = offset;
  }
  return std::nullopt;
}

std::optional<FileError> OutputFile::extend_to(std::uint64_t size) {
  if (auto error = flush()) return error;
  if (size <= size_) return std::nullopt;
  if (ftruncate(fd_, static_cast<off_t>(size)) != 0) return failure("extend", errno);
  size_ = size;
  return std::nullopt;
}

void OutputFile::truncate_to(std::uint64_t size) {
  if (size >= size_) waiting_.resize(std::min<std::size_t>(waiting_.size(), size - size_));
  std::erase_if(ends_, [&](std::uint64_t end) { return end > size; });
  if (size < size_ && ftruncate(fd_, static_cast<off_t>(size)) == 0) size_ = size;
}

std::optional<FileError> OutputFile::rename_into_place() {
  const std::string part = part_path();
  if (options_.overwrite) {
    if (std::rename(part.c_str(), path_.c_str()) == 0) return std::nullopt;
    return failure("rename to", errno);
  }
  for (; number_ <= kMaxSuffix; ++number_) {
    const std::string candidate = with_suffix(wanted_, number_);
    const int code = rename_new(part, candidate);
    if (code == 0) {
      path_ = candidate;
      return std::nullopt;
    }
    if (code != EEXIST) return failure("rename to", code);
  }
  return failure("rename to", EEXIST);
}

std::optional<FileError> OutputFile::finish() {
  if (fd_ < 0) return std::nullopt;
  std::optional<FileError> error = flush();
  if (options_.sync && fsync(fd_) != 0 && !error) error = failure("save", errno);
  const int closed = close(fd_);
  fd_ = -1;
  // EINTR of close(2) on Linux: the descriptor is gone and the data is with the kernel.
  if (closed != 0 && errno != EINTR && !error) error = failure("close", errno);
  auto renamed = rename_into_place();
  if (options_.sync) sync_directory(directory_of(path_));
  return error ? error : renamed;
}

std::optional<FileError> directory_problem(const std::string &directory) {
  struct stat st {};
  if (stat(directory.c_str(), &st) != 0) return FileError{errno, "record into", directory};
  if (!S_ISDIR(st.st_mode)) return FileError{ENOTDIR, "record into", directory};
  if (access(directory.c_str(), W_OK | X_OK) != 0) {
    return FileError{errno, "record into", directory};
  }
  return std::nullopt;
}

bool complete_left_file(const std::string &path) {
  const std::string part = path + ".part";
  struct stat st {};
  if (lstat(part.c_str(), &st) != 0 || !S_ISREG(st.st_mode)) return false;
  return rename_new(part, path) == 0;
}

void sync_directory(const std::string &directory) {
  const int fd = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  fsync(fd);
  close(fd);
}

}  // namespace dv
