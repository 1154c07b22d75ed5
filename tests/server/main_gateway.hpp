// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>

#include "ext/wire/ids.hpp"
#include "tests/server/loop.hpp"
#include "tests/server/ws_server.hpp"

namespace dv::server {

class Core;

/** One account session. Outlives its connection, until it is resumed, replaced or invalid. */
struct MainSession {
  std::string id;
  UserId user = 0;
  std::string token;
  std::uint64_t intents = 0;
  std::int64_t seq = 0;
  std::deque<std::pair<std::int64_t, std::string>> sent;  ///< dispatches that may be replayed
  std::shared_ptr<WsConnection> connection;               ///< none while it is away
};

/** The main gateway, version 10 (discord-voice.md, section 2). */
class MainGateway {
 public:
  explicit MainGateway(Core &core);
  ~MainGateway();
  bool listen(std::uint16_t port);
  void shutdown();
  std::string url(const std::string &host = "localhost") const;
  WsServer &server() { return *server_; }

  /** To every session of a member of the guild that asked for the intent (a bit; 0: always sent).
   */
  void dispatch(GuildId guild, const char *name, const nlohmann::json &data, std::uint64_t intent);
  /** To the sessions of one user. */
  void dispatch_to(UserId user, const char *name, const nlohmann::json &data);

  // Faults; `user` 0 means all.
  void close_all(UserId user, int code);
  void cut_all(UserId user);
  /** Gives what thaws them. */
  std::function<void()> freeze_all(UserId user);
  void send_all(UserId user, const nlohmann::json &message);
  /** Sessions end as by op 9 `false`: they can not be resumed. */
  void invalidate_all(UserId user);

 private:
  struct Client;
  void accept(std::shared_ptr<WsConnection> connection);
  HttpReply http(std::string_view path, std::string_view authorization) const;
  void hello(Client &client);
  void on_text(Client &client, std::string_view text);
  void handle(Client &client, int op, const nlohmann::json &data);
  void identify(Client &client, const nlohmann::json &data);
  void resume(Client &client, const nlohmann::json &data);
  void request_members(Client &client, const nlohmann::json &data);
  void request_voice_state(Client &client, const nlohmann::json &data);
  void on_closed(Client &client, int code);
  void send_dispatch(MainSession &session, const char *name, const nlohmann::json &data);
  void welcome(MainSession &session);
  void end_session(const std::string &id, const char *why);
  void refuse(Client &client, int code, const char *reason);
  template <typename F>
  void each(UserId user, F f);

  Core &core_;
  std::unique_ptr<WsServer> server_;
  std::map<WsConnection *, std::unique_ptr<Client>> clients_;
  std::map<std::string, MainSession> sessions_;
  std::map<UserId, Time> last_identify_;
};

}  // namespace dv::server
