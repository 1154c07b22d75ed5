// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <memory>

#include "ext/decrypt/pool/worker_pool.hpp"

namespace dv {

/** One element's place in a pool. */
class PoolClient final : public Engine {
 public:
  PoolClient(std::shared_ptr<WorkerPool> pool, std::uint32_t id)
      : pool_(std::move(pool)), id_(id) {}
  /** After it the sink is not called again. */
  ~PoolClient() override { pool_->remove_client(id_); }

  void apply(const KeyUpdate &update) override { pool_->apply(id_, update); }
  void submit(std::span<const PacketIn> packets) override { pool_->submit(id_, packets); }
  void drain(std::uint64_t barrier) override { pool_->drain(id_, barrier); }
  void forget(SessionId session, Ssrc ssrc, std::uint64_t barrier) override {
    pool_->forget(id_, session, ssrc, barrier);
  }
  void flush() override { pool_->flush(id_); }
  std::vector<std::int64_t> workers() const override { return pool_->workers(); }
  void interrupt(bool on) override { pool_->interrupt(id_, on); }

 private:
  std::shared_ptr<WorkerPool> pool_;
  std::uint32_t id_;
};

}  // namespace dv
