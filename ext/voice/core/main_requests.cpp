// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>

#include "ext/voice/core/main_impl.hpp"

namespace dv::voice {
namespace {

constexpr Time kMembersInterval = 30s;
constexpr std::size_t kMembersPerRequest = 100;
constexpr std::size_t kMaxUnnamed = 10'000;

}  // namespace

void MainGateway::Impl::attach(GuildId guild, ChannelId channel, Time now) {
  auto &watched = watched_[guild];
  watched = Watched{};
  watched.channel = channel;
  if (failure_) {
    notify(guild, *failure_);
  } else if (cache_.available(guild)) {
    // While a lost session is being resumed the join waits for it; a new one tells again.
    tell_ready(guild, watched, false);
  } else if (state_ == State::ready && !cache_.listed(guild)) {
    watched.unlisted_deadline = now + 1s;
  }
}

void MainGateway::Impl::detach(GuildId guild) {
  watched_.erase(guild);
  // A leave that still waits is sent nevertheless: the bot must not stay behind in the channel.
  if (const auto it = pending_.find(guild); it != pending_.end()) it->second.join.reset();
}

void MainGateway::Impl::join(GuildId guild, ChannelId channel, bool self_mute, bool self_deaf,
                             Time now) {
  if (const auto it = watched_.find(guild); it != watched_.end()) it->second.channel = channel;
  if (pending_.try_emplace(guild).second) pending_order_.push_back(guild);
  pending_[guild].join = Join{channel, self_mute, self_deaf};
  flush(now);
}

void MainGateway::Impl::leave(GuildId guild, Time now) {
  if (pending_.try_emplace(guild).second) pending_order_.push_back(guild);
  pending_[guild] = Pending{true, std::nullopt};
  flush(now);
}

void MainGateway::Impl::request_members(GuildId guild, const std::vector<UserId> &users, Time now) {
  const auto it = watched_.find(guild);
  if (it == watched_.end()) return;
  for (const UserId user : users) {
    if (user == 0 || cache_.knows_name(guild, user)) continue;
    if (it->second.unnamed.size() < kMaxUnnamed) it->second.unnamed.insert(user);
  }
  flush(now);
}

void MainGateway::Impl::send_pending(GuildId guild, Pending &pending, Time now) {
  if (pending.leave) {
    send(Secret::from_text(main_msg::voice_state(guild, std::nullopt, false, false)), now);
    pending.leave = false;
    if (attached(guild)) notify(guild, LeaveSent{});
    return;
  }
  if (!pending.join) return;
  const Join join = *pending.join;
  pending.join.reset();
  send(
      Secret::from_text(main_msg::voice_state(guild, join.channel, join.self_mute, join.self_deaf)),
      now);
  if (!attached(guild)) return;
  notify(guild, cache_.facts(guild, join.channel));
  notify(guild, JoinSent{});
}

void MainGateway::Impl::flush(Time now) {
  if (state_ != State::ready) return;
  while (!pending_order_.empty() && sends_.earliest(now) <= now) {
    const GuildId guild = pending_order_.front();
    Pending &pending = pending_[guild];
    send_pending(guild, pending, now);
    if (pending.leave || pending.join) continue;
    pending_order_.pop_front();
    pending_.erase(guild);
  }
  send_member_requests(now);
}

void MainGateway::Impl::send_member_requests(Time now) {
  for (auto &[guild, watched] : watched_) {
    if (watched.unnamed.empty() || now < watched.members_at) continue;
    if (!pending_order_.empty() || sends_.earliest(now) > now) return;
    std::vector<UserId> users;
    while (users.size() < kMembersPerRequest && !watched.unnamed.empty()) {
      users.push_back(watched.unnamed.extract(watched.unnamed.begin()).value());
    }
    watched.members_at = now + kMembersInterval;
    const std::string text = main_msg::request_members(guild, users);
    if (text.size() <= main_msg::kMaxFrame) send(Secret::from_text(text), now);
  }
}

Time MainGateway::Impl::next_request() const {
  if (state_ != State::ready) return kNever;
  Time next = kNever;
  const Time budget = sends_.earliest(Time::min());
  if (!pending_order_.empty()) next = budget;
  for (const auto &[guild, watched] : watched_) {
    if (!watched.unnamed.empty()) next = std::min(next, std::max(watched.members_at, budget));
  }
  return next;
}

}  // namespace dv::voice
