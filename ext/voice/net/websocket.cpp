// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/voice/net/websocket.hpp"

#include <libsoup/soup.h>

#include "ext/voice/net/connect_failure.hpp"
#include "ext/voice/net/peer_strength.hpp"

namespace dv::voice {
namespace {

constexpr guint kKeepaliveSeconds = 30;  // a cut cable is noticed without waiting for traffic

}  // namespace

struct WebSocket::Impl : std::enable_shared_from_this<WebSocket::Impl> {
  Impl(NetLoop &loop_in, const WebSocketOptions &options, Events events_in);
  ~Impl();

  /** What a connection attempt leaves behind for its callback. */
  struct Pending {
    NetLoop &loop;
    std::weak_ptr<Impl> socket;
  };

  void connect(const WebSocketOptions &options);
  void connected(SoupWebsocketConnection *connection, GError *error);
  void fail(const ConnectFailure &error);
  void ended();
  void drop();
  void finish_linger();

  static void on_connected(GObject *source, GAsyncResult *result, gpointer data);
  static void on_network_event(SoupMessage *message, GSocketClientEvent event, GIOStream *stream,
                               gpointer data);
  static void on_message(SoupWebsocketConnection *, gint type, GBytes *message, gpointer data);
  static void on_closed(SoupWebsocketConnection *, gpointer data);

  NetLoop &loop;
  Events events;
  std::size_t max_payload;
  LoopTimer timer;
  SoupSession *session = nullptr;
  SoupMessage *message = nullptr;
  GCancellable *cancellable = nullptr;
  SoupWebsocketConnection *connection = nullptr;
  std::string weakness;  // why the peer's certificate was refused although it verified
  bool timed_out = false;
  bool over = false;                // failed or closed was told, or nobody wants to know any more
  std::shared_ptr<Impl> lingering;  // itself, while it says goodbye without an owner
  std::function<void()> linger_done;
};

WebSocket::Impl::Impl(NetLoop &loop_in, const WebSocketOptions &options, Events events_in)
    : loop(loop_in),
      events(std::move(events_in)),
      max_payload(options.max_payload),
      timer(loop_in, [this] {
        if (lingering) {
          finish_linger();
        } else {
          timed_out = true;
          g_cancellable_cancel(cancellable);
        }
      }) {}

WebSocket::Impl::~Impl() { drop(); }

void WebSocket::Impl::connect(const WebSocketOptions &options) {
  // No proxy: media goes over UDP, which a proxy would not carry.
  session = soup_session_new_with_options("proxy-resolver", nullptr, "user-agent",
                                          "gst-discord-voice", nullptr);
  if (options.trust != nullptr) soup_session_set_tls_database(session, options.trust);
  cancellable = g_cancellable_new();
  message = soup_message_new(SOUP_METHOD_GET, options.url.c_str());
  GUri *uri = message != nullptr ? soup_message_get_uri(message) : nullptr;
  if (uri == nullptr || g_strcmp0(g_uri_get_scheme(uri), "wss") != 0) {
    loop.post([weak = weak_from_this()] {
      if (auto self = weak.lock()) {
        self->fail({ConnectFailureKind::other, 0, "the address is not a wss:// URL"});
      }
    });
    return;
  }
  // A compressed message could grow past every limit after the length check.
  soup_message_disable_feature(message, SOUP_TYPE_WEBSOCKET_EXTENSION_MANAGER);
  auto *pending = new Pending{loop, weak_from_this()};
  g_signal_connect(message, "network-event", G_CALLBACK(on_network_event), this);
  timer.set(NetLoop::now() + options.connect_timeout);
  loop.expect_callback();
  soup_session_websocket_connect_async(session, message, nullptr, nullptr, G_PRIORITY_DEFAULT,
                                       cancellable, on_connected, pending);
}

void WebSocket::Impl::on_network_event(SoupMessage *, GSocketClientEvent event, GIOStream *stream,
                                       gpointer data) {
  if (event != G_SOCKET_CLIENT_TLS_HANDSHAKED || !G_IS_TLS_CONNECTION(stream)) return;
  auto *self = static_cast<Impl *>(data);
  self->weakness = peer_weakness(G_TLS_CONNECTION(stream));
  if (!self->weakness.empty()) g_cancellable_cancel(self->cancellable);
}

void WebSocket::Impl::on_connected(GObject *source, GAsyncResult *result, gpointer data) {
  std::unique_ptr<Pending> pending(static_cast<Pending *>(data));
  pending->loop.callback_came();
  GError *error = nullptr;
  SoupWebsocketConnection *connection =
      soup_session_websocket_connect_finish(SOUP_SESSION(source), result, &error);
  if (auto self = pending->socket.lock(); self && !self->over) {
    self->connected(connection, error);
  } else if (connection != nullptr) {
    g_object_unref(connection);
  }
  g_clear_error(&error);
}

void WebSocket::Impl::connected(SoupWebsocketConnection *made, GError *error) {
  timer.set(kNever);
  // Without this guard the certificate check would depend on who wins a cancellation race.
  if (made != nullptr && (!weakness.empty() || timed_out)) g_clear_object(&made);
  if (made == nullptr) {
    if (!weakness.empty()) return fail({ConnectFailureKind::tls, 0, weakness});
    return fail(classify_failure(error, message, timed_out));
  }
  connection = made;
  soup_websocket_connection_set_max_incoming_payload_size(connection, max_payload);
  soup_websocket_connection_set_keepalive_interval(connection, kKeepaliveSeconds);
  g_signal_connect(connection, "message", G_CALLBACK(on_message), this);
  g_signal_connect(connection, "closed", G_CALLBACK(on_closed), this);
  if (events.opened) events.opened();
}

void WebSocket::Impl::on_message(SoupWebsocketConnection *, gint type, GBytes *bytes,
                                 gpointer data) {
  auto self = static_cast<Impl *>(data)->shared_from_this();
  if (self->over) return;
  gsize size = 0;
  const auto *start = static_cast<const std::uint8_t *>(g_bytes_get_data(bytes, &size));
  if (type == SOUP_WEBSOCKET_DATA_TEXT) {
    if (self->events.text) self->events.text({reinterpret_cast<const char *>(start), size});
  } else if (self->events.binary) {
    self->events.binary({start, size});
  }
}

void WebSocket::Impl::on_closed(SoupWebsocketConnection *, gpointer data) {
  auto self = static_cast<Impl *>(data)->shared_from_this();
  if (self->lingering) {
    self->finish_linger();
  } else {
    self->ended();
  }
}

void WebSocket::Impl::ended() {
  if (over) return;
  over = true;
  const std::uint16_t got = soup_websocket_connection_get_close_code(connection);
  const CloseCode code = got == 0 || got == SOUP_WEBSOCKET_CLOSE_ABNORMAL ? CloseCode{} : got;
  const char *data = soup_websocket_connection_get_close_data(connection);
  const std::string reason = data != nullptr ? data : "";
  auto closed = events.closed;
  if (closed) closed(code, reason);
}

void WebSocket::Impl::fail(const ConnectFailure &error) {
  if (over) return;
  over = true;
  auto failed = events.failed;
  if (failed) failed(error);
}

void WebSocket::Impl::drop() {
  over = true;
  if (cancellable != nullptr) g_cancellable_cancel(cancellable);
  if (message != nullptr) g_signal_handlers_disconnect_by_data(message, this);
  if (connection != nullptr) {
    g_signal_handlers_disconnect_by_data(connection, this);
    // The stream is closed by hand: libsoup would keep it for a goodbye that nobody waits for.
    GIOStream *stream = soup_websocket_connection_get_io_stream(connection);
    if (stream != nullptr) g_io_stream_close(stream, nullptr, nullptr);
  }
  g_clear_object(&connection);
  if (session != nullptr) soup_session_abort(session);
  g_clear_object(&message);
  g_clear_object(&session);
  g_clear_object(&cancellable);
}

void WebSocket::Impl::finish_linger() {
  auto self = std::move(lingering);
  auto done = std::move(linger_done);
  // Not from inside a signal of the connection that is dropped here.
  loop.post([self, done] {
    self->drop();
    if (done) done();
  });
  timer.set(kNever);
}

WebSocket::WebSocket(NetLoop &loop, const WebSocketOptions &options, Events events)
    : impl_(std::make_shared<Impl>(loop, options, std::move(events))) {
  impl_->connect(options);
}

WebSocket::~WebSocket() {
  if (impl_) impl_->over = true;
  // The last reference may go inside one of the connection's signals.
  if (impl_) impl_->loop.post([impl = std::move(impl_)] { impl->drop(); });
}

bool WebSocket::is_open() const {
  return impl_->connection != nullptr && !impl_->over &&
         soup_websocket_connection_get_state(impl_->connection) == SOUP_WEBSOCKET_STATE_OPEN;
}

void WebSocket::send_text(std::string_view text) {
  if (!is_open()) return;
  GBytes *bytes = g_bytes_new(text.data(), text.size());
  soup_websocket_connection_send_message(impl_->connection, SOUP_WEBSOCKET_DATA_TEXT, bytes);
  g_bytes_unref(bytes);
}

void WebSocket::send_binary(ByteView data) {
  if (!is_open()) return;
  soup_websocket_connection_send_binary(impl_->connection, data.data(), data.size());
}

void WebSocket::close(std::unique_ptr<WebSocket> socket, std::uint16_t code, Time limit,
                      std::function<void()> done) {
  auto impl = std::move(socket->impl_);
  const bool was_open =
      impl->connection != nullptr && !impl->over &&
      soup_websocket_connection_get_state(impl->connection) == SOUP_WEBSOCKET_STATE_OPEN;
  impl->over = true;
  impl->linger_done = std::move(done);
  impl->lingering = impl;
  if (!was_open) {
    impl->finish_linger();
    return;
  }
  impl->timer.set(NetLoop::now() + limit);
  soup_websocket_connection_close(impl->connection, code, nullptr);
}

}  // namespace dv::voice
