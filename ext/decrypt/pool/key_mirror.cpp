// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/decrypt/pool/key_mirror.hpp"

#include <algorithm>

#include "ext/crypto/dave/media_decryptor.hpp"
#include "ext/decrypt/pool/key_codec.hpp"

namespace dv {
namespace {

constexpr std::size_t kTransportKeysKept = 2;
constexpr std::size_t kMaxSsrcs = 16384;

TransportKeyUpdate copy(const TransportKeyUpdate &u) { return {u.session, u.mode, u.key.clone()}; }
DaveUpdate copy(const DaveUpdate &u) {
  DaveUpdate c{u.session, u.version, u.epoch, {}};
  c.senders.reserve(u.senders.size());
  for (const auto &s : u.senders) c.senders.push_back({s.user, s.base_secret.clone()});
  return c;
}

template <class T>
void keep_newest(std::deque<T> &list, T item, std::size_t most) {
  list.push_back(std::move(item));
  if (list.size() > most) list.pop_front();
}

}  // namespace

// What a chain could still open something with, and no more: an epoch ends some time after its
// successor was told.
void KeyMirror::remember_epoch(std::deque<Epoch> &dave, const DaveUpdate &update, Time now) {
  keep_newest(dave, Epoch{copy(update), now - update.age}, dave::FrameDecryptor::kMaxRatchets);
  while (dave.size() > 1 && dave[1].told + dave::kTransitionOverlap < now) dave.pop_front();
}

void KeyMirror::remember(const KeyUpdate &update, Time now) {
  if (const auto *u = std::get_if<TransportKeyUpdate>(&update)) {
    keep_newest(sessions_[u->session].transport, copy(*u), kTransportKeysKept);
  } else if (const auto *s = std::get_if<SsrcUpdate>(&update)) {
    auto &ssrcs = sessions_[s->session].ssrcs;
    if (s->user == 0 && s->kind == StreamKind::audio) {
      ssrcs.erase(s->ssrc);
    } else if (ssrcs.size() < kMaxSsrcs || ssrcs.count(s->ssrc) != 0) {
      ssrcs[s->ssrc] = *s;
    }
  } else if (const auto *d = std::get_if<DaveUpdate>(&update)) {
    remember_epoch(sessions_[d->session].dave, *d, now);
  } else if (const auto *old = std::get_if<OldEpochsEndUpdate>(&update)) {
    const auto it = sessions_.find(old->session);
    while (it != sessions_.end() && it->second.dave.size() > 1) it->second.dave.pop_front();
  } else {
    sessions_.erase(session_of(update));
  }
}

UserId KeyMirror::user_of(SessionId session, Ssrc ssrc) const {
  const auto s = sessions_.find(session);
  if (s == sessions_.end()) return 0;
  const auto b = s->second.ssrcs.find(ssrc);
  return b == s->second.ssrcs.end() ? 0 : b->second.user;
}

// A session that the worker knows must not be led back to an older state by what it is told about
// one more sender: epochs that do not name him are left out, those that do leave everybody else's
// keys alone, and if the call is not encrypted now, that is said last.
void KeyMirror::tell_user(const Session &session, UserId user, bool first, KnownSession &known,
                          Time now, const Send &send) const {
  if (user != 0 && !known.users.insert(user).second) return;
  if (known.users.size() > known.most_users) forget_departed(session, known);
  bool named_later = false;
  const auto age = [&](const Epoch &epoch) {
    return static_cast<std::uint64_t>(std::max(now - epoch.told, Time(0)).count());
  };
  for (const Epoch &epoch : session.dave) {
    auto message =
        message_from(client_, epoch.update, [&](UserId u) { return user != 0 && u == user; });
    auto &dave = std::get<worker::DaveEpoch>(message);
    dave.more = !first;
    dave.age = age(epoch);
    const bool named = !dave.senders.empty();
    if (first || named) send(message);
    named_later = named_later || named;
  }
  if (first || !named_later || session.dave.back().update.version != 0) return;
  auto plain = message_from(client_, session.dave.back().update, [](UserId) { return false; });
  std::get<worker::DaveEpoch>(plain).age = age(session.dave.back());
  send(plain);
}

// Who has neither a number nor a part in an epoch that is kept here has no keys at the worker
// either: should he come back, it is told of him as of a new one.
void KeyMirror::forget_departed(const Session &session, KnownSession &known) {
  std::set<UserId> present;
  for (const auto &[ssrc, binding] : session.ssrcs) present.insert(binding.user);
  for (const Epoch &epoch : session.dave)
    for (const auto &sender : epoch.update.senders) present.insert(sender.user);
  std::erase_if(known.users, [&](UserId user) { return present.count(user) == 0; });
  known.most_users = std::max(known.most_users, 2 * known.users.size());
}

void KeyMirror::introduce(SessionId session, Ssrc ssrc, KnownSession *known, KnownSession &result,
                          Time now, const Send &send) const {
  if (known != nullptr) result = *known;
  const auto it = sessions_.find(session);
  if (it == sessions_.end()) return;
  const bool first = known == nullptr;
  if (first) {
    for (const auto &key : it->second.transport) send(message_from(client_, key));
  }
  UserId user = 0;
  if (const auto b = it->second.ssrcs.find(ssrc); b != it->second.ssrcs.end()) {
    send(message_from(client_, b->second));
    user = b->second.user;
  }
  if (first || user != 0) tell_user(it->second, user, first, result, now, send);
}

void KeyMirror::pass_on(const KeyUpdate &update, KnownSession &known,
                        const std::function<bool(Ssrc)> &here, Time now, const Send &send) const {
  if (const auto *u = std::get_if<TransportKeyUpdate>(&update)) {
    send(message_from(client_, *u));
  } else if (const auto *s = std::get_if<SsrcUpdate>(&update)) {
    if (!here(s->ssrc)) return;
    send(message_from(client_, *s));
    const auto it = sessions_.find(s->session);
    if (s->user != 0 && it != sessions_.end()) {
      tell_user(it->second, s->user, false, known, now, send);
    }
  } else if (const auto *d = std::get_if<DaveUpdate>(&update)) {
    send(message_from(client_, *d, [&](UserId user) { return known.users.count(user) != 0; }));
  } else if (const auto *end = std::get_if<SessionEndUpdate>(&update)) {
    send(message_from(client_, *end));
  }
}

}  // namespace dv
