// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/decrypt/pool/pool_registry.hpp"

#include <unistd.h>

#include <algorithm>

#include "ext/decrypt/pool/pool_client.hpp"
#include "ext/decrypt/pool/worker_pool.hpp"

namespace dv {

PoolRegistry &PoolRegistry::instance() {
  static auto *registry = new PoolRegistry;
  return *registry;
}

void PoolRegistry::check_owner() {
  if (owner == getpid()) return;
  // Destroying them here would end the workers of the parent.
  static std::map<std::string, std::shared_ptr<WorkerPool>> *abandoned = nullptr;
  if (!pools.empty()) abandoned = new auto(std::move(pools));
  (void)abandoned;
  pools.clear();
  owner = getpid();
}

std::unique_ptr<Engine> WorkerPool::open(const std::string &name, const PoolConfig &config,
                                         const ChainConfig &chain, bool live, EngineSink &sink) {
  PoolRegistry &registry = PoolRegistry::instance();
  std::lock_guard lock(registry.mutex);
  registry.check_owner();
  auto &pool = registry.pools[name];
  if (!pool) pool = std::make_shared<WorkerPool>(name, config);
  {
    std::lock_guard pool_lock(pool->mutex_);
    if (config.max_workers > pool->slots_.size()) pool->slots_.resize(config.max_workers);
    if (pool->clients_.empty()) pool->config_ = config;
  }
  const std::uint32_t id = pool->add_client(chain, live, sink);
  return std::make_unique<PoolClient>(pool, id);
}

void WorkerPool::test_hook(const std::string &name, const worker::TestHook &hook, bool sticky,
                           int only) {
  PoolRegistry &registry = PoolRegistry::instance();
  std::lock_guard lock(registry.mutex);
  const auto it = registry.pools.find(name);
  if (it == registry.pools.end()) return;
  std::lock_guard pool_lock(it->second->mutex_);
  if (sticky) it->second->sticky_hooks_.push_back({hook, only});
  auto &slots = it->second->slots_;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (only != kNoWorker && only != static_cast<int>(i)) continue;
    if (slots[i].process) slots[i].process->send(hook);
  }
}

// A new client can not come while both locks are held.
bool WorkerPool::finished() {
  PoolRegistry &registry = PoolRegistry::instance();
  std::lock_guard lock(registry.mutex);
  std::lock_guard pool_lock(mutex_);
  const bool busy = std::any_of(slots_.begin(), slots_.end(),
                                [](const WorkerSlot &slot) { return slot.process != nullptr; });
  if (!clients_.empty() || busy || !ending_.empty()) return false;
  running_ = false;
  const auto it = registry.pools.find(name_);
  if (it != registry.pools.end() && it->second.get() == this) registry.pools.erase(it);
  return true;
}

}  // namespace dv
