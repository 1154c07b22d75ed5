// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <unordered_map>
#include <vector>

#include "ext/voice/core/types.hpp"

namespace dv::voice {

/** Who is in the call, and who they are. Lives over voice sessions. */
class Roster {
 public:
  /** True where it is news. */
  bool know(const Member &member);
  Member member(UserId user) const;
  bool named(UserId user) const { return names_.count(user) != 0; }

  /** True where he was not there before. */
  bool enter(UserId user);
  /** True where he was there. */
  bool leave(UserId user);
  bool present(UserId user) const { return present_.count(user) != 0; }
  /** A new session lists everybody again; who is not listed has gone in between. */
  void suspect_all();
  std::vector<UserId> drop_suspects();
  std::size_t size() const { return present_.size(); }

 private:
  std::unordered_map<UserId, Member> names_;
  std::unordered_map<UserId, bool> present_;  // value: confirmed in this session
};

}  // namespace dv::voice
