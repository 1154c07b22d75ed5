// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/decrypt/pool/key_mirror.hpp"

#include "ext/decrypt/pool/key_codec.hpp"

namespace dv {
namespace {

constexpr std::size_t kTransportKeysKept = 2;
constexpr std::size_t kEpochsKept = 3;
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

void KeyMirror::remember(const KeyUpdate &update) {
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
    keep_newest(sessions_[d->session].dave, copy(*d), kEpochsKept);
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
                          const Send &send) const {
  if (user != 0 && !known.users.insert(user).second) return;
  bool named_later = false;
  for (const DaveUpdate &epoch : session.dave) {
    auto message = message_from(client_, epoch, [&](UserId u) { return user != 0 && u == user; });
    auto &dave = std::get<worker::DaveEpoch>(message);
    dave.more = !first;
    const bool named = !dave.senders.empty();
    if (first || named) send(message);
    named_later = named_later || named;
  }
  if (first || !named_later || session.dave.back().version != 0) return;
  send(message_from(client_, session.dave.back(), [](UserId) { return false; }));
}

void KeyMirror::introduce(SessionId session, Ssrc ssrc, KnownSession *known, KnownSession &result,
                          const Send &send) const {
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
  if (first || user != 0) tell_user(it->second, user, first, result, send);
}

void KeyMirror::pass_on(const KeyUpdate &update, KnownSession &known,
                        const std::function<bool(Ssrc)> &here, const Send &send) const {
  if (const auto *u = std::get_if<TransportKeyUpdate>(&update)) {
    send(message_from(client_, *u));
  } else if (const auto *s = std::get_if<SsrcUpdate>(&update)) {
    if (!here(s->ssrc)) return;
    send(message_from(client_, *s));
    const auto it = sessions_.find(s->session);
    if (s->user != 0 && it != sessions_.end()) {
      tell_user(it->second, s->user, false, known, send);
    }
  } else if (const auto *d = std::get_if<DaveUpdate>(&update)) {
    send(message_from(client_, *d, [&](UserId user) { return known.users.count(user) != 0; }));
  } else if (const auto *end = std::get_if<SessionEndUpdate>(&update)) {
    send(message_from(client_, *end));
  }
}

}  // namespace dv
