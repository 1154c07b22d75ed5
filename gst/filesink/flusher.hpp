// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace dv {

/**
 * Group commit: one thread for all recordings of the process brings what was written to the storage
 * device, a whole file system at a time, twice a second. However many files and recordings there
 * are, each file system is synced once a round. Any thread.
 */
class Flusher {
 public:
  /** Syncs the file system of a descriptor; 0 or an errno. */
  using Sync = std::function<int(int descriptor)>;

  /** That of the process, as long as somebody holds it. */
  static std::shared_ptr<Flusher> shared();
  /** `sync`: syncfs(2), but for tests. */
  explicit Flusher(Sync sync, std::chrono::milliseconds period = std::chrono::milliseconds(500));
  ~Flusher();
  Flusher(const Flusher &) = delete;
  Flusher &operator=(const Flusher &) = delete;

  /** Syncs the file system that holds `directory`, until `remove`. More than once is one. */
  void add(const void *owner, const std::string &directory);
  void remove(const void *owner);
  /** The first failure since the last call, as errno; 0: none. */
  int take_error(const void *owner);

 private:
  struct Descriptor;
  struct Owner {
    std::map<dev_t, std::shared_ptr<Descriptor>> file_systems;
    int error = 0;
  };
  void work();

  const Sync sync_;
  const std::chrono::milliseconds period_;
  std::mutex mutex_;  // what follows; not held while syncing
  std::map<const void *, Owner> owners_;
  bool stopping_ = false;
  std::condition_variable wake_;
  std::thread thread_;
};

}  // namespace dv
