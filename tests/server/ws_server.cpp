// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/server/ws_server.hpp"

#include <libsoup/soup.h>
#include <sys/socket.h>

namespace dv::server {

namespace {

constexpr std::uint64_t kMaxMessage = 16U << 20;

/** The socket below the layers that TLS and HTTP put around it. */
GSocket *socket_of(SoupWebsocketConnection *connection) {
  GIOStream *stream = soup_websocket_connection_get_io_stream(connection);
  for (int depth = 0; stream != nullptr && depth < 4; depth++) {
    if (G_IS_SOCKET_CONNECTION(stream))
      return g_socket_connection_get_socket(G_SOCKET_CONNECTION(stream));
    const char *property = G_IS_TLS_CONNECTION(stream) ? "base-io-stream" : "base-iostream";
    if (g_object_class_find_property(G_OBJECT_GET_CLASS(stream), property) == nullptr) break;
    GIOStream *base = nullptr;
    g_object_get(stream, property, &base, nullptr);
    if (base == nullptr) break;
    g_object_unref(base);  // the outer stream keeps it
    stream = base;
  }
  return nullptr;
}

}  // namespace

WsConnection::WsConnection(SoupWebsocketConnection *socket, std::string query)
    : socket_(static_cast<SoupWebsocketConnection *>(g_object_ref(socket))),
      query_(std::move(query)) {
  soup_websocket_connection_set_max_incoming_payload_size(socket_, kMaxMessage);
  g_signal_connect(
      socket_, "message",
      G_CALLBACK(+[](SoupWebsocketConnection *, gint type, GBytes *message, gpointer self) {
        gsize size = 0;
        const auto *data = static_cast<const std::uint8_t *>(g_bytes_get_data(message, &size));
        static_cast<WsConnection *>(self)->received(type, {data, size});
      }),
      this);
  g_signal_connect(socket_, "closed", G_CALLBACK(+[](SoupWebsocketConnection *, gpointer self) {
                     static_cast<WsConnection *>(self)->closed();
                   }),
                   this);
}

WsConnection::~WsConnection() {
  g_signal_handlers_disconnect_by_data(socket_, this);
  if (soup_websocket_connection_get_state(socket_) == SOUP_WEBSOCKET_STATE_OPEN)
    soup_websocket_connection_close(socket_, SOUP_WEBSOCKET_CLOSE_GOING_AWAY, nullptr);
  g_object_unref(socket_);
}

bool WsConnection::open() const {
  return soup_websocket_connection_get_state(socket_) == SOUP_WEBSOCKET_STATE_OPEN;
}

std::string WsConnection::query_value(std::string_view name) const {
  std::string_view rest = query_;
  while (!rest.empty()) {
    const auto end = rest.find('&');
    const std::string_view item = rest.substr(0, end);
    const auto equal = item.find('=');
    if (item.substr(0, equal) == name)
      return equal == item.npos ? std::string() : std::string(item.substr(equal + 1));
    if (end == rest.npos) break;
    rest.remove_prefix(end + 1);
  }
  return {};
}

void WsConnection::received(int type, ByteView data) {
  if (frozen_)
    waiting_in_.emplace_back(type, Bytes(data.begin(), data.end()));
  else
    deliver(type, data);
}

void WsConnection::deliver(int type, ByteView data) {
  if (type == SOUP_WEBSOCKET_DATA_TEXT) {
    if (on_text) on_text({reinterpret_cast<const char *>(data.data()), data.size()});
  } else if (on_binary) {
    on_binary(data);
  }
}

void WsConnection::closed() {
  if (told_closed_) return;
  told_closed_ = true;
  const int code = soup_websocket_connection_get_close_code(socket_);
  if (auto handler = std::move(on_closed)) handler(code == 0 ? 1006 : code);
}

void WsConnection::send_text(std::string_view text) {
  if (frozen_) {
    waiting_out_.emplace_back(SOUP_WEBSOCKET_DATA_TEXT, Bytes(text.begin(), text.end()));
    return;
  }
  if (!open()) return;
  GBytes *bytes = g_bytes_new(text.data(), text.size());
  soup_websocket_connection_send_message(socket_, SOUP_WEBSOCKET_DATA_TEXT, bytes);
  g_bytes_unref(bytes);
}

void WsConnection::send_binary(ByteView data) {
  if (frozen_)
    waiting_out_.emplace_back(SOUP_WEBSOCKET_DATA_BINARY, Bytes(data.begin(), data.end()));
  else if (open())
    soup_websocket_connection_send_binary(socket_, data.data(), data.size());
}

void WsConnection::close(int code, const std::string &reason) {
  if (!open()) return;
  const auto number = static_cast<gushort>(code == 0 ? int{SOUP_WEBSOCKET_CLOSE_NO_STATUS} : code);
  const bool words = code != 0 && !reason.empty();
  soup_websocket_connection_close(socket_, number, words ? reason.c_str() : nullptr);
}

void WsConnection::cut() {
  GSocket *socket = socket_of(socket_);
  if (socket == nullptr) return;
  g_socket_shutdown(socket, TRUE, TRUE, nullptr);
}

void WsConnection::freeze() { frozen_ = true; }

void WsConnection::thaw() {
  frozen_ = false;
  auto out = std::move(waiting_out_);
  auto in = std::move(waiting_in_);
  for (auto &[type, data] : out) {
    if (type == SOUP_WEBSOCKET_DATA_TEXT)
      send_text({reinterpret_cast<const char *>(data.data()), data.size()});
    else
      send_binary(data);
  }
  for (auto &[type, data] : in) deliver(type, data);
}

std::unique_ptr<WsServer> WsServer::listen(const Certificates &certificates, std::uint16_t port,
                                           OnConnection on_connection, OnHttp on_http) {
  std::unique_ptr<WsServer> made(new WsServer);
  made->port_ = port;
  made->on_connection_ = std::move(on_connection);
  made->on_http_ = std::move(on_http);
  if (!made->start(certificates)) return nullptr;
  return made;
}

bool WsServer::use_certificate(const Certificates &certificates) {
  GError *error = nullptr;
  GTlsCertificate *certificate = g_tls_certificate_new_from_files(
      certificates.chain_file().c_str(), certificates.key_file().c_str(), &error);
  if (certificate == nullptr) {
    g_printerr("certificate: %s\n", error->message);
    g_clear_error(&error);
    return false;
  }
  soup_server_set_tls_certificate(server_, certificate);
  g_object_unref(certificate);
  return true;
}

bool WsServer::start(const Certificates &certificates) {
  server_ = soup_server_new("server-header", "local-voice-server", nullptr);
  if (!use_certificate(certificates)) return false;
  soup_server_add_handler(
      server_, nullptr,
      +[](SoupServer *, SoupServerMessage *msg, const char *path, GHashTable *, gpointer self) {
        // Left without a status the request goes on to the websocket handler.
        if (soup_message_headers_header_contains(soup_server_message_get_request_headers(msg),
                                                 "Upgrade", "websocket"))
          return;
        const char *auth = soup_message_headers_get_one(
            soup_server_message_get_request_headers(msg), "Authorization");
        auto *server = static_cast<WsServer *>(self);
        const HttpReply reply =
            server->on_http_ ? server->on_http_(path, auth != nullptr ? auth : "") : HttpReply{};
        soup_server_message_set_status(msg, static_cast<guint>(reply.status), nullptr);
        soup_server_message_set_response(msg, "application/json", SOUP_MEMORY_COPY,
                                         reply.body.data(), reply.body.size());
      },
      this, nullptr);
  soup_server_add_websocket_handler(
      server_, nullptr, nullptr, nullptr,
      +[](SoupServer *, SoupServerMessage *msg, const char *, SoupWebsocketConnection *socket,
          gpointer self) {
        const char *query = g_uri_get_query(soup_server_message_get_uri(msg));
        static_cast<WsServer *>(self)->on_connection_(
            std::make_shared<WsConnection>(socket, query != nullptr ? query : ""));
      },
      this, nullptr);
  return resume_listening();
}

bool WsServer::resume_listening() {
  if (nonsense_ != nullptr) {
    g_socket_service_stop(nonsense_);
    g_socket_listener_close(G_SOCKET_LISTENER(nonsense_));
    g_clear_object(&nonsense_);
  }
  GError *error = nullptr;
  GSocketAddress *address = g_inet_socket_address_new_from_string("127.0.0.1", port_);
  const gboolean ok = soup_server_listen(server_, address, SOUP_SERVER_LISTEN_HTTPS, &error);
  g_object_unref(address);
  if (!ok) {
    g_printerr("listen: %s\n", error->message);
    g_clear_error(&error);
    return false;
  }
  GSList *uris = soup_server_get_uris(server_);
  port_ = static_cast<std::uint16_t>(g_uri_get_port(static_cast<GUri *>(uris->data)));
  g_slist_free_full(uris, reinterpret_cast<GDestroyNotify>(g_uri_unref));
  return true;
}

void WsServer::stop_listening() {
  GSList *listeners = soup_server_get_listeners(server_);
  for (GSList *l = listeners; l != nullptr; l = l->next) g_socket_close(G_SOCKET(l->data), nullptr);
  g_slist_free(listeners);
  soup_server_disconnect(server_);
}

bool WsServer::talk_nonsense() {
  stop_listening();
  nonsense_ = g_socket_service_new();
  g_signal_connect(
      nonsense_, "incoming",
      G_CALLBACK(+[](GSocketService *, GSocketConnection *connection, GObject *, gpointer) {
        static constexpr char kWords[] = "HTTP/1.0 503 Service Unavailable\r\n\r\n";
        GIOStream *stream = G_IO_STREAM(connection);
        g_output_stream_write(g_io_stream_get_output_stream(stream), kWords, sizeof kWords - 1,
                              nullptr, nullptr);
        g_io_stream_close(stream, nullptr, nullptr);
        return TRUE;
      }),
      nullptr);
  GSocketAddress *address = g_inet_socket_address_new_from_string("127.0.0.1", port_);
  const gboolean ok =
      g_socket_listener_add_address(G_SOCKET_LISTENER(nonsense_), address, G_SOCKET_TYPE_STREAM,
                                    G_SOCKET_PROTOCOL_TCP, nullptr, nullptr, nullptr);
  g_object_unref(address);
  return ok != FALSE;
}

WsServer::~WsServer() {
  g_clear_object(&nonsense_);
  if (server_ == nullptr) return;
  soup_server_disconnect(server_);
  g_object_unref(server_);
}

}  // namespace dv::server
