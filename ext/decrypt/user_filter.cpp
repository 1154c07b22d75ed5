// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/decrypt/user_filter.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

namespace dv {

std::optional<std::set<UserId>> parse_user_ids(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\n";
  std::set<UserId> ids;
  if (text.find_first_not_of(kBlanks) == std::string_view::npos) return ids;
  while (true) {
    const auto comma = text.find(',');
    std::string_view word = text.substr(0, comma);
    word.remove_prefix(std::min(word.find_first_not_of(kBlanks), word.size()));
    word = word.substr(0, word.find_last_not_of(kBlanks) + 1);
    UserId id = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), id);
    if (error != std::errc() || end != word.data() + word.size() || id == 0) return std::nullopt;
    ids.insert(id);
    if (comma == std::string_view::npos) return ids;
    text.remove_prefix(comma + 1);
  }
}

void UserFilter::set_users(std::set<UserId> allowed, std::set<UserId> denied) {
  allowed_ = std::move(allowed);
  denied_ = std::move(denied);
  refused_.clear();
}

bool UserFilter::admits(UserId user) const {
  return !denied_.contains(user) && (allowed_.empty() || allowed_.contains(user));
}

void UserFilter::apply(KeyUpdate &update) {
  if (auto *binding = std::get_if<SsrcUpdate>(&update)) {
    const std::pair key{binding->session, binding->ssrc};
    if (binding->user == 0 || binding->kind != StreamKind::audio || admits(binding->user)) {
      refused_.erase(key);
      return;
    }
    if (refused_.size() < kMaxBindings || refused_.contains(key)) refused_[key] = binding->user;
    binding->user = 0;
  } else if (const auto *end = std::get_if<SessionEndUpdate>(&update)) {
    constexpr Ssrc kLast = std::numeric_limits<Ssrc>::max();
    refused_.erase(refused_.lower_bound({end->session, 0}),
                   refused_.upper_bound({end->session, kLast}));
  }
}

UserId UserFilter::refused(SessionId session, Ssrc ssrc) const {
  if (refused_.empty()) return 0;
  const auto found = refused_.find({session, ssrc});
  return found == refused_.end() ? 0 : found->second;
}

}  // namespace dv
