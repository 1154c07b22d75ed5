// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/crypto/dave/media_ratchet.hpp"
#include "ext/voice/core/voice_impl.hpp"
#include "ext/wire/overload.hpp"

namespace dv::voice {
namespace {

/** Known opcodes that mean nothing to a listener; anything else is counted as unknown. */
bool is_of_no_use(std::uint32_t op) { return op >= 10 && op <= 20; }

}  // namespace

/** The DAVE session takes part from the first frame on: op 25 may come before op 4. */
bool VoiceConnection::Impl::session_live() const {
  return socket_ == Socket::open &&
         (state_ == State::connecting || state_ == State::ready || state_ == State::resuming);
}

void VoiceConnection::Impl::on_text(std::string_view text, Time now) {
  if (!session_live()) return;
  auto message = voice_msg::parse(text);
  if (message && message->seq) seq_ack_ = *message->seq;
  if (!message || !message->body) {
    stats_.bad_messages++;
    const bool vital = message && (message->op == 2 || message->op == 4);
    if (vital && state_ == State::connecting) {
      protocol_failure("the voice server's handshake is not understood", now);
    }
    return;
  }
  handle(*message->body, now);
}

void VoiceConnection::Impl::handle(voice_msg::Body &body, Time now) {
  std::visit(
      Overload{
          [&](const voice_msg::Hello &hello) { on_hello(hello.interval, now); },
          [&](const voice_msg::Ready &ready) { on_ready(ready, now); },
          [&](voice_msg::SessionDescription &description) { on_description(description, now); },
          [&](const voice_msg::Speaking &speaking) { on_speaking(speaking, now); },
          [&](const voice_msg::HeartbeatRequest &) {
            send(voice_msg::heartbeat(static_cast<std::uint64_t>(now / 1ms), seq_ack_));
          },
          [&](const voice_msg::HeartbeatAck &) {
            heartbeat_.on_ack(now);
            stats_.gateway_rtt = heartbeat_.rtt();
          },
          [&](const voice_msg::Resumed &) { on_resumed(now); },
          [&](const voice_msg::ClientsConnect &clients) { on_clients(clients.users, now); },
          [&](const voice_msg::Video &video) { on_video(video, now); },
          [&](const voice_msg::ClientDisconnect &gone) { on_client_gone(gone.user, now); },
          [&](const voice_msg::DavePrepareTransition &prepare) {
            if (dave_) apply(dave_->prepare_transition(prepare.transition, prepare.version), now);
          },
          [&](const voice_msg::DaveExecuteTransition &execute) {
            if (dave_) apply(dave_->execute_transition(execute.transition), now);
          },
          [&](const voice_msg::DavePrepareEpoch &epoch) {
            if (dave_) apply(dave_->prepare_epoch(epoch.version, epoch.epoch), now);
          },
          [&](const voice_msg::Other &other) {
            if (!is_of_no_use(other.op)) stats_.unknown_opcodes++;
          },
      },
      body);
}

void VoiceConnection::Impl::on_binary(ByteView frame, Time now) {
  if (!session_live()) return;
  const auto message = voice_msg::parse_binary(frame);
  if (!message) {
    stats_.bad_messages++;
    return;
  }
  seq_ack_ = message->seq;
  switch (message->op) {
    case dave::kOpExternalSender:
    case dave::kOpProposals:
    case dave::kOpAnnounceCommit:
    case dave::kOpWelcome:
      if (dave_) apply(dave_->binary(message->op, message->payload), now);
      break;
    default:
      stats_.unknown_opcodes++;
      break;
  }
}

void VoiceConnection::Impl::enter(const std::vector<UserId> &users) {
  std::vector<UserId> unnamed;
  for (const UserId user : users) {
    if (user == self_ || !roster_.enter(user)) continue;
    tell(SpeakerJoined{roster_.member(user)});
    if (!roster_.named(user)) unnamed.push_back(user);
  }
  if (!unnamed.empty()) actions_.push_back(WantNames{std::move(unnamed)});
}

void VoiceConnection::Impl::on_clients(const std::vector<UserId> &users, Time now) {
  enter(users);
  if (dave_) apply(dave_->clients_connect(users), now);
}

void VoiceConnection::Impl::on_speaking(const voice_msg::Speaking &speaking, Time now) {
  if (speaking.user == self_) return;
  enter({speaking.user});
  apply(ssrcs_.bind_audio(speaking.user, speaking.ssrc, now));
  if (speaking.flags != 0) watchdog_.on_speaking(now);
  tell(Speaking{session_, speaking.ssrc, roster_.member(speaking.user), speaking.flags});
}

void VoiceConnection::Impl::on_video(const voice_msg::Video &video, Time now) {
  if (video.user == self_) return;
  enter({video.user});
  for (const Ssrc ssrc : video.video) {
    if (ssrc != video.audio) apply(ssrcs_.bind_other(video.user, ssrc, StreamKind::video));
  }
  for (const Ssrc ssrc : video.rtx) {
    if (ssrc != video.audio) apply(ssrcs_.bind_other(video.user, ssrc, StreamKind::rtx));
  }
  if (video.audio != 0) apply(ssrcs_.bind_audio(video.user, video.audio, now));
}

void VoiceConnection::Impl::on_client_gone(UserId user, Time now) {
  ssrcs_.retire_user(user, now);
  if (roster_.leave(user)) tell(SpeakerLeft{roster_.member(user)});
  if (dave_) apply(dave_->client_disconnect(user), now);
}

void VoiceConnection::Impl::apply(const SsrcTable::Changes &changes) {
  for (const auto &change : changes) {
    const UserId user = change.bound ? change.user : 0;
    const StreamKind kind = change.bound ? change.kind : StreamKind::audio;
    actions_.push_back(Keys{SsrcUpdate{session_, change.ssrc, user, kind}});
    if (change.kind == StreamKind::audio) {
      tell(Source{session_, change.ssrc, roster_.member(change.user), change.bound});
    }
  }
}

void VoiceConnection::Impl::apply(dave::Actions actions, Time now) {
  for (dave::Action &action : actions) {
    std::visit(Overload{
                   [&](const dave::SendJson &json) {
                     if (json.op == dave::kOpInvalidCommitWelcome) stats_.dave_invalid++;
                     send(voice_msg::transition(json.op, json.transition_id));
                   },
                   [&](dave::SendBinary &binary) {
                     if (socket_ != Socket::open) return;
                     binary.payload.insert(binary.payload.begin(), binary.op);
                     actions_.push_back(voice::SendBinary{std::move(binary.payload)});
                   },
                   [&](dave::EpochChanged &epoch) {
                     // What a session starts with is told by `Connected`.
                     if (!epoch.executed || !described_) return;
                     stats_.dave_transitions++;
                     tell(EpochChanged{session_, epoch.version, epoch.epoch,
                                       std::move(epoch.privacy_code)});
                   },
                   [&](DaveUpdate &update) {
                     actions_.push_back(Keys{std::move(update)});
                     old_epochs_end_ = now + dave::kTransitionOverlap;
                   },
                   [](const dave::SenderKey &) {},  // Nothing is ever sent by a listener.
                   [&](dave::Problem &problem) { tell(Note{"DAVE: " + problem.what}); },
               },
               action);
  }
}

}  // namespace dv::voice
