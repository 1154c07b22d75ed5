// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/voice/core/main_impl.hpp"
#include "ext/wire/overload.hpp"

namespace dv::voice {
namespace {

constexpr Time kUnlistedGrace = 5s;

}  // namespace

void MainGateway::Impl::notify(GuildId guild, GuildEvent event) {
  actions_.push_back(MainNotify{guild, std::move(event)});
}

void MainGateway::Impl::notify_all(const std::function<GuildEvent()> &make) {
  for (const auto &[guild, watched] : watched_) notify(guild, make());
}

void MainGateway::Impl::handle(main_msg::Body &body, Time now) {
  std::visit(Overload{
                 [&](const main_msg::Hello &hello) { on_hello(hello.interval, now); },
                 [&](const main_msg::HeartbeatRequest &) { beat(now); },
                 [&](const main_msg::HeartbeatAck &) { acked_ = true; },
                 [&](const main_msg::Reconnect &) {
                   lose_and_resume("the main gateway asks to reconnect", now);
                 },
                 [&](const main_msg::InvalidSession &invalid) {
                   on_invalid_session(invalid.resumable, now);
                 },
                 [&](main_msg::Ready &ready) { on_ready(ready, now); },
                 [&](const main_msg::Resumed &) { on_resumed(now); },
                 [&](const main_msg::GuildCreate &guild) { on_guild_create(guild); },
                 [&](const main_msg::GuildDelete &guild) { on_guild_delete(guild); },
                 [&](const main_msg::ChannelChange &change) {
                   cache_.put_channel(change.guild, change.channel);
                 },
                 [&](const main_msg::ChannelDelete &deleted) {
                   cache_.erase_channel(deleted.guild, deleted.channel);
                   if (attached(deleted.guild))
                     notify(deleted.guild, ChannelDeleted{deleted.channel});
                 },
                 [&](main_msg::VoiceStateUpdate &update) { on_voice_state(update); },
                 [&](main_msg::VoiceServerUpdate &update) { on_voice_server(update); },
                 [&](const main_msg::Members &members) { on_members(members); },
                 [](const main_msg::Other &) {},
             },
             body);
}

void MainGateway::Impl::on_ready(main_msg::Ready &ready, Time now) {
  if (state_ != State::identifying) return;
  state_ = State::ready;
  deadline_ = kNever;
  ever_ready_ = true;
  told_lost_ = false;
  own_ids_match_ = false;
  resume_tries_ = 0;
  self_ = ready.self;
  session_ = Session{std::move(ready.session_id), std::move(ready.resume_url)};
  backoff_.on_healthy(now);
  cache_.expect(ready.guilds);
  // What was asked of the session before is void with it; each connection asks again by itself.
  pending_.clear();
  pending_order_.clear();
  for (auto &[guild, watched] : watched_) {
    watched.told_ready = false;
    watched.unlisted_deadline = cache_.listed(guild) ? kNever : now + kUnlistedGrace;
  }
}

void MainGateway::Impl::on_resumed(Time now) {
  if (state_ != State::resuming) return;
  state_ = State::ready;
  deadline_ = kNever;
  told_lost_ = false;
  resume_tries_ = 0;
  stats_.resumes++;
  backoff_.on_healthy(now);
  notify_all([]() -> GuildEvent { return MainResumed{}; });
}

void MainGateway::Impl::tell_ready(GuildId guild, Watched &watched, bool new_session) {
  watched.told_ready = true;
  watched.unlisted_deadline = kNever;
  tell_names(guild);
  notify(guild, GuildReady{self_, new_session, cache_.has_channel(guild, watched.channel)});
}

void MainGateway::Impl::tell_names(GuildId guild) {
  for (Member &member : cache_.members(guild)) notify(guild, MemberKnown{std::move(member)});
}

void MainGateway::Impl::on_guild_create(const main_msg::GuildCreate &guild) {
  cache_.put(guild);
  const auto it = watched_.find(guild.guild);
  if (it == watched_.end() || guild.unavailable) return;
  if (it->second.told_ready) {
    // Back after an outage of the guild; the voice session may well have lived through it.
    tell_names(guild.guild);
    return;
  }
  tell_ready(guild.guild, it->second, true);
}

void MainGateway::Impl::on_guild_delete(const main_msg::GuildDelete &guild) {
  if (guild.unavailable) {
    cache_.set_unavailable(guild.guild);
  } else {
    cache_.erase(guild.guild);
  }
  if (attached(guild.guild)) notify(guild.guild, GuildGone{guild.unavailable, false});
}

void MainGateway::Impl::check_unlisted(Time now) {
  for (auto &[guild, watched] : watched_) {
    if (now < watched.unlisted_deadline) continue;
    watched.unlisted_deadline = kNever;
    notify(guild, GuildGone{false, true});
  }
}

void MainGateway::Impl::on_voice_state(main_msg::VoiceStateUpdate &update) {
  main_msg::VoiceState &state = update.state;
  cache_.put_voice(update.guild, state.user, state.channel);
  const bool watched = attached(update.guild);
  if (update.member && cache_.put_member(update.guild, *update.member) && watched) {
    notify(update.guild, MemberKnown{*update.member});
  }
  if (!watched) return;
  if (state.user != self_) return;
  // Another process with this token has voice states of its own, told apart by the session id. That
  // ours carries the id of READY is practice, not promise: it is relied on once it has been seen.
  const bool ours = session_ && state.session_id == session_->id;
  own_ids_match_ = own_ids_match_ || ours;
  if (own_ids_match_ && !ours) return;
  notify(update.guild, OwnVoiceState{std::move(state.session_id), state.channel, state.deaf,
                                     state.mute, state.suppress});
}

void MainGateway::Impl::on_voice_server(main_msg::VoiceServerUpdate &update) {
  if (!attached(update.guild)) return;
  notify(update.guild, VoiceServer{std::move(update.token), std::move(update.endpoint)});
}

void MainGateway::Impl::on_members(const main_msg::Members &members) {
  const auto it = watched_.find(members.guild);
  for (const Member &member : members.members) {
    const bool news = cache_.put_member(members.guild, member);
    if (it == watched_.end()) continue;
    it->second.unnamed.erase(member.user);
    if (news) notify(members.guild, MemberKnown{member});
  }
}

}  // namespace dv::voice
