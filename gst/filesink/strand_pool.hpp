// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace dv {

/** Work that runs in one thread at a time, piece by piece. */
class Strand {
 public:
  virtual ~Strand() = default;
  /** Does a bounded piece of work; true when there is more. */
  virtual bool run() = 0;
};

/**
 * A few threads for any number of strands. Whoever makes a strand runnable posts it once; it is run
 * again until `run` says that nothing is left. What a strand waits for (a slow disk) holds up one
 * thread, not the others.
 */
class StrandPool {
 public:
  explicit StrandPool(unsigned threads);
  /** Runs what is posted, then joins the threads. Never from a pool thread. */
  ~StrandPool();
  StrandPool(const StrandPool &) = delete;
  StrandPool &operator=(const StrandPool &) = delete;

  void post(std::shared_ptr<Strand> strand);

 private:
  void work();

  std::mutex mutex_;  // the two below; never held while a strand runs
  std::deque<std::shared_ptr<Strand>> runnable_;
  bool stopping_ = false;
  std::condition_variable wake_;
  std::vector<std::thread> threads_;
};

}  // namespace dv
