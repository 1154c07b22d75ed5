// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/filesink/strand_pool.hpp"

#include <utility>

namespace dv {

StrandPool::StrandPool(unsigned threads) {
  for (unsigned i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
}

StrandPool::~StrandPool() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (auto &thread : threads_) thread.join();
}

void StrandPool::post(std::shared_ptr<Strand> strand) {
  {
    std::lock_guard lock(mutex_);
    runnable_.push_back(std::move(strand));
  }
  wake_.notify_one();
}

void StrandPool::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !runnable_.empty(); });
    if (runnable_.empty()) return;
    auto strand = std::move(runnable_.front());
    runnable_.pop_front();
    lock.unlock();
    const bool more = strand->run();
    lock.lock();
    if (more)
      runnable_.push_back(std::move(strand));
    else {
      // Its destructor may be heavy and must not run under the lock.
      lock.unlock();
      strand.reset();
      lock.lock();
    }
  }
}

}  // namespace dv
