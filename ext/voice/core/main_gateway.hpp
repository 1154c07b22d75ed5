// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ext/voice/core/guild_events.hpp"
#include "ext/voice/core/pacing.hpp"
#include "ext/voice/core/types.hpp"

namespace dv::voice {

struct MainConfig {
  Secret token;
  /** wss URL, with or without query. */
  std::string url = "wss://gateway.discord.gg";
  /** From start() to the first READY; then the failure is reported as final. */
  Time startup_timeout = 30s;
  /**
   * Of the token, for all its gateways of this process, one after the other. Nothing: an own one.
   * Used by one gateway at a time.
   */
  std::shared_ptr<IdentifyBudget> budget;
};

/**
 * What the shell has to do, in order. After `MainClose` and after `MainConnect` nothing of the
 * socket of before may be reported any more: the machine has forgotten it.
 */
struct MainConnect {
  std::string url;
};
struct MainSend {
  Secret text;  ///< a text frame; credentials may be inside
};
struct MainClose {
  std::uint16_t code = kCloseForGood;
};
/** For the voice connection of this guild. */
struct MainNotify {
  GuildId guild = 0;
  GuildEvent event;
};
using MainAction = std::variant<MainConnect, MainSend, MainClose, MainNotify>;

struct MainStats {
  std::uint64_t identifies = 0;
  std::uint64_t resumes = 0;   ///< accepted ones
  std::uint64_t connects = 0;  ///< sockets opened
  std::uint64_t connect_failures = 0;
  std::uint64_t zombies = 0;       ///< connections given up for a missing heartbeat ACK
  std::uint64_t bad_messages = 0;  ///< refused by the JSON guard or of a wrong shape
  std::uint64_t sent = 0;
};

/**
 * The main gateway session (API v10) of one token, shared by all voice connections of the process.
 * Plain state machine: no socket, clock or thread. All calls come from one thread, with a `now`
 * that never goes back; after each call the shell drains `take_actions()` and looks at
 * `next_wakeup()`.
 */
class MainGateway {
 public:
  MainGateway(MainConfig config, Random random);
  ~MainGateway();
  MainGateway(const MainGateway &) = delete;
  MainGateway &operator=(const MainGateway &) = delete;

  void start(Time now);
  /** Closes with 1000; the machine does nothing afterwards. Not after a failure. */
  void stop(Time now);

  void on_open(Time now);
  void on_text(std::string_view text, Time now);
  /** An open socket was closed by the other side or cut. */
  void on_closed(CloseCode code, std::string_view reason, Time now);
  /** A socket asked for did not open. */
  void on_connect_failed(const ConnectFailure &failure, Time now);

  /**
   * Events of this guild are wanted from now on. If the session is up already, what is known
   * (ready, names) comes at once. One connection per guild: `attached()` tells whether it is taken.
   */
  void attach(GuildId guild, ChannelId channel, Time now);
  void detach(GuildId guild, Time now);
  bool attached(GuildId guild) const;
  /** Op 4. Waits for the session and the guild where needed; `JoinSent` tells when it went out. */
  void join(GuildId guild, ChannelId channel, bool self_mute, bool self_deaf, Time now);
  void leave(GuildId guild, Time now);
  /** Op 8 for ids without a name; at most 100 per request, one request per guild in 30 s. */
  void request_members(GuildId guild, const std::vector<UserId> &users, Time now);

  void advance(Time now);
  /** When `advance` has something to do; `kNever` when it has not. */
  Time next_wakeup() const;
  std::vector<MainAction> take_actions();

  /** Own user id, 0 before the first READY. */
  UserId self() const;
  bool failed() const;
  MainStats stats() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dv::voice
