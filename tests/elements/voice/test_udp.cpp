// SPDX-License-Identifier: LGPL-2.1-or-later
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>
#include <vector>

#include "ext/voice/net/udp.hpp"

namespace dv::voice {
namespace {

/** The far end: a plain socket. */
struct FarEnd {
  FarEnd() : fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(bind(fd, reinterpret_cast<sockaddr *>(&address), sizeof address) == 0);
    socklen_t size = sizeof address;
    getsockname(fd, reinterpret_cast<sockaddr *>(&address), &size);
  }
  ~FarEnd() { close(fd); }
  std::uint16_t port() const { return ntohs(address.sin_port); }
  /** Waits for a datagram and remembers who sent it. */
  std::string meet() {
    char text[64];
    socklen_t size = sizeof client;
    const ssize_t n =
        recvfrom(fd, text, sizeof text, 0, reinterpret_cast<sockaddr *>(&client), &size);
    return {text, n > 0 ? static_cast<std::size_t>(n) : 0};
  }
  void send(const std::string &text) {
    REQUIRE(sendto(fd, text.data(), text.size(), 0, reinterpret_cast<sockaddr *>(&client),
                   sizeof client) == static_cast<ssize_t>(text.size()));
  }
  int fd;
  sockaddr_in address{};
  sockaddr_in client{};
};

struct Got {
  std::string text;
  Time age;
  bool truncated;
};

struct Received {
  std::mutex mutex;
  std::condition_variable more;
  std::vector<Got> got;

  UdpSocket::Receiver receiver() {
    return [this](std::span<const Datagram> datagrams) {
      std::lock_guard lock(mutex);
      for (const Datagram &d : datagrams) {
        got.push_back({{d.data.begin(), d.data.end()}, d.age, d.truncated});
      }
      more.notify_all();
    };
  }
  bool wait(std::size_t count) {
    std::unique_lock lock(mutex);
    return more.wait_for(lock, std::chrono::seconds(60), [&] { return got.size() >= count; });
  }
};

std::unique_ptr<UdpSocket> open_to(std::uint16_t port, Received &received,
                                   const std::shared_ptr<UdpSocket::Counters> &counters) {
  std::string error;
  auto udp = UdpSocket::open("127.0.0.1", port, 1 << 20, received.receiver(), counters, error);
  CAPTURE(error);
  REQUIRE(udp);
  return udp;
}

}  // namespace

TEST_CASE("datagrams come in order, whole, and with the age that the kernel tells") {
  FarEnd far;
  Received received;
  auto counters = std::make_shared<UdpSocket::Counters>();
  auto udp = open_to(far.port(), received, counters);
  udp->send(view("hello"));
  REQUIRE(far.meet() == "hello");
  for (int i = 0; i < 200; ++i) far.send("datagram " + std::to_string(i));
  REQUIRE(received.wait(200));
  for (int i = 0; i < 200; ++i) {
    CHECK(received.got[static_cast<std::size_t>(i)].text == "datagram " + std::to_string(i));
    CHECK(received.got[static_cast<std::size_t>(i)].age >= Time{0});
  }
  CHECK(counters->buffer_size > 0);
}

TEST_CASE("a datagram that is too long says so") {
  FarEnd far;
  Received received;
  auto udp = open_to(far.port(), received, std::make_shared<UdpSocket::Counters>());
  udp->send(view("hello"));
  far.meet();
  far.send(std::string(kMaxDatagram, 'a'));
  far.send(std::string(kMaxDatagram + 1, 'b'));
  REQUIRE(received.wait(2));
  CHECK_FALSE(received.got[0].truncated);
  CHECK(received.got[1].truncated);
}

TEST_CASE("datagrams of others than the connected peer are not received") {
  FarEnd far, stranger;
  Received received;
  auto udp = open_to(far.port(), received, std::make_shared<UdpSocket::Counters>());
  udp->send(view("hello"));
  far.meet();
  stranger.client = far.client;
  stranger.send("forged");
  far.send("real");
  REQUIRE(received.wait(1));
  CHECK(received.got[0].text == "real");
}

TEST_CASE("an unreachable peer costs errors, not the socket") {
  auto far = std::make_unique<FarEnd>();
  const std::uint16_t port = far->port();
  Received received;
  auto counters = std::make_shared<UdpSocket::Counters>();
  auto udp = open_to(port, received, counters);
  udp->send(view("hello"));
  far->meet();
  const sockaddr_in client = far->client;
  const sockaddr_in address = far->address;
  far.reset();
  for (int i = 0; i < 5; ++i) udp->send(view("into the void"));
  FarEnd back;
  close(back.fd);
  back.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  REQUIRE(bind(back.fd, reinterpret_cast<const sockaddr *>(&address), sizeof address) == 0);
  back.client = client;
  back.send("again");
  REQUIRE(received.wait(1));
  CHECK(received.got[0].text == "again");
  CHECK(counters->errors > 0);
}

TEST_CASE("an address that is no IP literal is refused") {
  Received received;
  std::string error;
  CHECK_FALSE(UdpSocket::open("localhost", 1, 0, received.receiver(),
                              std::make_shared<UdpSocket::Counters>(), error));
  CHECK(error == "not an IP address");
}

}  // namespace dv::voice
