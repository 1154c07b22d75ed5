// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/crypto/key_store.hpp"

#include <atomic>
#include <utility>

#include "ext/wire/overload.hpp"

namespace dv {
namespace {

constexpr std::size_t kTransportKeysKept = 2;
constexpr std::size_t kEpochsKept = 3;
constexpr std::size_t kMaxSsrcs = 16384;

using Clock = std::chrono::steady_clock;

template <class T>
void keep_newest(std::vector<T> &list, T update, std::size_t most) {
  list.push_back(std::move(update));
  if (list.size() > most) list.erase(list.begin());
}

template <class T>
void keep_newest_only(std::vector<T> &list) {
  if (list.size() > 1) list.erase(list.begin(), list.end() - 1);
}

}  // namespace

KeyUpdate clone(const KeyUpdate &update) {
  return std::visit(Overload{
                        [](const TransportKeyUpdate &u) -> KeyUpdate {
                          return TransportKeyUpdate{u.session, u.mode, u.key.clone()};
                        },
                        [](const SsrcUpdate &u) -> KeyUpdate { return u; },
                        [](const DaveUpdate &u) -> KeyUpdate {
                          DaveUpdate copy{u.session, u.version, u.epoch, {}, u.more, u.age};
                          copy.senders.reserve(u.senders.size());
                          for (const auto &s : u.senders)
                            copy.senders.push_back({s.user, s.base_secret.clone()});
                          return copy;
                        },
                        [](const OldEpochsEndUpdate &u) -> KeyUpdate { return u; },
                        [](const SessionEndUpdate &u) -> KeyUpdate { return u; },
                    },
                    update);
}

SessionId session_of(const KeyUpdate &update) {
  return std::visit([](const auto &u) { return u.session; }, update);
}

void KeyStore::publish(KeyUpdate update) {
  std::lock_guard lock(mutex_);
  for (const auto &[token, listener] : listeners_) listener(update);
  remember_locked(update);
}

void KeyStore::remember_locked(const KeyUpdate &update) {
  std::visit(Overload{
                 [&](const TransportKeyUpdate &u) {
                   keep_newest(sessions_[u.session].transport, clone(update), kTransportKeysKept);
                 },
                 [&](const SsrcUpdate &u) {
                   auto &ssrcs = sessions_[u.session].ssrcs;
                   if (u.user == 0 && u.kind == StreamKind::audio) {
                     ssrcs.erase(u.ssrc);
                   } else if (ssrcs.size() < kMaxSsrcs || ssrcs.count(u.ssrc) != 0) {
                     ssrcs[u.ssrc] = u;
                   }
                 },
                 [&](const DaveUpdate &u) {
                   keep_newest(sessions_[u.session].dave,
                               Session::Epoch{clone(update), Clock::now() - u.age}, kEpochsKept);
                 },
                 [&](const OldEpochsEndUpdate &u) {
                   const auto found = sessions_.find(u.session);
                   if (found != sessions_.end()) keep_newest_only(found->second.dave);
                 },
                 [&](const SessionEndUpdate &u) { sessions_.erase(u.session); },
             },
             update);
}

std::vector<KeyUpdate> KeyStore::snapshot_locked() const {
  std::vector<KeyUpdate> all;
  for (const auto &[id, session] : sessions_) {
    for (const auto &u : session.transport) all.push_back(clone(u));
    for (const auto &[ssrc, u] : session.ssrcs) all.push_back(u);
    for (const auto &epoch : session.dave) {
      KeyUpdate update = clone(epoch.update);
      std::get<DaveUpdate>(update).age = Clock::now() - epoch.published;
      all.push_back(std::move(update));
    }
  }
  return all;
}

std::vector<KeyUpdate> KeyStore::snapshot() const {
  std::lock_guard lock(mutex_);
  return snapshot_locked();
}

KeyStore::Token KeyStore::subscribe(Listener listener) {
  std::lock_guard lock(mutex_);
  for (const auto &u : snapshot_locked()) listener(u);
  const Token token = next_token_++;
  listeners_.emplace(token, std::move(listener));
  return token;
}

void KeyStore::unsubscribe(Token token) {
  std::lock_guard lock(mutex_);
  listeners_.erase(token);
}

UserId KeyStore::user_of(SessionId session, Ssrc ssrc) const {
  std::lock_guard lock(mutex_);
  const auto s = sessions_.find(session);
  if (s == sessions_.end()) return 0;
  const auto b = s->second.ssrcs.find(ssrc);
  return b == s->second.ssrcs.end() ? 0 : b->second.user;
}

SessionId KeyStore::next_session_id() {
  static std::atomic<SessionId> next{1};
  SessionId id = next++;
  return id != 0 ? id : next++;
}

}  // namespace dv
