// SPDX-License-Identifier: LGPL-2.1-or-later
#include <nlohmann/json.hpp>

#include "tests/server/call.hpp"
#include "tests/server/core.hpp"
#include "tests/server/room_member.hpp"

namespace dv::server {

using nlohmann::json;

void Room::add_virtual(UserId user) {
  auto member = std::make_unique<Member>();
  member->user = user;
  dave::SessionConfig config;
  config.self = user;
  config.channel = channel_;
  member->speaker = std::make_unique<Virtual>(std::move(config));
  std::vector<UserId> others;
  for (auto &[other, m] : members_) {
    others.push_back(other);
    if (m->speaker) act(*m, m->speaker->session.on_clients_connect({user}));
  }
  Member &made = *(members_[user] = std::move(member));
  act(made, made.speaker->session.on_clients_connect(others));
  act(made, made.speaker->session.on_session_description(static_cast<std::uint16_t>(version_)));
  if (version_ > 0) send_external_sender(made);
}

void Room::send_external_sender(UserId user) {
  const auto it = members_.find(user);
  if (it == members_.end()) {
    auto member = std::make_unique<Member>();
    member->user = user;
    members_[user] = std::move(member);
  }
  send_external_sender(*members_[user]);
}

void Room::send_external_sender(Member &member) {
  if (!signer_ || (member.has_sender && !member.speaker)) return;
  member.has_sender = true;
  send_binary(member.user, dave::kOpExternalSender, signer_->external_sender());
}

void Room::binary(UserId user, std::uint8_t op, ByteView payload) {
  const auto it = members_.find(user);
  if (it == members_.end()) return;
  Member &member = *it->second;
  if (op == dave::kOpCommitWelcome) return commit(member, payload);
  if (op != dave::kOpKeyPackage) return;
  const auto info = mls::inspect_key_package(payload);
  const bool good = info && info->user == user;
  if (!member.speaker)
    core_.events.emit("key-package", {{"user_id", std::to_string(user)}, {"ok", good}});
  if (!good) return;
  withdraw(user);
  // A member that starts over on its own account is taken out and in again.
  if (in_group(user)) member.again = true;
  member.key_package.assign(payload.begin(), payload.end());
  member.ref = info->ref;
  propose();
}

void Room::send_binary(UserId to, std::uint8_t op, Bytes payload) {
  const auto it = members_.find(to);
  if (it == members_.end()) return;
  if (!it->second->speaker) return call_.send_binary_to(to, op, payload);
  letters_.push_back({.to = to, .op = op, .payload = std::move(payload)});
  core_.loop.post([this, alive = alive_] {
    if (*alive) deliver_next();
  });
}

/** Ops 21 (transition, version), 22 (transition) and 24 (epoch, version). */
void Room::send_transition(UserId to, int op, std::uint64_t a, std::uint64_t b) {
  const auto it = members_.find(to);
  if (it == members_.end()) return;
  if (it->second->speaker) {
    letters_.push_back({.to = to, .op = op, .payload = {}, .a = a, .b = b});
    core_.loop.post([this, alive = alive_] {
      if (*alive) deliver_next();
    });
    return;
  }
  json data;
  if (op == dave::kOpPrepareEpoch)
    data = {{"protocol_version", b}, {"epoch", a}};
  else if (op == dave::kOpPrepareTransition)
    data = {{"protocol_version", b}, {"transition_id", a}};
  else
    data = {{"transition_id", a}};
  call_.send_json_to(to, op, data);
}

/** One message at a time, so that speech goes on between the members' computations. */
void Room::deliver_next() {
  if (letters_.empty()) return;
  const Letter letter = std::move(letters_.front());
  letters_.pop_front();
  const auto it = members_.find(letter.to);
  if (it != members_.end() && it->second->speaker) to_virtual(*it->second, letter);
}

void Room::to_virtual(Member &member, const Letter &letter) {
  dave::Session &session = member.speaker->session;
  const auto a = static_cast<std::uint16_t>(letter.a);
  const auto b = static_cast<std::uint16_t>(letter.b);
  if (letter.op == dave::kOpPrepareTransition)
    return act(member, session.on_prepare_transition(a, b));
  if (letter.op == dave::kOpExecuteTransition) return act(member, session.on_execute_transition(a));
  if (letter.op == dave::kOpPrepareEpoch) return act(member, session.on_prepare_epoch(b, letter.a));
  act(member, session.on_binary(static_cast<std::uint8_t>(letter.op), letter.payload));
}

void Room::act(Member &member, dave::Actions actions) {
  const UserId user = member.user;
  for (auto &action : actions) {
    // What a member answers reaches the service as a message of its own, like a client's.
    const auto later = [&](auto task) {
      core_.loop.post([this, alive = alive_, task = std::move(task)] {
        if (*alive) task();
      });
    };
    if (auto *json_message = std::get_if<dave::SendJson>(&action)) {
      later([this, user, m = *json_message] { transition(user, m.op, m.transition_id); });
    } else if (auto *message = std::get_if<dave::SendBinary>(&action)) {
      later([this, user, m = *message] { binary(user, m.op, m.payload); });
    } else if (const auto *update = std::get_if<DaveUpdate>(&action)) {
      keys(member, *update);
    } else if (const auto *key = std::get_if<dave::SenderKey>(&action)) {
      Virtual &v = *member.speaker;
      v.version = key->version;
      v.epoch = key->epoch;
      v.can_send = key->version == 0 || !key->base_secret.empty();
      if (key->version == 0)
        v.encryptor.set_plain();
      else if (v.can_send)
        v.encryptor.set_key(key->base_secret.view());
      else
        v.encryptor.clear();
    } else if (const auto *changed = std::get_if<dave::EpochChanged>(&action)) {
      if (changed->executed && changed->epoch > 0 && members_.begin()->first == user)
        core_.events.emit("privacy-code",
                          {{"epoch", changed->epoch}, {"code", changed->privacy_code}});
    } else if (const auto *problem = std::get_if<dave::Problem>(&action)) {
      core_.events.emit("speaker-problem",
                        {{"user_id", std::to_string(user)}, {"what", problem->what}});
    }
  }
}

/** Virtual members open what clients send, to tell whether it was authentic. */
void Room::keys(Member &member, const DaveUpdate &update) {
  const Time now = Loop::now();
  auto &senders = member.speaker->senders;
  if (update.version == 0) {
    for (auto &[user, decryptor] : senders) decryptor.allow_plain(now);
    return;
  }
  for (const auto &sender : update.senders)
    senders[sender.user].add_ratchet(sender.base_secret.view(), now);
}

std::optional<Sealed> Room::seal(UserId user, ByteView opus, bool plain_silence) {
  const auto it = members_.find(user);
  if (it == members_.end() || !it->second->speaker || !it->second->speaker->can_send)
    return std::nullopt;
  Virtual &v = *it->second->speaker;
  Sealed sealed{.frame = {}, .version = v.version, .epoch = v.version > 0 ? v.epoch : 0};
  if (!v.encryptor.seal(opus, sealed.frame, plain_silence)) return std::nullopt;
  return sealed;
}

bool Room::can_speak(UserId user) const {
  const auto it = members_.find(user);
  return it != members_.end() && it->second->speaker && it->second->speaker->can_send;
}

void Room::listen(UserId user, ByteView frame) {
  for (auto &[id, member] : members_) {
    if (!member->speaker) continue;
    Bytes out(frame.size() + 1);
    auto &decryptor = member->speaker->senders[user];
    if (member->speaker->version == 0) decryptor.allow_plain(Loop::now());
    const auto result = decryptor.open(frame, Loop::now(), out);
    (result.delivered() ? core_.counters.client_frames_opened
                        : core_.counters.client_frames_refused)++;
    return;
  }
}

void Room::repeat_commit() {
  if (!last_announcement_.empty()) send_to_clients(dave::kOpAnnounceCommit, last_announcement_);
}

void Room::send_to_clients(std::uint8_t op, ByteView payload) {
  for (const auto &[user, member] : members_)
    if (!member->speaker) call_.send_binary_to(user, op, payload);
}

}  // namespace dv::server
