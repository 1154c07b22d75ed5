// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/voice/core/roster.hpp"

#include <algorithm>

namespace dv::voice {

bool Roster::know(const Member &member) {
  const auto it = names_.find(member.user);
  if (it == names_.end()) {
    if (member.user == 0 || names_.size() >= kMaxUsers) return false;
    names_.emplace(member.user, member);
    return true;
  }
  if (it->second.name == member.name && it->second.bot == member.bot) return false;
  it->second = member;
  return true;
}

Member Roster::member(UserId user) const {
  const auto it = names_.find(user);
  return it == names_.end() ? Member{user, {}, false} : it->second;
}

bool Roster::enter(UserId user) {
  const auto it = present_.find(user);
  if (it != present_.end()) {
    it->second = true;
    return false;
  }
  if (present_.size() >= kMaxUsers) return false;
  present_.emplace(user, true);
  return true;
}

bool Roster::leave(UserId user) { return present_.erase(user) > 0; }

void Roster::suspect_all() {
  for (auto &[user, confirmed] : present_) confirmed = false;
}

std::vector<UserId> Roster::drop_suspects() {
  std::vector<UserId> gone;
  for (const auto &[user, confirmed] : present_) {
    if (!confirmed) gone.push_back(user);
  }
  for (const UserId user : gone) present_.erase(user);
  std::sort(gone.begin(), gone.end());
  return gone;
}

}  // namespace dv::voice
