// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/voice/core/voice_impl.hpp"
#include "ext/wire/overload.hpp"

namespace dv::voice {
namespace {

/** After a move the new server is named within a second; this is for a busy day. */
constexpr Time kServerTimeout = 15s;
constexpr std::uint32_t kMaxUnanswered = 3;
/** The two updates of a move come together, in either order. */
constexpr Time kStateLag = 5s;
constexpr Time kLeaveTimeout = 5s;

EndReason reason_of(MainFailed::Kind kind) {
  switch (kind) {
    case MainFailed::Kind::bad_token:
      return EndReason::bad_token;
    case MainFailed::Kind::connect:
      return EndReason::main_unreachable;
    case MainFailed::Kind::tls:
      return EndReason::tls_failed;
    case MainFailed::Kind::budget:
      return EndReason::identify_budget;
    default:
      return EndReason::main_refused;
  }
}

}  // namespace

void VoiceConnection::Impl::on_guild_event(GuildEvent &event, Time now) {
  std::visit(
      Overload{
          [&](const GuildReady &ready) { on_guild_ready(ready, now); },
          [&](const JoinSent &) {
            if (state_ == State::joining && asked_) deadline_ = now + config_.timeout;
          },
          [&](const LeaveSent &) { on_leave_sent(now); },
          [&](OwnVoiceState &state) { on_own_state(state, now); },
          [&](VoiceServer &server) { on_server(server, now); },
          [&](const MemberKnown &known) { on_member(known.member); },
          [&](const GuildGone &gone) {
            const std::string guild = "guild " + std::to_string(config_.guild);
            if (gone.never_member) {
              end(EndReason::guild_removed, true,
                  "The bot is not a member of " + guild +
                      ", or there is no such guild. Invite the bot, or correct guild-id.");
            } else if (gone.outage) {
              tell(Warning{"The main gateway reports an outage of " + guild + "."});
            } else {
              in_voice_ = false;
              end(EndReason::guild_removed, false, "The bot was removed from " + guild + ".");
            }
          },
          [&](const ChannelDeleted &deleted) {
            if (deleted.channel != channel_) return;
            in_voice_ = false;
            end(EndReason::channel_deleted, false, "The " + channel_text() + " was deleted.");
          },
          [&](ChannelFacts &facts) { facts_ = std::move(facts); },
          [&](const MainLost &lost) {
            main_up_ = false;
            if (state_ == State::joining && asked_) deadline_ = kNever;
            tell(Reconnecting{true, true, lost.text});
          },
          [&](const MainResumed &) {
            tell(Resumed{true});
            on_main_back(now);
          },
          [&](const MainFailed &failed) { on_main_failed(failed); },
      },
      event);
}

void VoiceConnection::Impl::on_main_failed(const MainFailed &failed) {
  in_voice_ = false;
  end(reason_of(failed.kind), true, failed.text);
}

void VoiceConnection::Impl::on_main_back(Time now) {
  main_up_ = true;
  switch (state_) {
    case State::joining:
      deadline_ = now + config_.timeout;
      break;
    case State::verdict:
      deadline_ = now + kServerTimeout;
      break;
    case State::backoff:
      if (deadline_ == kNever) leave_and_rejoin(now);
      break;
    default:
      break;
  }
}

void VoiceConnection::Impl::on_guild_ready(const GuildReady &ready, Time now) {
  self_ = ready.self;
  main_up_ = true;
  if (state_ == State::guild_wait) {
    if (!ready.channel_listed) {
      end(EndReason::unknown_channel, true,
          "Guild " + std::to_string(config_.guild) + " has no voice channel " +
              std::to_string(channel_) +
              " that the bot can see. Correct channel-id, or give the "
              "bot the permission View Channel.");
      return;
    }
    begin_join(now);
    return;
  }
  if (!ready.new_session) {
    on_main_back(now);
    return;
  }
  in_voice_ = false;
  drop_link(now);
  if (!ready.channel_listed) {
    end(EndReason::channel_deleted, false, "The " + channel_text() + " is not there any more.");
    return;
  }
  tell(Reconnecting{false, false, "the main gateway has a new session, which has to join again"});
  begin_join(now);
}

void VoiceConnection::Impl::await_answer(Time now) {
  got_state_ = got_server_ = false;
  server_ahead_until_ = Time{};
  server_.reset();
  deadline_ = now + config_.timeout;
}

void VoiceConnection::Impl::begin_join(Time now) {
  state_ = State::joining;
  await_answer(now);
  asked_ = true;
  in_voice_ = true;
  // The answer is due once the request is out, which the main gateway tells.
  if (!config_.hand_over) deadline_ = kNever;
  actions_.push_back(JoinChannel{channel_, config_.self_mute, config_.self_deaf});
}

std::string VoiceConnection::Impl::unanswered_text() const {
  if (config_.hand_over) {
    return "No voice credentials for " + channel_text() +
           " were handed over in time; session id, token and endpoint are needed.";
  }
  if (facts_.user_limit != 0 && facts_.users >= facts_.user_limit) {
    return "Joining " + channel_text() + " was not answered: it is full (" +
           std::to_string(facts_.users) + " of " + std::to_string(facts_.user_limit) +
           "). Raise its user limit, or give the bot the permission Move Members.";
  }
  return "Joining " + channel_text() +
         " was not answered: the bot lacks the permission Connect or View Channel there, or the "
         "channel is full. Check its permissions and user limit.";
}

void VoiceConnection::Impl::join_unanswered(Time now) {
  if (last_chance_) {
    end(EndReason::disconnected, false,
        "Disconnected from " + channel_text() + ", and joining again was not answered.");
    return;
  }
  if (!ever_connected_ || ++unanswered_ >= kMaxUnanswered) {
    end(EndReason::no_answer, true, unanswered_text());
    return;
  }
  begin_backoff("the main gateway named no voice server", now);
}

void VoiceConnection::Impl::connect_if_paired(Time now) {
  if (!got_state_ || !got_server_ || !server_) return;
  unanswered_ = 0;
  begin_connect(now);
}

void VoiceConnection::Impl::on_own_state(OwnVoiceState &state, Time now) {
  if (state_ == State::idle || state_ == State::guild_wait) return;
  if (!state.channel) {
    on_own_null(now);
    return;
  }
  // Until the leave is confirmed whatever comes belongs to what is being left.
  if (state_ == State::leaving) return;
  in_voice_ = true;
  if (state.deaf != deaf_) {
    deaf_ = state.deaf;
    if (!deaf_) watchdog_.start(true, now);
    tell(Deafened{deaf_});
  }
  const bool new_id = !(state.session_id == own_session_id_);
  own_session_id_ = std::move(state.session_id);
  if (*state.channel != channel_) {
    on_moved(*state.channel, new_id, now);
    return;
  }
  if (state_ == State::joining) {
    got_state_ = true;
    connect_if_paired(now);
  } else if (state_ == State::connecting && new_id && now < server_ahead_until_) {
    begin_connect(now);
  }
}

void VoiceConnection::Impl::on_moved(ChannelId to, bool new_id, Time now) {
  if (!config_.follow) {
    const std::string from = channel_text();
    end(EndReason::moved_away, false,
        "The bot was moved from " + from + " to channel " + std::to_string(to) +
            ", and follow is off.");
    return;
  }
  tell(Moved{channel_, to});
  channel_ = to;
  if (state_ == State::joining) {
    got_state_ = true;
    connect_if_paired(now);
    return;
  }
  const bool talking = state_ == State::connecting || state_ == State::ready;
  if (talking && now < server_ahead_until_) {
    // The server of the new channel is known already and being talked to. The DAVE group's name is
    // the channel's, so what was begun for the old channel can not go on.
    if (new_id || identified_) {
      begin_connect(now);
    } else {
      make_dave();
    }
    return;
  }
  drop_link(now);
  state_ = State::joining;
  await_answer(now);
  asked_ = false;
  got_state_ = true;
  deadline_ = now + kServerTimeout;
}

void VoiceConnection::Impl::on_leave_sent(Time now) {
  if (state_ != State::leaving) return;
  leave_sent_ = true;
  deadline_ = now + kLeaveTimeout;
}

void VoiceConnection::Impl::on_own_null(Time now) {
  if (state_ == State::leaving && leave_sent_) {
    in_voice_ = false;
    begin_join(now);
    return;
  }
  // The confirmation of an older leave can come late and hit the next join.
  if (state_ == State::joining && asked_ && !got_state_) return;
  in_voice_ = false;
  end(EndReason::kicked, false, "The bot was disconnected from " + channel_text() + ".");
}

void VoiceConnection::Impl::on_server(VoiceServer &server, Time now) {
  if (state_ == State::idle || state_ == State::guild_wait || state_ == State::leaving) return;
  if (!server.endpoint) {
    on_server_gone(now);
    return;
  }
  const auto endpoint = parse_endpoint(*server.endpoint, config_.loopback);
  if (!endpoint) {
    end(EndReason::bad_endpoint, true,
        "The main gateway named a voice server whose address is not acceptable. Nothing was sent "
        "to it.");
    return;
  }
  const bool known = server_ && server_->token == server.token &&
                     server_->endpoint.host == endpoint->host &&
                     server_->endpoint.port == endpoint->port;
  const bool in_use =
      state_ == State::connecting || state_ == State::ready || state_ == State::resuming;
  if (known && in_use) return;
  server_ = Server{std::move(server.token), *endpoint};
  got_server_ = true;
  if (state_ == State::joining) {
    connect_if_paired(now);
    return;
  }
  tell(Reconnecting{false, false, "the voice server changes"});
  begin_connect(now);
  server_ahead_until_ = now + kStateLag;
}

void VoiceConnection::Impl::on_server_gone(Time now) {
  const bool was_joining = state_ == State::joining;
  if (!was_joining) {
    tell(Reconnecting{false, false, "the voice server is gone, another one is being found"});
    drop_link(now);
    asked_ = false;
  }
  const bool state_known = got_state_ || !was_joining;
  state_ = State::joining;
  await_answer(now);
  got_state_ = state_known;
}

void VoiceConnection::Impl::on_member(const Member &member) {
  if (!roster_.know(member)) return;
  const Ssrc ssrc = ssrcs_.audio_ssrc_of(member.user);
  if (ssrc != 0 && session_ != 0) tell(Source{session_, ssrc, member, true});
}

void VoiceConnection::Impl::on_hand_over(HandOver &update, Time now) {
  if (update.guild && config_.guild == 0) config_.guild = *update.guild;
  if (update.guild && *update.guild != config_.guild) return;
  if (update.user) self_ = *update.user;
  if (channel_ == 0 && update.channel) channel_ = *update.channel;
  if (update.session_id || update.has_channel) {
    OwnVoiceState state;
    state.session_id = update.session_id ? std::move(*update.session_id) : own_session_id_.clone();
    state.deaf = deaf_;
    if (update.has_channel) {
      state.channel = update.channel;
    } else {
      state.channel = channel_;
    }
    on_own_state(state, now);
  }
  if (state_ == State::ended || !(update.token || update.has_endpoint)) return;
  VoiceServer server;
  if (update.has_endpoint) {
    server.endpoint = std::move(update.endpoint);
  } else if (server_) {
    server.endpoint = server_->endpoint.host + ":" + std::to_string(server_->endpoint.port);
  }
  if (update.token) server.token = std::move(*update.token);
  if (server.token.empty() && server_) server.token = server_->token.clone();
  on_server(server, now);
}

}  // namespace dv::voice
