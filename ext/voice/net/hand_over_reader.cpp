// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/voice/net/hand_over_reader.hpp"

#include <fcntl.h>
#include <glib-unix.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace dv::voice {
namespace {
constexpr std::size_t kMaxLine = 64 * 1024;
}

HandOverReader::HandOverReader(NetLoop &loop, int fd, Update update, Problem problem)
    : fd_(fcntl(fd, F_DUPFD_CLOEXEC, 3)), update_(std::move(update)), problem_(std::move(problem)) {
  if (fd_ < 0) {
    problem_("handover-fd is not an open descriptor");
    return;
  }
  // One read per readiness, so the descriptor, which others may share, need not become
  // non-blocking.
  source_ = g_unix_fd_source_new(fd_, static_cast<GIOCondition>(G_IO_IN | G_IO_HUP | G_IO_ERR));
  g_source_set_callback(source_, G_SOURCE_FUNC(readable), this, nullptr);
  g_source_attach(source_, loop.context());
}

HandOverReader::~HandOverReader() {
  if (source_ != nullptr) {
    g_source_destroy(source_);
    g_source_unref(source_);
  }
  if (fd_ >= 0) close(fd_);
  wipe_memory(pending_.data(), pending_.size());
}

gboolean HandOverReader::readable(gint, GIOCondition, gpointer data) {
  return static_cast<HandOverReader *>(data)->read_some() ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

bool HandOverReader::read_some() {
  std::array<char, 4096> chunk;
  const ssize_t count = read(fd_, chunk.data(), chunk.size());
  if (count < 0) return errno == EINTR || errno == EAGAIN;
  if (count == 0) return false;
  pending_.append(chunk.data(), static_cast<std::size_t>(count));
  wipe_memory(chunk.data(), chunk.size());
  take_lines();
  return true;
}

void HandOverReader::take_lines() {
  std::size_t start = 0;
  for (std::size_t end; (end = pending_.find('\n', start)) != std::string::npos; start = end + 1) {
    const std::string_view line(pending_.data() + start, end - start);
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    if (auto update = parse_hand_over(line)) {
      update_(std::move(*update));
    } else {
      problem_("a line from handover-fd is no JSON object of voice credentials");
    }
  }
  wipe_memory(pending_.data(), start);
  pending_.erase(0, start);
  if (pending_.size() > kMaxLine) {
    problem_("a line from handover-fd is longer than 64 KiB");
    wipe_memory(pending_.data(), pending_.size());
    pending_.clear();
  }
}

}  // namespace dv::voice
