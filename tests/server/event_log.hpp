// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <optional>

#include "tests/server/server.hpp"

namespace dv::server {

/** What happened, for those who wait for it. Thread-safe. */
class EventLog {
 public:
  void emit(std::string name, const nlohmann::json &fields);
  std::optional<Event> wait(std::string_view name, std::uint64_t after, std::uint64_t count,
                            Time limit);
  std::vector<Event> all();
  std::uint64_t last();
  void listen(std::function<void(const Event &)> listener);

 private:
  std::mutex mutex_;  // guards everything below
  std::condition_variable changed_;
  std::deque<Event> events_;
  std::uint64_t last_ = 0;
  std::function<void(const Event &)> listener_;
};

}  // namespace dv::server
