// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/server/event_log.hpp"

#include <nlohmann/json.hpp>

#include "tests/server/loop.hpp"

namespace dv::server {

namespace {
constexpr std::size_t kKept = 100000;
}

void EventLog::emit(std::string name, const nlohmann::json &fields) {
  nlohmann::ordered_json line = {{"event", name}};
  for (const auto &[key, value] : fields.items()) line[key] = value;
  line["at_ns"] = Loop::now().count();
  std::function<void(const Event &)> listener;
  Event event{0, std::move(name), line.dump()};
  {
    std::lock_guard lock(mutex_);
    event.number = ++last_;
    events_.push_back(event);
    if (events_.size() > kKept) events_.pop_front();
    listener = listener_;
    changed_.notify_all();
  }
  if (listener) listener(event);
}

std::optional<Event> EventLog::wait(std::string_view name, std::uint64_t after, std::uint64_t count,
                                    Time limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  std::unique_lock lock(mutex_);
  for (;;) {
    std::uint64_t seen = 0;
    for (const Event &event : events_)
      if (event.number > after && event.name == name && ++seen == count) return event;
    if (changed_.wait_until(lock, deadline) == std::cv_status::timeout) return std::nullopt;
  }
}

std::vector<Event> EventLog::all() {
  std::lock_guard lock(mutex_);
  return {events_.begin(), events_.end()};
}

std::uint64_t EventLog::last() {
  std::lock_guard lock(mutex_);
  return last_;
}

void EventLog::listen(std::function<void(const Event &)> listener) {
  std::lock_guard lock(mutex_);
  listener_ = std::move(listener);
}

}  // namespace dv::server
