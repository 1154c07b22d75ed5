// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <sys/types.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace dv {

class WorkerPool;

/** The pools of this process by name. Locked before the lock of any pool. */
struct PoolRegistry {
  std::mutex mutex;
  pid_t owner = 0;  ///< a child after fork has no workers, and no thread that serves them
  std::map<std::string, std::shared_ptr<WorkerPool>> pools;

  /** Lives until the process ends: threads of pools may outlive static destruction. */
  static PoolRegistry &instance();
  /** With the lock held: forgets what belongs to the process that this one was forked from. */
  void check_owner();
};

}  // namespace dv
