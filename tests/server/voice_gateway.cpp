// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/server/voice_gateway.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/server/call.hpp"
#include "tests/server/core.hpp"
#include "tests/server/json_util.hpp"
#include "tests/server/voice_client.hpp"

namespace dv::server {

using nlohmann::json;

namespace {

constexpr std::size_t kVoiceReplay = 2048;
constexpr Time kResumable = 120s;
constexpr int kOldestVersion = 4;

}  // namespace

bool VoiceSession::is_withheld(int op) {
  if (withhold == 0 || op != withheld_op) return false;
  withhold--;
  return true;
}

void VoiceSession::send(int op, const json &data, bool numbered) {
  json message = {{"op", op}, {"d", data}};
  if (!numbered) {
    if (connection) connection->send_text(message.dump());
    return;
  }
  const std::uint16_t seq = next_seq++;
  message["seq"] = seq;
  const std::string text = message.dump();
  if (!is_withheld(op) && connection) connection->send_text(text);
  sent.push_back({seq, false, Bytes(text.begin(), text.end())});
  if (sent.size() > kVoiceReplay) sent.pop_front();
}

void VoiceSession::send_binary(std::uint8_t op, ByteView payload) {
  const std::uint16_t seq = next_seq++;
  Writer out;
  out.u16(seq).u8(op).put(payload);
  if (!is_withheld(op) && connection) connection->send_binary(out.bytes());
  sent.push_back({seq, true, out.release()});
  if (sent.size() > kVoiceReplay) sent.pop_front();
}

VoiceGateway::VoiceGateway(Core &core) : core_(core) {}
VoiceGateway::~VoiceGateway() = default;

bool VoiceGateway::listen() {
  core_.loop.every(1s, [this] { sweep(); });
  return add_node();
}

void VoiceGateway::shutdown() {
  for (auto &[connection, client] : clients_) {
    client->connection->on_closed = nullptr;
    client->connection->on_text = nullptr;
    client->connection->on_binary = nullptr;
  }
  clients_.clear();
  sessions_.clear();
  nodes_.clear();
}

bool VoiceGateway::add_node(CertificateKind certificate) {
  auto node = std::make_unique<VoiceNode>();
  if (certificate != CertificateKind::good &&
      !(node->certificates = Certificates::make(certificate)))
    return false;
  VoiceNode *raw = node.get();
  node->server = WsServer::listen(
      node->certificates ? *node->certificates : core_.certificates, 0,
      [this, raw](auto connection) { accept(*raw, std::move(connection)); }, nullptr);
  if (!node->server || !new_media_port(*node)) return false;
  nodes_.push_back(std::move(node));
  return true;
}

bool VoiceGateway::new_media_port(VoiceNode &node) {
  node.media = std::make_unique<MediaPort>(core_, node);
  if (!node.media->open()) return false;
  if (!core_.options.nat) return true;
  node.nat = std::make_unique<Nat>(core_.loop, node.media->port());
  return node.nat->open();
}

VoiceNode *VoiceGateway::node(const std::string &endpoint) {
  for (auto &node : nodes_)
    if (node->endpoint() == endpoint) return node.get();
  return nullptr;
}

std::string VoiceGateway::issue(GuildId guild, ChannelId channel, UserId user,
                                const std::string &session_id) {
  Credentials &c = credentials_[{guild, user}];
  if (!c.token.empty()) c.spent.insert(c.token);
  c.channel = channel;
  c.session_id = session_id;
  c.token = core_.random_hex(8);
  c.used = false;
  c.node = current();
  return c.token;
}

VoiceSession *VoiceGateway::find(GuildId guild, UserId user) {
  for (auto &s : sessions_)
    if (s->guild == guild && s->user == user) return s.get();
  return nullptr;
}

VoiceSession *VoiceGateway::find_ssrc(VoiceNode &node, Ssrc ssrc) {
  for (auto &s : sessions_)
    if (s->node == &node && s->ssrc == ssrc) return s.get();
  return nullptr;
}

VoiceSession *VoiceGateway::find_peer(VoiceNode &node, const sockaddr_in &from) {
  for (auto &s : sessions_)
    if (s->node == &node && s->peer && s->peer->sin_port == from.sin_port &&
        s->peer->sin_addr.s_addr == from.sin_addr.s_addr)
      return s.get();
  return nullptr;
}

void VoiceGateway::accept(VoiceNode &node, std::shared_ptr<WsConnection> connection) {
  auto made = std::make_unique<Client>();
  Client *client = made.get();
  client->connection = std::move(connection);
  client->node = &node;
  clients_[client->connection.get()] = std::move(made);
  client->connection->on_text = [this, client](std::string_view text) { on_text(*client, text); };
  client->connection->on_binary = [this, client](ByteView data) { on_binary(*client, data); };
  client->connection->on_closed = [this, client](int code) { on_closed(*client, code); };
  const json version = parse_json(client->connection->query_value("v"));
  if (!version.is_number_integer() || version.get<int>() < kOldestVersion)
    return refuse(*client, 4012, "Unsupported gateway version");
  if (!core_.options.voice_hello) return;
  const double interval = core_.options.voice_heartbeat_ms;
  client->connection->send_text(
      json{{"op", 8}, {"d", {{"v", version}, {"heartbeat_interval", interval}}}}.dump());
}

void VoiceGateway::refuse(Client &client, int code, const char *reason) {
  core_.events.emit("voice-refused", {{"code", code}, {"reason", reason}});
  client.connection->close(code, reason);
}

void VoiceGateway::on_closed(Client &client, int code) {
  json event = {{"gateway", "voice"}, {"code", code}};
  VoiceSession *session = client.session;
  if (session != nullptr) event["user_id"] = std::to_string(session->user);
  core_.events.emit("closed", event);
  if (session != nullptr && session->connection == client.connection) {
    session->connection = nullptr;
    session->lost_at = Loop::now();
    // A client that says 1000 or 1001 is done; all else may be resumed.
    if (code == 1000 || code == 1001) remove(session);
  }
  auto *connection = client.connection.get();
  core_.loop.post([this, connection] { clients_.erase(connection); });
}

void VoiceGateway::on_text(Client &client, std::string_view text) {
  const json message = parse_json(text);
  if (!message.is_object() || !message.contains("op") || !message["op"].is_number_integer())
    return refuse(client, 4002, "Failed to decode payload");
  handle(client, message["op"].get<int>(), message.value("d", json()));
}

void VoiceGateway::on_binary(Client &client, ByteView data) {
  if (client.session == nullptr) return refuse(client, 4003, "Not authenticated.");
  if (data.empty()) return refuse(client, 4002, "Failed to decode payload");
  core_.call(client.session->guild, client.session->channel)
      .client_binary(*client.session, data[0], data.subspan(1));
}

void VoiceGateway::handle(Client &client, int op, const json &data) {
  if (op == 0) return identify(client, data);
  if (op == 3) return heartbeat(client, data);
  if (op == 7) return resume(client, data);
  if (client.session == nullptr) return refuse(client, 4003, "Not authenticated.");
  if (op == 1) return select_protocol(client, data);
  if (op == 5) return speaking(client, data);
  if (op == 16)
    return client.session->send(16, {{"voice", "0.12.0"}, {"rtc_worker", "0.6.0"}}, false);
  if (op == 12 || op == 14 || op == 15 || op == 32) return;
  if (op == 23 || op == 31)
    return core_.call(client.session->guild, client.session->channel)
        .client_transition(*client.session, op,
                           static_cast<int>(number_of(data, "transition_id").value_or(-1)));
  refuse(client, 4001, "Unknown opcode.");
}

void VoiceGateway::heartbeat(Client &client, const json &data) {
  const bool fits = data.is_object() && data.contains("t") && data["t"].is_number();
  if (!fits && !data.is_number()) return refuse(client, 4020, "Bad request.");
  core_.events.emit(
      "voice-heartbeat",
      {{"seq_ack", data.is_object() ? data.value("seq_ack", json()) : json()},
       {"user_id", client.session != nullptr ? std::to_string(client.session->user) : ""}});
  if (!core_.options.voice_ack) return;
  const json ack = {{"op", 6}, {"d", fits ? json{{"t", data["t"]}} : data}};
  client.connection->send_text(ack.dump());
}

/** 0, or the code to close with. */
int VoiceGateway::check_identify(const Client &client, const json &data) {
  const GuildId guild = id_of(data, "server_id");
  const UserId user = id_of(data, "user_id");
  if (core_.world.guild(guild) == nullptr) return 4011;
  const auto it = credentials_.find({guild, user});
  if (it == credentials_.end()) return 4004;
  const Credentials &c = it->second;
  const std::string token = text_of(data, "token");
  if (c.spent.contains(token)) return 4006;
  if (token != c.token) return 4004;
  if (c.used || text_of(data, "session_id") != c.session_id || c.node != client.node) return 4006;
  return 0;
}

void VoiceGateway::identify(Client &client, const json &data) {
  if (client.session != nullptr) return refuse(client, 4005, "Already authenticated.");
  core_.counters.voice_identifies++;
  const int code = check_identify(client, data);
  const GuildId guild = id_of(data, "server_id");
  const UserId user = id_of(data, "user_id");
  const auto dave = static_cast<int>(number_of(data, "max_dave_protocol_version").value_or(0));
  core_.events.emit("voice-identify", {{"ok", code == 0},
                                       {"code", code},
                                       {"guild_id", std::to_string(guild)},
                                       {"user_id", std::to_string(user)},
                                       {"max_dave_protocol_version", dave},
                                       {"session_id", text_of(data, "session_id")},
                                       {"token", text_of(data, "token")}});
  if (code != 0) return refuse(client, code, "Identify refused.");
  Credentials &c = credentials_[{guild, user}];
  const auto &channel = core_.world.guilds[guild].channels[c.channel];
  if (core_.config.dave && channel.type != 13 && dave < 1 && !core_.options.allow_no_dave)
    return refuse(client, 4017, "E2EE/DAVE protocol required");
  c.used = true;
  end(guild, user, 4006);
  auto made = std::make_unique<VoiceSession>();
  VoiceSession &session = *made;
  sessions_.push_back(std::move(made));
  session.guild = guild;
  session.channel = c.channel;
  session.user = user;
  session.session_id = c.session_id;
  session.token = c.token;
  session.ssrc = new_ssrc();
  session.max_dave_version = dave;
  session.node = client.node;
  session.connection = client.connection;
  session.next_seq = static_cast<std::uint16_t>(core_.options.voice_seq_start);
  client.session = &session;
  json modes = core_.config.modes;
  session.send(2,
               {{"ssrc", session.ssrc},
                {"ip", "127.0.0.1"},
                {"port", client.node->media_port()},
                {"modes", modes},
                {"experiments", json::array()},
                {"streams", json::array()},
                {"heartbeat_interval", 1}},
               false);
  core_.call(guild, c.channel).session_joined(session);
}

void VoiceGateway::resume(Client &client, const json &data) {
  if (client.session != nullptr) return refuse(client, 4005, "Already authenticated.");
  const std::string token = text_of(data, "token");
  VoiceSession *session = nullptr;
  for (auto &s : sessions_)
    if (s->node == client.node && s->guild == id_of(data, "server_id") && s->token == token &&
        s->session_id == text_of(data, "session_id"))
      session = s.get();
  const auto ack = number_of(data, "seq_ack").value_or(-1);
  std::size_t first = 0;
  bool ok = session != nullptr && core_.options.voice_resume;
  if (ok && ack >= 0) {
    const auto seen = static_cast<std::uint16_t>(ack);
    const auto at = std::find_if(session->sent.begin(), session->sent.end(),
                                 [&](const auto &s) { return s.seq == seen; });
    first = static_cast<std::size_t>(at - session->sent.begin()) + 1;
    ok = at != session->sent.end();
  }
  core_.events.emit("resume",
                    {{"ok", ok},
                     {"seq_ack", ack},
                     {"user_id", session != nullptr ? std::to_string(session->user) : ""}});
  if (!ok) return refuse(client, 4006, "Session is no longer valid.");
  core_.counters.voice_resumes++;
  if (session->connection) session->connection->close(4006, "resumed elsewhere");
  for (auto &[connection, other] : clients_)
    if (other->session == session) other->session = nullptr;
  session->connection = client.connection;
  session->lost_at = kNever;
  client.session = session;
  session->send(9, json(), false);
  for (std::size_t i = first; i < session->sent.size(); i++) {
    const auto &missed = session->sent[i];
    if (missed.binary)
      client.connection->send_binary(missed.data);
    else
      client.connection->send_text(
          {reinterpret_cast<const char *>(missed.data.data()), missed.data.size()});
  }
}

void VoiceGateway::select_protocol(Client &client, const json &data) {
  VoiceSession &session = *client.session;
  if (text_of(data, "protocol") != "udp") return refuse(client, 4012, "Unknown protocol.");
  const json inner = data.value("data", json::object());
  const std::string name = text_of(inner, "mode");
  const auto mode = transport_mode(name);
  const auto &modes = core_.config.modes;
  if (!mode || std::find(modes.begin(), modes.end(), name) == modes.end())
    return refuse(client, 4016, "Unknown encryption mode.");
  sockaddr_in peer{.sin_family = AF_INET};
  const auto port = number_of(inner, "port").value_or(0);
  if (inet_pton(AF_INET, text_of(inner, "address").c_str(), &peer.sin_addr) != 1 || port < 1 ||
      port > 65535)
    return refuse(client, 4020, "Bad address.");
  peer.sin_port = htons(static_cast<std::uint16_t>(port));
  if (!session.peer) session.peer = peer;
  session.mode = name;
  describe(session);
  core_.call(session.guild, session.channel).session_described(session);
}

void VoiceGateway::describe(VoiceSession &session) {
  const auto mode = transport_mode(session.mode);
  if (!mode) return;
  std::array<std::uint8_t, 32> key;
  for (auto &byte : key) byte = static_cast<std::uint8_t>(core_.random32());
  session.transport = std::make_unique<Transport>(*mode, key);
  const int version = core_.call(session.guild, session.channel).dave_version(session);
  core_.events.emit("session-description", {{"user_id", std::to_string(session.user)},
                                            {"mode", session.mode},
                                            {"dave_protocol_version", version},
                                            {"secret_key", hex(key)}});
  session.described = true;
  session.send(4, {{"mode", session.mode},
                   {"secret_key", key},
                   {"dave_protocol_version", version},
                   {"audio_codec", "opus"},
                   {"video_codec", "H264"},
                   {"media_session_id", core_.random_hex(16)}});
}

void VoiceGateway::speaking(Client &client, const json &data) {
  VoiceSession &session = *client.session;
  const auto flags = number_of(data, "speaking");
  if (!flags || static_cast<std::uint32_t>(number_of(data, "ssrc").value_or(0)) != session.ssrc)
    return refuse(client, 4020, "Bad request.");
  core_.events.emit("speaking", {{"user_id", std::to_string(session.user)}, {"speaking", *flags}});
  core_.call(session.guild, session.channel).session_speaking(session, static_cast<int>(*flags));
}

/** Sessions whose client did not come back. */
void VoiceGateway::sweep() {
  std::vector<VoiceSession *> gone;
  for (auto &s : sessions_)
    if (!s->connection && s->lost_at != kNever && Loop::now() - s->lost_at > kResumable)
      gone.push_back(s.get());
  for (VoiceSession *s : gone) remove(s);
}

void VoiceGateway::remove(VoiceSession *session) {
  const auto it = std::find_if(sessions_.begin(), sessions_.end(),
                               [&](const auto &s) { return s.get() == session; });
  if (it == sessions_.end()) return;
  const auto ended = std::move(*it);
  sessions_.erase(it);
  for (auto &[connection, client] : clients_)
    if (client->session == session) client->session = nullptr;
  core_.call(ended->guild, ended->channel).session_left(*ended);
}

}  // namespace dv::server
