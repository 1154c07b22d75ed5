// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <netinet/in.h>

#include <deque>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>

#include "ext/wire/ids.hpp"
#include "tests/server/media_port.hpp"
#include "tests/server/nat.hpp"
#include "tests/server/transport.hpp"
#include "tests/server/ws_server.hpp"

namespace dv::server {

class Core;
class VoiceGateway;

/** One voice server: a secure websocket endpoint and a media port. */
struct VoiceNode {
  std::optional<Certificates> certificates;  ///< its own, if not those of the server
  std::unique_ptr<WsServer> server;
  std::unique_ptr<MediaPort> media;
  std::unique_ptr<Nat> nat;  ///< in front of the media port, if there is one

  std::uint16_t media_port() const { return nat ? nat->port() : media->port(); }
  std::string endpoint() const { return "localhost:" + std::to_string(server->port()); }
};

/** A real client in a call. Outlives its websocket, so that it can be resumed. */
struct VoiceSession {
  GuildId guild = 0;
  ChannelId channel = 0;
  UserId user = 0;
  std::string session_id;
  std::string token;
  Ssrc ssrc = 0;
  int max_dave_version = 0;
  VoiceNode *node = nullptr;
  std::shared_ptr<WsConnection> connection;  ///< none while it is away
  Time lost_at = kNever;

  bool described = false;  ///< op 4 is out: media may flow
  bool announced = false;  ///< those who talk were told to it
  bool ready = false;      ///< it can hear
  bool deaf = false;       ///< by a moderator: gets no audio
  bool speaking = false;   ///< sent op 5 with a flag
  std::unique_ptr<Transport> transport;
  std::string mode;
  std::optional<sockaddr_in> peer;
  Time heard_at = kNever;  ///< last datagram from it
  std::uint64_t sent_packets = 0;

  /** A message; numbered ones can be replayed. */
  void send(int op, const nlohmann::json &data, bool numbered = true);
  void send_binary(std::uint8_t op, ByteView payload);

  struct Sent {
    std::uint16_t seq;
    bool binary;
    Bytes data;
  };
  std::uint16_t next_seq = 1;
  std::deque<Sent> sent;
  /** The next messages with this number are lost on the way; a Resume brings them. */
  int withheld_op = 0;
  unsigned withhold = 0;

 private:
  bool is_withheld(int op);
};

/** The voice gateway, version 8, on one or more voice servers (discord-voice.md, section 3). */
class VoiceGateway {
 public:
  explicit VoiceGateway(Core &core);
  ~VoiceGateway();
  bool listen();
  void shutdown();

  /** The voice server that new credentials lead to. */
  VoiceNode *current() { return nodes_.back().get(); }
  /** From now on another one, with another endpoint and media port. */
  bool add_node(CertificateKind certificate = CertificateKind::good);
  /** Another media port behind the same endpoint; the old one is dead. */
  bool new_media_port(VoiceNode &node);
  VoiceNode *node(const std::string &endpoint);

  /** New credentials for a user; older ones become stale. Gives the token. */
  std::string issue(GuildId guild, ChannelId channel, UserId user, const std::string &session_id);
  /** The user's session is over; its socket is closed with `code` unless that is 0. */
  void end(GuildId guild, UserId user, int code);
  /** Op 4 with a key of its own; a later one replaces the key. */
  void describe(VoiceSession &session);
  VoiceSession *find(GuildId guild, UserId user);
  VoiceSession *find_ssrc(VoiceNode &node, Ssrc ssrc);
  VoiceSession *find_peer(VoiceNode &node, const sockaddr_in &from);
  const std::vector<std::unique_ptr<VoiceSession>> &sessions() const { return sessions_; }
  Ssrc new_ssrc() { return next_ssrc_ += 3; }

  // Faults; `user` 0 means all.
  void close_all(UserId user, int code);
  void cut_all(UserId user);
  /** Gives what thaws them. */
  std::function<void()> freeze_all(UserId user);
  void send_text_all(UserId user, const std::string &text);
  void send_binary_all(UserId user, std::uint8_t op, ByteView payload);

 private:
  struct Client;
  struct Credentials {
    ChannelId channel = 0;
    std::string session_id;
    std::string token;
    bool used = false;
    std::set<std::string> spent;
    VoiceNode *node = nullptr;
  };
  void accept(VoiceNode &node, std::shared_ptr<WsConnection> connection);
  void on_text(Client &client, std::string_view text);
  void on_binary(Client &client, ByteView data);
  void on_closed(Client &client, int code);
  void handle(Client &client, int op, const nlohmann::json &data);
  void identify(Client &client, const nlohmann::json &data);
  int check_identify(const Client &client, const nlohmann::json &data);
  void resume(Client &client, const nlohmann::json &data);
  void select_protocol(Client &client, const nlohmann::json &data);
  void heartbeat(Client &client, const nlohmann::json &data);
  void speaking(Client &client, const nlohmann::json &data);
  void refuse(Client &client, int code, const char *reason);
  void remove(VoiceSession *session);
  void sweep();
  template <typename F>
  void each(UserId user, F f);

  Core &core_;
  std::vector<std::unique_ptr<VoiceNode>> nodes_;
  std::map<WsConnection *, std::unique_ptr<Client>> clients_;
  std::vector<std::unique_ptr<VoiceSession>> sessions_;
  std::map<std::pair<GuildId, UserId>, Credentials> credentials_;
  Ssrc next_ssrc_ = 1000;
};

}  // namespace dv::server
