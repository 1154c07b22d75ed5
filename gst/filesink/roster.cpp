// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/filesink/roster.hpp"

#include <algorithm>

namespace dv {

bool Roster::rename(UserId user, const std::string &name) {
  if (user == 0 || name.empty()) return false;
  std::lock_guard lock(mutex_);
  if (names_.size() > kMax) return false;
  auto &known = names_[user];
  if (known == name) return false;
  known = name;
  return true;
}

bool Roster::bind(const FrameSource &source) {
  std::lock_guard lock(mutex_);
  if (bindings_.size() > kMax) return false;
  auto [it, fresh] = bindings_.try_emplace(stream_id(source), source.user);
  if (!fresh && it->second == source.user) return false;
  it->second = source.user;
  return true;
}

bool Roster::set_present(const FrameSource &source, bool present) {
  if (source.user == 0) return false;
  std::lock_guard lock(mutex_);
  if (present_.size() > kMax) present_.clear();
  auto &streams = present_[source.user];
  const bool before = !streams.empty();
  if (!present) {
    streams.erase(stream_id(source));
  } else if (streams.size() < kMax) {
    streams.insert(stream_id(source));
  }
  const bool after = !streams.empty();
  if (!after) present_.erase(source.user);
  return before != after;
}

std::string Roster::name_of(UserId user) const {
  std::lock_guard lock(mutex_);
  auto it = names_.find(user);
  return it == names_.end() ? std::string() : it->second;
}

unsigned Roster::number_for(const FrameSource &source) {
  std::lock_guard lock(mutex_);
  auto &number = source.user != 0 ? numbers_[source.user] : unknown_numbers_[stream_id(source)];
  if (number == 0) number = ++last_number_;
  return number;
}

void Roster::take_over(UserId user, unsigned number, const std::string &name) {
  std::lock_guard lock(mutex_);
  last_number_ = std::max(last_number_, number);
  if (user == 0) return;
  numbers_[user] = number;
  if (!name.empty()) names_[user] = name;
}

}  // namespace dv
