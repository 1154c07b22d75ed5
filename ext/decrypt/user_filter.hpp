// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "ext/crypto/key_store.hpp"

namespace dv {

/** User ids separated by commas, blanks around them allowed; nothing when a word is none. */
std::optional<std::set<UserId>> parse_user_ids(std::string_view text);

/**
 * Whose audio is opened at all: with a list of allowed users they alone, never those denied. A
 * refused user's number is never bound in the chains, so that nothing of theirs is decoded, and
 * their packets are dropped as soon as the binding is known. Not thread-safe.
 */
class UserFilter {
 public:
  static constexpr std::size_t kMaxBindings = 65536;

  void set_users(std::set<UserId> allowed, std::set<UserId> denied);
  bool admits(UserId user) const;
  /** The update as the chains may see it. */
  void apply(KeyUpdate &update);
  /** The refused user whose number this is; 0: none. */
  UserId refused(SessionId session, Ssrc ssrc) const;

 private:
  std::set<UserId> allowed_, denied_;
  std::map<std::pair<SessionId, Ssrc>, UserId> refused_;
};

}  // namespace dv
