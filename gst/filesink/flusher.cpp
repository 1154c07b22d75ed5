// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/filesink/flusher.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace dv {

struct Flusher::Descriptor {
  explicit Descriptor(int descriptor) : fd(descriptor) {}
  ~Descriptor() { close(fd); }
  Descriptor(const Descriptor &) = delete;
  Descriptor &operator=(const Descriptor &) = delete;
  const int fd;
};

std::shared_ptr<Flusher> Flusher::shared() {
  static std::mutex mutex;
  static std::weak_ptr<Flusher> instance;
  std::lock_guard lock(mutex);
  auto flusher = instance.lock();
  if (!flusher) {
    flusher = std::make_shared<Flusher>([](int fd) { return syncfs(fd) == 0 ? 0 : errno; });
    instance = flusher;
  }
  return flusher;
}

Flusher::Flusher(Sync sync, std::chrono::milliseconds period)
    : sync_(std::move(sync)), period_(period), thread_([this] { work(); }) {}

Flusher::~Flusher() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void Flusher::add(const void *owner, const std::string &directory) {
  const int fd = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  auto descriptor = std::make_shared<Descriptor>(fd);
  struct stat st {};
  if (fstat(fd, &st) != 0) return;
  std::lock_guard lock(mutex_);
  owners_[owner].file_systems.try_emplace(st.st_dev, std::move(descriptor));
}

void Flusher::remove(const void *owner) {
  std::lock_guard lock(mutex_);
  owners_.erase(owner);
}

int Flusher::take_error(const void *owner) {
  std::lock_guard lock(mutex_);
  const auto it = owners_.find(owner);
  return it == owners_.end() ? 0 : std::exchange(it->second.error, 0);
}

void Flusher::work() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    wake_.wait_for(lock, period_, [this] { return stopping_; });
    std::map<dev_t, std::shared_ptr<Descriptor>> all;
    for (const auto &[owner, state] : owners_) {
      all.insert(state.file_systems.begin(), state.file_systems.end());
    }
    for (const auto &[device, descriptor] : all) {
      lock.unlock();
      const int error = sync_(descriptor->fd);
      lock.lock();
      if (error == 0) continue;
      for (auto &[owner, state] : owners_) {
        if (state.error == 0 && state.file_systems.contains(device)) state.error = error;
      }
    }
  }
}

}  // namespace dv
