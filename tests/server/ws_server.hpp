// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "ext/wire/bytes.hpp"
#include "tests/server/tls.hpp"

typedef struct _GSocketService GSocketService;
typedef struct _SoupServer SoupServer;
typedef struct _SoupWebsocketConnection SoupWebsocketConnection;

namespace dv::server {

/** One websocket of a client. Belongs to the server's thread. */
class WsConnection {
 public:
  explicit WsConnection(SoupWebsocketConnection *socket, std::string query);
  ~WsConnection();
  WsConnection(const WsConnection &) = delete;
  WsConnection &operator=(const WsConnection &) = delete;

  std::function<void(std::string_view)> on_text;
  std::function<void(ByteView)> on_binary;
  /** Code of the client's close frame; 1006 when the connection just went away. Called once. */
  std::function<void(int code)> on_closed;

  void send_text(std::string_view text);
  void send_binary(ByteView data);
  /** `code` 0 sends a close frame without a code. */
  void close(int code, const std::string &reason = {});
  /** The TCP connection ends without a word. */
  void cut();
  /** While frozen nothing is sent, and what comes waits until the thaw; the socket stays up. */
  void freeze();
  void thaw();
  bool open() const;
  /** Everything after '?' of the request. */
  const std::string &query() const { return query_; }
  std::string query_value(std::string_view name) const;

 private:
  void received(int type, ByteView data);
  void deliver(int type, ByteView data);
  void closed();

  SoupWebsocketConnection *socket_;
  std::string query_;
  bool frozen_ = false;
  bool told_closed_ = false;
  std::vector<std::pair<int, Bytes>> waiting_in_, waiting_out_;
};

struct HttpReply {
  int status = 404;
  std::string body;
};

/** HTTPS and secure websockets on one port of the loopback. */
class WsServer {
 public:
  using OnConnection = std::function<void(std::shared_ptr<WsConnection>)>;
  /** Path and the value of the header `Authorization`. */
  using OnHttp = std::function<HttpReply(std::string_view path, std::string_view authorization)>;

  /** `port` 0: any. Nothing on failure. */
  static std::unique_ptr<WsServer> listen(const Certificates &certificates, std::uint16_t port,
                                          OnConnection on_connection, OnHttp on_http);
  ~WsServer();
  std::uint16_t port() const { return port_; }
  /** Connections are refused until `resume_listening`. */
  void stop_listening();
  /** Until then they are taken, and answered by something that is not TLS. */
  bool talk_nonsense();
  bool resume_listening();
  /** For the connections that come after the next `resume_listening`. */
  bool use_certificate(const Certificates &certificates);

 private:
  WsServer() = default;
  bool start(const Certificates &certificates);

  SoupServer *server_ = nullptr;
  GSocketService *nonsense_ = nullptr;
  std::uint16_t port_ = 0;
  OnConnection on_connection_;
  OnHttp on_http_;
};

}  // namespace dv::server
