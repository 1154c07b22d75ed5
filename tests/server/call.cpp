// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/server/call.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/server/core.hpp"
#include "tests/server/rtp_build.hpp"

namespace dv::server {

using nlohmann::json;

namespace {
constexpr Time kFrameTick = 5ms;
/** An overtaken packet waits no longer than this for those that shall overtake it. */
constexpr Time kOvertakeLimit = 100ms;
}  // namespace

struct Call::Packet {
  SpeakerFrame frame;
  Fate fate;
  Bytes rtp;
  Time due{};
  unsigned left = 0;  // packets that still have to overtake it
  int dave_version = 0;
  std::uint64_t epoch = 0;
};

Call::Call(Core &core, GuildId guild, ChannelId channel)
    : core_(core), guild_(guild), channel_(channel), random_(guild ^ channel) {
  const Guild *place = core_.world.guild(guild);
  bool stage = false;
  if (place != nullptr)
    if (const auto known = place->channels.find(channel); known != place->channels.end())
      stage = known->second.type == 13;
  if (core_.config.dave && !stage) room_ = std::make_unique<Room>(core_, *this, channel);
  timer_ = core_.loop.every(kFrameTick, [this] { tick(); });
}

Call::~Call() {
  core_.loop.cancel(timer_);
  if (rtcp_timer_ != 0) core_.loop.cancel(rtcp_timer_);
}

Speaker *Call::speaker(UserId user) {
  for (auto &s : speakers_)
    if (s->user() == user) return s.get();
  return nullptr;
}

Speaker *Call::add_speaker(UserId user) {
  auto speech = load_speech(core_.config.speech_dir, speech_index(user));
  if (!speech) return nullptr;
  speakers_.push_back(
      std::make_unique<Speaker>(user, core_.voice.new_ssrc(), std::move(speech), core_.random32()));
  core_.set_voice_state(guild_,
                        {.user = user, .channel = channel_, .session_id = core_.random_hex(16)});
  broadcast(11, {{"user_ids", {std::to_string(user)}}});
  broadcast(18, {{"user_id", std::to_string(user)}, {"flags", 2}});
  broadcast(20, {{"user_id", std::to_string(user)}, {"platform", 0}});
  if (room_) room_->add_virtual(user);
  if (started_ && core_.config.speak) start_speaking(*speakers_.back(), 0ms);
  return speakers_.back().get();
}

bool Call::remove_speaker(UserId user) {
  const auto it = std::find_if(speakers_.begin(), speakers_.end(),
                               [&](const auto &s) { return s->user() == user; });
  if (it == speakers_.end()) return false;
  speakers_.erase(it);
  held_.erase(user);
  announced_.erase(user);
  core_.set_voice_state(guild_, {.user = user});
  broadcast(13, {{"user_id", std::to_string(user)}});
  if (room_) room_->remove(user);
  return true;
}

void Call::start_speaking(Speaker &speaker, Time delay) { speaker.start(Loop::now() + delay); }

void Call::change_ssrc(Speaker &speaker, Ssrc ssrc, bool rejoin) {
  const std::string user = std::to_string(speaker.user());
  if (rejoin) {
    core_.set_voice_state(guild_, {.user = speaker.user()});
    broadcast(13, {{"user_id", user}});
    if (room_) room_->remove(speaker.user());
    core_.set_voice_state(
        guild_, {.user = speaker.user(), .channel = channel_, .session_id = core_.random_hex(16)});
    broadcast(11, {{"user_ids", {user}}});
    if (room_) room_->add_virtual(speaker.user());
  }
  speaker.change_ssrc(ssrc);
  core_.truth.taken_anew(speaker.user(), ssrc);
}

std::vector<UserId> Call::present(UserId except) const {
  std::vector<UserId> users;
  for (const auto &s : speakers_) users.push_back(s->user());
  for (const auto *s : sessions_)
    if (s->user != except) users.push_back(s->user);
  return users;
}

void Call::broadcast(int op, const json &data) {
  for (VoiceSession *session : sessions_) session->send(op, data);
}

json Call::speaking_json(UserId user, Ssrc ssrc) const {
  return {{"speaking", 1}, {"delay", 0}, {"ssrc", ssrc}, {"user_id", std::to_string(user)}};
}

void Call::session_joined(VoiceSession &session) {
  broadcast(11, {{"user_ids", {std::to_string(session.user)}}});
  broadcast(18, {{"user_id", std::to_string(session.user)}, {"flags", nullptr}});
  sessions_.push_back(&session);
  if (room_ && core_.options.external_sender_early && session.max_dave_version > 0)
    room_->send_external_sender(session.user);
  greet(session);
}

/** What a newcomer is told about those who are there. */
void Call::greet(VoiceSession &session) {
  json users = json::array();
  for (UserId user : present(session.user)) users.push_back(std::to_string(user));
  if (!users.empty()) session.send(11, {{"user_ids", users}});
  for (UserId user : present(session.user)) {
    session.send(18, {{"user_id", std::to_string(user)}, {"flags", 2}});
    session.send(20, {{"user_id", std::to_string(user)}, {"platform", 0}});
  }
  if (core_.options.speaking_early) tell_speaking(session);
}

void Call::tell_speaking(VoiceSession &session) {
  if (session.announced || !core_.options.send_speaking) return;
  session.announced = true;
  for (const auto &[user, ssrc] : announced_)
    if (user != session.user) session.send(5, speaking_json(user, ssrc));
  for (const auto &[user, on] : video_)
    if (Speaker *s = speaker(user); on && s != nullptr) announce_video(*s, true);
}

void Call::session_described(VoiceSession &session) {
  tell_speaking(session);
  if (room_) room_->add_client(session.user, session.max_dave_version);
  check_ready(session);
}

void Call::check_ready(VoiceSession &session) {
  if (session.ready || !session.described || (room_ && !room_->can_hear(session.user))) return;
  session.ready = true;
  core_.events.emit("ready", {{"user_id", std::to_string(session.user)},
                              {"guild_id", std::to_string(guild_)},
                              {"channel_id", std::to_string(channel_)}});
  if (rtcp_timer_ == 0 && core_.options.rtcp_interval_ms > 0)
    rtcp_timer_ = core_.loop.every(std::chrono::milliseconds(core_.options.rtcp_interval_ms),
                                   [this] { send_rtcp(); });
  if (started_ || !core_.config.speak) return;
  started_ = true;
  Time delay = std::chrono::milliseconds(core_.options.speak_delay_ms);
  for (auto &s : speakers_) {
    start_speaking(*s, delay);
    delay += std::chrono::milliseconds(core_.options.speak_stagger_ms);
  }
}

void Call::session_speaking(VoiceSession &session, int flags) {
  if (flags == 0) return;
  session.speaking = true;
  announced_[session.user] = session.ssrc;
  const json message = {{"speaking", flags},
                        {"delay", 0},
                        {"ssrc", session.ssrc},
                        {"user_id", std::to_string(session.user)}};
  for (VoiceSession *other : sessions_)
    if (other != &session) other->send(5, message);
}

void Call::session_left(VoiceSession &session) {
  std::erase(sessions_, &session);
  announced_.erase(session.user);
  broadcast(13, {{"user_id", std::to_string(session.user)}});
  if (room_) room_->remove(session.user);
}

void Call::tick() {
  const Time now = Loop::now();
  for (auto &s : speakers_) {
    if (room_ && !room_->can_speak(s->user())) s->skip(now);
    while (auto frame = s->next(now)) spoken(*s, *frame, now);
    release(*s, now);
  }
}

/** Op 5 before a speaker's first packet, or as much later as the option says. */
void Call::announce(const Speaker &speaker) {
  const auto known = announced_.find(speaker.user());
  if (known != announced_.end() && known->second == speaker.ssrc()) return;
  if (ahead_[speaker.user()]++ < core_.options.speaking_after) return;
  ahead_.erase(speaker.user());
  announced_[speaker.user()] = speaker.ssrc();
  if (core_.options.send_speaking) broadcast(5, speaking_json(speaker.user(), speaker.ssrc()));
}

void Call::spoken(Speaker &speaker, const SpeakerFrame &frame, Time now) {
  announce(speaker);
  core_.truth.reference(speaker.user(), speaker.ssrc(), frame);
  Packet packet{.frame = frame, .fate = speaker.faults.next(), .due = now};
  if (room_) {
    auto sealed = room_->seal(speaker.user(), frame.opus, speaker.profile().plain_silence);
    if (!sealed) return;
    packet.dave_version = sealed->version;
    packet.epoch = sealed->epoch;
    packet.rtp = build_rtp(frame, speaker.ssrc(), packet.fate, sealed->frame);
    last_frame_[speaker.user()] = std::move(sealed->frame);
  } else {
    packet.rtp = build_rtp(frame, speaker.ssrc(), packet.fate, frame.opus);
  }
  packet.due = packet.fate.delay > 0ms ? frame.due + packet.fate.delay : now;
  packet.left = packet.fate.overtaken_by;
  if (packet.left > 0) speaker.counters.reordered++;
  if (packet.fate.delay > 0ms) speaker.counters.delayed++;
  if (packet.fate.padding > 0) speaker.counters.padded++;
  held_[speaker.user()].push_back(std::move(packet));
}

/** Sends what is due; a packet that shall be overtaken lets its followers pass first. */
void Call::release(Speaker &speaker, Time now) {
  const auto it = held_.find(speaker.user());
  if (it == held_.end()) return;
  auto &held = it->second;
  for (std::size_t i = 0; i < held.size();) {
    const bool waits = held[i].left > 0 && now < held[i].frame.due + kOvertakeLimit;
    if (waits || held[i].due > now) {
      i++;
      continue;
    }
    const Packet packet = std::move(held[i]);
    held.erase(held.begin() + static_cast<std::ptrdiff_t>(i));
    send_packet(speaker, packet, now);
    for (std::size_t k = 0; k < i; k++)
      if (held[k].left > 0) held[k].left--;
    if (i > 0) i = 0;  // one of those before may be free now
  }
}

void Call::send_packet(Speaker &speaker, const Packet &packet, Time now) {
  std::size_t receivers = 0;
  const Fate &fate = packet.fate;
  if (!fate.drop) {
    for (VoiceSession *session : sessions_) {
      if (!session->described || session->deaf || !session->transport) continue;
      Bytes datagram = session->transport->seal_rtp(packet.rtp);
      if (fate.corrupt) datagram[datagram.size() / 2] ^= 0x40;
      if (fate.truncate) datagram.resize(datagram.size() / 2);
      if (!session->node->media->send(*session, datagram)) continue;
      receivers++;
      if (fate.duplicate) session->node->media->send(*session, datagram);
    }
  }
  auto &counters = speaker.counters;
  counters.dropped += fate.drop;
  counters.corrupted += fate.corrupt;
  counters.truncated += fate.truncate;
  if (!fate.drop) {
    counters.sent++;
    counters.duplicated += fate.duplicate;
    counters.unheard += receivers == 0;
  }
  core_.truth.packet({.user = speaker.user(),
                      .ssrc = load_be32(packet.rtp.data() + 8),
                      .frame = &packet.frame,
                      .fate = &fate,
                      .sent = now,
                      .receivers = receivers,
                      .dave_version = packet.dave_version,
                      .epoch = packet.epoch});
}

void Call::client_rtp(VoiceSession &from, ByteView datagram) {
  if (!from.transport) return;
  const auto rtp = from.transport->open_rtp(datagram);
  // Op 5 comes over another socket: the first packets may overtake it.
  if (!rtp || load_be32(rtp->data() + 8) != from.ssrc) {
    core_.counters.client_rtp_bad++;
    return;
  }
  core_.counters.client_rtp++;
  if (room_) room_->listen(from.user, rtp_payload(*rtp));
  for (VoiceSession *session : sessions_) {
    if (session == &from || !session->described || session->deaf || !session->transport) continue;
    session->node->media->send(*session, session->transport->seal_rtp(*rtp));
  }
}

void Call::client_binary(VoiceSession &session, std::uint8_t op, ByteView payload) {
  if (room_) room_->binary(session.user, op, payload);
}

void Call::client_transition(VoiceSession &session, int op, int transition) {
  if (room_) room_->transition(session.user, op, transition);
}

int Call::dave_version(const VoiceSession &session) const {
  return room_ && session.max_dave_version > 0 ? room_->version() : 0;
}

void Call::send_json_to(UserId user, int op, const json &data) {
  for (VoiceSession *session : sessions_)
    if (session->user == user) session->send(op, data);
}

void Call::send_binary_to(UserId user, std::uint8_t op, ByteView payload) {
  for (VoiceSession *session : sessions_)
    if (session->user == user) session->send_binary(op, payload);
}

void Call::keys_changed() {
  for (VoiceSession *session : sessions_) check_ready(*session);
}

}  // namespace dv::server
