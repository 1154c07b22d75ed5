// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gio/gio.h>

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "ext/voice/core/main_gateway.hpp"
#include "ext/voice/net/websocket.hpp"

namespace dv::voice {

/** What identifies a main session: two sources that agree in all of it share one. */
struct MainKey {
  Secret token;
  std::string url;
  std::string ca_file;                    ///< empty: the system's authorities
  std::shared_ptr<GTlsDatabase> trust{};  ///< instead of `ca_file`
  Time startup_timeout = 30s;             ///< of the first source

  MainKey clone() const { return {token.clone(), url, ca_file, trust, startup_timeout}; }
};

class MainSession;

/** Main sessions by what identifies them, for the sources that look for them here. */
class MainSessions {
 private:
  friend class MainSession;
  std::map<std::string, std::weak_ptr<MainSession>> running_;  // on the loop only
};

/**
 * The I/O around one MainGateway: its socket, its timer, and the sources that listen to it. Lives
 * on the loop; there should be one per token in the process, since a second one would cost an
 * Identify of the daily thousand and, in the end, the first one's connection.
 */
class MainSession : public std::enable_shared_from_this<MainSession> {
 public:
  /** On the loop, never inside a call into the session. */
  using Listener = std::function<void(GuildEvent)>;

  /** On the loop: the running one for this key among `sessions`, or a new one there. */
  static std::shared_ptr<MainSession> acquire(NetLoop &loop, MainSessions &sessions,
                                              const MainKey &key);

  MainSession(NetLoop &loop, const MainKey &key, std::shared_ptr<IdentifyBudget> budget);
  ~MainSession();

  /** False when another source of this process is in that guild already. */
  bool attach(GuildId guild, ChannelId channel, Listener listener);
  /**
   * The source is done with the guild. With the last one the session ends: `done` is called when
   * the close is answered or `limit` is over; otherwise soon.
   */
  void detach(GuildId guild, Time limit, std::function<void()> done);

  void join(GuildId guild, const ChannelId &channel, bool self_mute, bool self_deaf);
  void leave(GuildId guild);
  void request_members(GuildId guild, const std::vector<UserId> &users);
  MainStats stats() const { return machine_.stats(); }

 private:
  void start(Time now);
  void settle();
  void open_socket(const std::string &url);
  void perform(MainAction &action);
  void notify(GuildId guild, GuildEvent event);

  NetLoop &loop_;
  GTlsDatabase *trust_ = nullptr;
  std::string trust_error_;
  MainGateway machine_;
  LoopTimer timer_;
  std::unique_ptr<WebSocket> socket_;
  std::map<GuildId, std::shared_ptr<Listener>> listeners_;
  std::function<void()> close_done_;
  Time close_limit_ = 1s;
  bool stopping_ = false;
};

}  // namespace dv::voice
