// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/server/main_gateway.hpp"

#include <nlohmann/json.hpp>

#include "tests/server/core.hpp"
#include "tests/server/json_util.hpp"

namespace dv::server {

using nlohmann::json;

namespace {

constexpr std::size_t kMaxClientMessage = 4096;
constexpr std::size_t kMaxMessagesPerMinute = 120;
constexpr std::size_t kMainReplay = 4096;
constexpr std::uint64_t kIntentGuilds = 1 << 0;
constexpr std::uint64_t kPrivileged = 1 << 1 | 1 << 8 | 1 << 15;
constexpr std::uint64_t kKnownIntents = (1U << 26) - 1;

/** A session that saw one of these can not be resumed. */
bool ends_session(int code) {
  return code == 1000 || code == 1001 || code == 4003 || code == 4004 || code == 4007 ||
         code == 4009 || (code >= 4010 && code <= 4014);
}

}  // namespace

struct MainGateway::Client {
  std::shared_ptr<WsConnection> connection;
  std::string session;
  std::deque<Time> recent;  // of its messages
  bool greeted = false;
};

MainGateway::MainGateway(Core &core) : core_(core) {}
MainGateway::~MainGateway() = default;

bool MainGateway::listen(std::uint16_t port) {
  server_ = WsServer::listen(
      core_.certificates, port, [this](auto connection) { accept(std::move(connection)); },
      [this](auto path, auto authorization) { return http(path, authorization); });
  return server_ != nullptr;
}

void MainGateway::shutdown() {
  for (auto &[connection, client] : clients_) {
    client->connection->on_closed = nullptr;
    client->connection->on_text = nullptr;
    client->connection->on_binary = nullptr;
  }
  clients_.clear();
  sessions_.clear();
  server_.reset();
}

std::string MainGateway::url(const std::string &host) const {
  return "wss://" + host + ":" + std::to_string(server_->port());
}

HttpReply MainGateway::http(std::string_view path, std::string_view authorization) const {
  const bool bot = path == "/api/v10/gateway/bot";
  if (!bot && path != "/api/v10/gateway") return {404, R"({"message":"404: Not Found","code":0})"};
  json reply = {{"url", url()}};
  if (bot) {
    constexpr std::string_view kPrefix = "Bot ";
    if (!authorization.starts_with(kPrefix) ||
        !core_.world.tokens.contains(std::string(authorization.substr(kPrefix.size()))))
      return {401, R"({"message":"401: Unauthorized","code":0})"};
    reply["shards"] = 1;
    reply["session_start_limit"] = {
        {"total", 1000}, {"remaining", 1000}, {"reset_after", 0}, {"max_concurrency", 1}};
  }
  return {200, reply.dump()};
}

void MainGateway::accept(std::shared_ptr<WsConnection> connection) {
  core_.counters.connections++;
  auto made = std::make_unique<Client>();
  Client *client = made.get();
  client->connection = std::move(connection);
  clients_[client->connection.get()] = std::move(made);
  client->connection->on_text = [this, client](std::string_view text) { on_text(*client, text); };
  client->connection->on_binary = [this, client](ByteView) { refuse(*client, 4002, "not text"); };
  client->connection->on_closed = [this, client](int code) { on_closed(*client, code); };
  const std::string version = client->connection->query_value("v");
  if (version != "10" && version != "9") {
    refuse(*client, 4012, "Invalid API version");
    return;
  }
  hello(*client);
}

void MainGateway::hello(Client &client) {
  if (!core_.options.main_hello) return;
  client.greeted = true;
  client.connection->send_text(json{
      {"op", 10},
      {"s", nullptr},
      {"t", nullptr},
      {"d", {{"heartbeat_interval", core_.options.main_heartbeat_ms}, {"_trace", json::array()}}}}
                                   .dump());
}

void MainGateway::refuse(Client &client, int code, const char *reason) {
  core_.events.emit("main-refused", {{"code", code}, {"reason", reason}});
  if (ends_session(code) && !client.session.empty()) end_session(client.session, reason);
  client.connection->close(code, reason);
}

void MainGateway::on_closed(Client &client, int code) {
  json event = {{"gateway", "main"}, {"code", code}};
  auto it = sessions_.find(client.session);
  if (it != sessions_.end() && it->second.connection == client.connection) {
    event["user_id"] = std::to_string(it->second.user);
    it->second.connection = nullptr;
    if (code == 1000 || code == 1001) end_session(client.session, "closed by the client");
  }
  core_.events.emit("closed", event);
  auto *connection = client.connection.get();
  core_.loop.post([this, connection] { clients_.erase(connection); });
}

void MainGateway::on_text(Client &client, std::string_view text) {
  if (text.size() > kMaxClientMessage) return refuse(client, 4002, "message too large");
  const json message = parse_json(text);
  if (!message.is_object() || !message.contains("op") || !message["op"].is_number_integer())
    return refuse(client, 4002, "undecodable message");
  const Time now = Loop::now();
  client.recent.push_back(now);
  while (client.recent.front() < now - 60s) client.recent.pop_front();
  if (client.recent.size() > kMaxMessagesPerMinute) return refuse(client, 4008, "Rate limited.");
  handle(client, message["op"].get<int>(), message.value("d", json()));
}

void MainGateway::handle(Client &client, int op, const json &data) {
  if (op == 1) {
    auto it = sessions_.find(client.session);
    if (it != sessions_.end())
      core_.events.emit("main-heartbeat", {{"d", data}, {"newest", it->second.seq}});
    if (core_.options.main_ack)
      client.connection->send_text(R"({"op":11,"d":null,"s":null,"t":null})");
    return;
  }
  if (op == 2) return identify(client, data);
  if (op == 6) return resume(client, data);
  if (client.session.empty()) return refuse(client, 4003, "Not authenticated.");
  if (op == 3 || op == 5) return;
  if (op == 4) return request_voice_state(client, data);
  if (op == 8) return request_members(client, data);
  refuse(client, 4001, "Unknown opcode.");
}

void MainGateway::identify(Client &client, const json &data) {
  if (!client.session.empty()) return refuse(client, 4005, "Already authenticated.");
  core_.counters.identifies++;
  const std::string token = text_of(data, "token");
  const auto user = core_.world.tokens.find(token);
  core_.events.emit(
      "identify", {{"ok", user != core_.world.tokens.end()}, {"count", core_.counters.identifies}});
  if (user == core_.world.tokens.end()) return refuse(client, 4004, "Authentication failed.");
  if (!data.contains("properties") || !data["properties"].is_object())
    return refuse(client, 4002, "Identify lacks properties.");
  const auto intents = number_of(data, "intents");
  if (!intents || *intents < 0 || (static_cast<std::uint64_t>(*intents) & ~kKnownIntents) != 0)
    return refuse(client, 4013, "Invalid intent(s).");
  if ((static_cast<std::uint64_t>(*intents) & kPrivileged) != 0 && !core_.options.allow_privileged)
    return refuse(client, 4014, "Disallowed intent(s).");
  const Time now = Loop::now();
  auto [last, first] = last_identify_.try_emplace(user->second, kNever);
  const bool soon =
      last->second != kNever &&
      now - last->second < std::chrono::milliseconds(core_.options.identify_spacing_ms);
  last->second = now;
  if (soon) {
    client.connection->send_text(R"({"op":9,"d":false,"s":null,"t":null})");
    return;
  }
  std::vector<std::string> old;
  for (const auto &[id, session] : sessions_)
    if (session.user == user->second) old.push_back(id);
  for (const auto &id : old) end_session(id, "replaced by a new session");
  client.session = core_.random_hex(16);
  MainSession &session = sessions_[client.session];
  session.id = client.session;
  session.user = user->second;
  session.token = token;
  session.intents = static_cast<std::uint64_t>(*intents);
  session.connection = client.connection;
  welcome(session);
}

void MainGateway::welcome(MainSession &session) {
  json guilds = json::array();
  for (const auto &[id, guild] : core_.world.guilds)
    if (guild.nicks.contains(session.user))
      guilds.push_back({{"id", std::to_string(id)}, {"unavailable", true}});
  const User &user = core_.world.users[session.user];
  json own = user_json(user);
  own["verified"] = true;
  own["mfa_enabled"] = true;
  own["flags"] = 0;
  const std::string &resume_host = core_.options.resume_host;
  send_dispatch(session, "READY",
                {{"v", 10},
                 {"user", own},
                 {"session_id", session.id},
                 {"resume_gateway_url", resume_host.empty() ? url() : url(resume_host)},
                 {"guilds", guilds},
                 {"shard", {0, 1}},
                 {"user_settings", json::object()},
                 {"private_channels", json::array()},
                 {"application", {{"id", std::to_string(user.id)}, {"flags", 0}}}});
  core_.events.emit("main-ready",
                    {{"user_id", std::to_string(user.id)}, {"session_id", session.id}});
  if ((session.intents & kIntentGuilds) == 0) return;
  for (const auto &[id, guild] : core_.world.guilds)
    if (guild.nicks.contains(session.user))
      send_dispatch(session, "GUILD_CREATE", guild_create_json(core_.world, guild, false));
}

void MainGateway::resume(Client &client, const json &data) {
  if (!client.session.empty()) return refuse(client, 4005, "Already authenticated.");
  const auto it = sessions_.find(text_of(data, "session_id"));
  const auto seq = number_of(data, "seq");
  const bool known = it != sessions_.end() && text_of(data, "token") == it->second.token;
  if (!core_.options.main_resume || !known) {
    core_.events.emit("main-resume", {{"ok", false}});
    if (known) end_session(it->first, "resume refused");
    client.connection->send_text(R"({"op":9,"d":false,"s":null,"t":null})");
    return;
  }
  MainSession &session = it->second;
  if (!seq || *seq < 0 || *seq > session.seq ||
      (!session.sent.empty() && *seq + 1 < session.sent.front().first)) {
    core_.events.emit("main-resume", {{"ok", false}});
    end_session(it->first, "bad sequence in resume");
    return refuse(client, 4007, "Invalid seq.");
  }
  if (session.connection) session.connection->close(4000, "resumed elsewhere");
  session.connection = client.connection;
  client.session = session.id;
  std::size_t replayed = 0;
  for (const auto &[number, text] : session.sent) {
    if (number <= *seq) continue;
    client.connection->send_text(text);
    replayed++;
  }
  core_.counters.resumes++;
  send_dispatch(session, "RESUMED", {{"_trace", json::array()}});
  core_.events.emit(
      "main-resume",
      {{"ok", true}, {"user_id", std::to_string(session.user)}, {"replayed", replayed}});
}

void MainGateway::request_voice_state(Client &client, const json &data) {
  core_.counters.voice_state_requests++;
  const MainSession &session = sessions_[client.session];
  const GuildId guild_id = id_of(data, "guild_id");
  const ChannelId channel_id = id_of(data, "channel_id");
  core_.events.emit("voice-state-request", {{"guild_id", std::to_string(guild_id)},
                                            {"channel_id", std::to_string(channel_id)},
                                            {"user_id", std::to_string(session.user)}});
  Guild *guild = core_.world.guild(guild_id);
  if (guild == nullptr || !guild->nicks.contains(session.user)) return;
  const auto current = guild->voice.find(session.user);
  if (channel_id == 0) {
    if (current != guild->voice.end()) core_.leave(guild_id, session.user, 0);
    return;
  }
  if (!core_.options.join_answer) return;
  const auto channel = guild->channels.find(channel_id);
  if (channel == guild->channels.end() || !channel->second.connect) return;
  const bool there = current != guild->voice.end() && current->second.channel == channel_id &&
                     current->second.session_id == session.id;
  if (!there && channel->second.user_limit > 0 &&
      core_.world.in_channel(*guild, channel_id) >=
          static_cast<std::size_t>(channel->second.user_limit))
    return;
  VoiceState state{.user = session.user,
                   .channel = channel_id,
                   .session_id = session.id,
                   .self_deaf = bool_of(data, "self_deaf"),
                   .self_mute = bool_of(data, "self_mute")};
  state.suppress = channel->second.type == 13;
  if (!there) return core_.join(guild_id, state);
  // Repeated with unchanged values nothing new comes, and never new credentials.
  if (current->second.self_deaf != state.self_deaf || current->second.self_mute != state.self_mute)
    core_.set_voice_state(guild_id, state);
}

void MainGateway::request_members(Client &client, const json &data) {
  MainSession &session = sessions_[client.session];
  const Guild *guild = core_.world.guild(id_of(data, "guild_id"));
  if (guild == nullptr) return;
  std::vector<UserId> asked;
  if (data.contains("user_ids") && data["user_ids"].is_array())
    for (const json &id : data["user_ids"]) asked.push_back(id_value(id));
  else
    asked.push_back(id_of(data, "user_ids"));
  json members = json::array(), missing = json::array();
  for (UserId id : asked) {
    if (guild->nicks.contains(id))
      members.push_back(member_json(core_.world, *guild, id));
    else
      missing.push_back(std::to_string(id));
  }
  json reply = {{"guild_id", std::to_string(guild->id)},
                {"members", members},
                {"not_found", missing},
                {"chunk_index", 0},
                {"chunk_count", 1}};
  if (data.contains("nonce")) reply["nonce"] = data["nonce"];
  send_dispatch(session, "GUILD_MEMBERS_CHUNK", reply);
}

void MainGateway::send_dispatch(MainSession &session, const char *name, const json &data) {
  const std::int64_t number = ++session.seq;
  std::string text = json{{"op", 0}, {"t", name}, {"s", number}, {"d", data}}.dump();
  if (session.connection) session.connection->send_text(text);
  session.sent.emplace_back(number, std::move(text));
  if (session.sent.size() > kMainReplay) session.sent.pop_front();
}

void MainGateway::dispatch(GuildId guild_id, const char *name, const json &data,
                           std::uint64_t intent) {
  const Guild *guild = core_.world.guild(guild_id);
  if (guild == nullptr) return;
  for (auto &[id, session] : sessions_)
    if (guild->nicks.contains(session.user) && (intent == 0 || (session.intents & intent) != 0))
      send_dispatch(session, name, data);
}

void MainGateway::dispatch_to(UserId user, const char *name, const json &data) {
  for (auto &[id, session] : sessions_)
    if (session.user == user) send_dispatch(session, name, data);
}

/** The session is dead, and with it the voice connections that belong to it. */
void MainGateway::end_session(const std::string &id, const char *why) {
  const auto it = sessions_.find(id);
  if (it == sessions_.end()) return;
  const MainSession ended = std::move(it->second);
  sessions_.erase(it);
  core_.events.emit("main-session-end", {{"user_id", std::to_string(ended.user)}, {"reason", why}});
  for (auto &[guild_id, guild] : core_.world.guilds) {
    const auto state = guild.voice.find(ended.user);
    if (state != guild.voice.end() && state->second.session_id == ended.id)
      core_.leave(guild_id, ended.user, 4014);
  }
}

template <typename F>
void MainGateway::each(UserId user, F f) {
  std::vector<Client *> chosen;
  for (auto &[connection, client] : clients_) {
    const auto session = sessions_.find(client->session);
    const UserId owner = session == sessions_.end() ? 0 : session->second.user;
    if (user == 0 || owner == user) chosen.push_back(client.get());
  }
  for (Client *client : chosen) f(*client);
}

void MainGateway::close_all(UserId user, int code) {
  each(user, [&](Client &client) {
    if (ends_session(code) && !client.session.empty())
      end_session(client.session, "closed by command");
    client.connection->close(code, "by command");
  });
}

void MainGateway::cut_all(UserId user) {
  each(user, [](Client &client) { client.connection->cut(); });
}

std::function<void()> MainGateway::freeze_all(UserId user) {
  std::vector<std::weak_ptr<WsConnection>> frozen;
  each(user, [&](Client &client) {
    client.connection->freeze();
    frozen.push_back(client.connection);
  });
  return [frozen] {
    for (const auto &weak : frozen)
      if (auto connection = weak.lock()) connection->thaw();
  };
}

void MainGateway::send_all(UserId user, const json &message) {
  const std::string text = message.is_string() ? message.get<std::string>() : message.dump();
  each(user, [&](Client &client) { client.connection->send_text(text); });
}

void MainGateway::invalidate_all(UserId user) {
  each(user, [&](Client &client) {
    const std::string id = client.session;
    client.session.clear();
    client.connection->send_text(R"({"op":9,"d":false,"s":null,"t":null})");
    end_session(id, "invalidated by command");
  });
}

}  // namespace dv::server
