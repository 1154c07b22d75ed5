// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>
#include <libsoup/soup.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <vector>

#include "ext/voice/net/trust.hpp"
#include "ext/voice/net/websocket.hpp"
#include "tests/server/tls.hpp"

namespace dv::voice {
namespace {

using server::CertificateKind;
using server::Certificates;

/** What one test waits for; the limit is for a machine that stands still. */
class Signals {
 public:
  void add(std::string what) {
    std::lock_guard lock(mutex_);
    seen_.push_back(std::move(what));
    changed_.notify_all();
  }
  bool wait(const std::string &what) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(60), [&] {
      return std::find(seen_.begin(), seen_.end(), what) != seen_.end();
    });
  }
  std::string first() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(60), [&] { return !seen_.empty(); });
    return seen_.empty() ? "nothing" : seen_.front();
  }
  std::vector<std::string> all() {
    std::lock_guard lock(mutex_);
    return seen_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> seen_;
};

/** A WebSocket server on a loop of its own; it does what the text that it gets says. */
class Peer {
 public:
  explicit Peer(CertificateKind kind) : certificates_(*Certificates::make(kind)) {
    loop_.call([this] { listen(); });
  }
  ~Peer() {
    loop_.call([this] {
      if (connection_ != nullptr) g_signal_handlers_disconnect_by_data(connection_, this);
      g_clear_object(&connection_);
      soup_server_disconnect(server_);
      g_object_unref(server_);
    });
  }

  std::string url(const char *path = "/socket") const {
    return "wss://localhost:" + std::to_string(port_) + path;
  }
  std::string ca_file() const { return certificates_.ca_file(); }
  int requests() const { return requests_; }

  Signals signals;

 private:
  static void count(SoupServer *, SoupServerMessage *, const char *, GHashTable *, gpointer data) {
    ++static_cast<Peer *>(data)->requests_;
  }
  static void accept(SoupServer *, SoupServerMessage *, const char *,
                     SoupWebsocketConnection *connection, gpointer data) {
    auto *self = static_cast<Peer *>(data);
    self->connection_ = SOUP_WEBSOCKET_CONNECTION(g_object_ref(connection));
    g_signal_connect(connection, "message", G_CALLBACK(obey), self);
    g_signal_connect(connection, "closed", G_CALLBACK(closed), self);
  }
  static void obey(SoupWebsocketConnection *connection, gint type, GBytes *message, gpointer data) {
    gsize size = 0;
    const auto *bytes = static_cast<const char *>(g_bytes_get_data(message, &size));
    const std::string_view text(bytes, size);
    static_cast<Peer *>(data)->signals.add("text " + std::string(text));
    if (type == SOUP_WEBSOCKET_DATA_BINARY) {
      soup_websocket_connection_send_binary(connection, bytes, size);
    } else if (text == "close") {
      soup_websocket_connection_close(connection, 4006, "session over");
    } else if (text == "cut") {
      g_io_stream_close(soup_websocket_connection_get_io_stream(connection), nullptr, nullptr);
    } else if (text == "big") {
      const std::string big(70000, 'x');
      soup_websocket_connection_send_text(connection, big.c_str());
    } else {
      soup_websocket_connection_send_text(connection, std::string(text).c_str());
    }
  }
  static void closed(SoupWebsocketConnection *connection, gpointer data) {
    const int code = soup_websocket_connection_get_close_code(connection);
    static_cast<Peer *>(data)->signals.add("closed " + std::to_string(code));
  }

  void listen() {
    GTlsCertificate *certificate = g_tls_certificate_new_from_files(
        certificates_.chain_file().c_str(), certificates_.key_file().c_str(), nullptr);
    REQUIRE(certificate != nullptr);
    server_ = soup_server_new("tls-certificate", certificate, nullptr);
    g_object_unref(certificate);
    soup_server_add_early_handler(server_, nullptr, count, this, nullptr);
    soup_server_add_websocket_handler(server_, "/socket", nullptr, nullptr, accept, this, nullptr);
    REQUIRE(soup_server_listen_local(server_, 0, SOUP_SERVER_LISTEN_HTTPS, nullptr));
    GSList *uris = soup_server_get_uris(server_);
    port_ = g_uri_get_port(static_cast<GUri *>(uris->data));
    g_slist_free_full(uris, reinterpret_cast<GDestroyNotify>(g_uri_unref));
  }

  Certificates certificates_;
  NetLoop loop_;
  SoupServer *server_ = nullptr;
  SoupWebsocketConnection *connection_ = nullptr;
  int port_ = 0;
  std::atomic<int> requests_{0};
};

const char *name_of_kind(ConnectFailureKind kind) { return name_of(kind); }

/** A socket under test, whose events become signals. */
class Client {
 public:
  Client(const std::string &url, const std::string &ca_file, Time timeout = 60s,
         std::size_t max_payload = 65536) {
    loop_.call([&] {
      std::string error;
      GTlsDatabase *trust = ca_file.empty() ? nullptr : load_trust(ca_file, error);
      WebSocket::Events events;
      events.opened = [this] { signals.add("opened"); };
      events.text = [this](std::string_view text) { signals.add("text " + std::string(text)); };
      events.binary = [this](ByteView bytes) {
        signals.add("binary " + std::to_string(bytes.size()));
        if (drop_on_binary) socket.reset();
      };
      events.failed = [this](const ConnectFailure &failure) {
        why = failure.text;
        status = failure.http_status;
        signals.add(std::string("failed ") + name_of_kind(failure.kind));
      };
      events.closed = [this](CloseCode code, std::string_view reason) {
        signals.add("closed " + (code ? std::to_string(*code) : "none") + " " +
                    std::string(reason));
      };
      WebSocketOptions options{url, trust, max_payload, timeout};
      socket = std::make_unique<WebSocket>(loop_, options, std::move(events));
      if (trust != nullptr) g_object_unref(trust);
    });
  }
  ~Client() {
    loop_.call([this] { socket.reset(); });
  }
  void say(std::string_view text) {
    loop_.call([&] { socket->send_text(text); });
  }
  void send(ByteView bytes) {
    loop_.call([&] { socket->send_binary(bytes); });
  }
  void close(std::uint16_t code, Time limit) {
    loop_.call(
        [&] { WebSocket::close(std::move(socket), code, limit, [this] { signals.add("left"); }); });
  }

  Signals signals;
  std::string why;
  int status = 0;
  std::unique_ptr<WebSocket> socket;
  std::atomic<bool> drop_on_binary{false};

 private:
  NetLoop loop_;
};

}  // namespace

TEST_CASE("text stays text and binary stays binary") {
  Peer peer(CertificateKind::good);
  Client client(peer.url(), peer.ca_file());
  REQUIRE(client.signals.first() == "opened");
  client.say("{\"op\":1}");
  CHECK(client.signals.wait("text {\"op\":1}"));
  const Bytes payload(40000, 7);
  client.send(payload);
  CHECK(client.signals.wait("binary 40000"));
}

TEST_CASE("a close code of the server is told with its reason") {
  Peer peer(CertificateKind::good);
  Client client(peer.url(), peer.ca_file());
  REQUIRE(client.signals.first() == "opened");
  client.say("close");
  CHECK(client.signals.wait("closed 4006 session over"));
}

TEST_CASE("a cut connection has no close code") {
  Peer peer(CertificateKind::good);
  Client client(peer.url(), peer.ca_file());
  REQUIRE(client.signals.first() == "opened");
  client.say("cut");
  CHECK(client.signals.wait("closed none "));
}

TEST_CASE("a message beyond the limit ends the connection") {
  Peer peer(CertificateKind::good);
  Client client(peer.url(), peer.ca_file());
  REQUIRE(client.signals.first() == "opened");
  client.say("big");
  CHECK(client.signals.wait("closed none "));
}

TEST_CASE("goodbye tells the code and is answered") {
  Peer peer(CertificateKind::good);
  Client client(peer.url(), peer.ca_file());
  REQUIRE(client.signals.first() == "opened");
  client.close(1000, 60s);
  CHECK(client.signals.wait("left"));
  CHECK(peer.signals.wait("closed 1000"));
  CHECK(client.signals.all() == std::vector<std::string>{"opened", "left"});
}

TEST_CASE("what was queued before the goodbye still leaves") {
  Peer peer(CertificateKind::good);
  Client client(peer.url(), peer.ca_file());
  REQUIRE(client.signals.first() == "opened");
  client.say("last words");
  client.close(1000, 60s);
  CHECK(peer.signals.wait("text last words"));
  CHECK(client.signals.wait("left"));
}

TEST_CASE("goodbye in the middle of connecting returns at once") {
  Peer peer(CertificateKind::good);
  Client client(peer.url(), peer.ca_file());
  client.close(1000, 3600s);
  CHECK(client.signals.wait("left"));
}

TEST_CASE("a socket may be destroyed in its own callback") {
  Peer peer(CertificateKind::good);
  Client client(peer.url(), peer.ca_file());
  REQUIRE(client.signals.first() == "opened");
  client.drop_on_binary = true;
  const Bytes payload(3, 1);
  client.send(payload);
  CHECK(client.signals.wait("binary 3"));
  CHECK(peer.signals.wait("closed 0"));
}

TEST_CASE("bad certificates are refused before anything is sent") {
  struct Case {
    CertificateKind kind;
    const char *text;
  };
  const Case cases[] = {
      {CertificateKind::expired, "expired"},
      {CertificateKind::not_yet_valid, "not valid yet"},
      {CertificateKind::wrong_host, "another host name"},
      {CertificateKind::self_signed, "trusted authority"},
      {CertificateKind::unknown_ca, "trusted authority"},
      {CertificateKind::weak, "weak"},
  };
  for (const Case &c : cases) {
    CAPTURE(std::string(c.text));
    Peer peer(c.kind);
    Client client(peer.url(), peer.ca_file());
    CHECK(client.signals.first() == "failed tls");
    CAPTURE(client.why);
    CHECK(client.why.find(c.text) != std::string::npos);
    CHECK(peer.requests() == 0);
  }
}

TEST_CASE("without ca-file a private authority is not trusted") {
  Peer peer(CertificateKind::good);
  Client client(peer.url(), "");
  CHECK(client.signals.first() == "failed tls");
  CHECK(peer.requests() == 0);
}

TEST_CASE("failures to connect are told apart") {
  Peer peer(CertificateKind::good);
  SUBCASE("no WebSocket there") {
    Client client(peer.url("/elsewhere"), peer.ca_file());
    CHECK(client.signals.first() == "failed http-status");
    CHECK(client.status >= 400);
  }
  SUBCASE("no such host") {
    Client client("wss://no-such-host.invalid/", "");
    CHECK(client.signals.first() == "failed dns");
  }
  SUBCASE("no TLS") {
    Client client("ws://localhost:1/", "");
    CHECK(client.signals.first() == "failed other");
  }
  SUBCASE("nobody listens, or listens and says nothing") {
    const int silent = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(bind(silent, reinterpret_cast<sockaddr *>(&address), sizeof address) == 0);
    socklen_t size = sizeof address;
    getsockname(silent, reinterpret_cast<sockaddr *>(&address), &size);
    const std::string url = "wss://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/";
    {
      Client client(url, "");
      CHECK(client.signals.first() == "failed refused");
    }
    REQUIRE(listen(silent, 4) == 0);
    Client client(url, "", 200ms);
    CHECK(client.signals.first() == "failed timeout");
    close(silent);
  }
}

}  // namespace dv::voice
