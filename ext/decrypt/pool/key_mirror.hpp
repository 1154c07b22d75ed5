// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <set>

#include "ext/crypto/key_store.hpp"
#include "ext/wire/worker_messages.hpp"

namespace dv {

/** What one worker has been told about a session: enough to tell it no more than it needs. */
struct KnownSession {
  std::set<UserId> users;
  std::size_t most_users = 64;  ///< beyond it, who has left is looked for
};

/**
 * The keys in force of one client, and which of them a worker gets: those of the sessions and of
 * the senders whose streams it has, and no others. Pure; `send` passes messages on in order.
 */
class KeyMirror {
 public:
  using Send = std::function<void(const worker::ToWorker &)>;

  explicit KeyMirror(std::uint32_t client) : client_(client) {}

  /** `now` is the client's time, here and below. */
  void remember(const KeyUpdate &update, Time now);
  UserId user_of(SessionId session, Ssrc ssrc) const;
  StreamKind kind_of(SessionId session, Ssrc ssrc) const;
  /** A stream comes to a worker. `known`: of this session there; null: nothing yet. */
  void introduce(SessionId session, Ssrc ssrc, KnownSession *known, KnownSession &result, Time now,
                 const Send &send) const;
  /** An update, after `remember`, for a worker that knows the session. `here`: the stream of an
   * SSRC is at that worker. */
  void pass_on(const KeyUpdate &update, KnownSession &known, const std::function<bool(Ssrc)> &here,
               Time now, const Send &send) const;

 private:
  struct Epoch {
    DaveUpdate update;
    Time told;
  };
  struct Session {
    std::deque<TransportKeyUpdate> transport;
    std::map<Ssrc, SsrcUpdate> ssrcs;
    std::deque<Epoch> dave;
  };
  static void remember_epoch(std::deque<Epoch> &dave, const DaveUpdate &update, Time now);
  void tell_user(const Session &session, UserId user, bool first, KnownSession &known, Time now,
                 const Send &send) const;
  static void forget_departed(const Session &session, KnownSession &known);

  std::uint32_t client_;
  std::map<SessionId, Session> sessions_;
};

}  // namespace dv
