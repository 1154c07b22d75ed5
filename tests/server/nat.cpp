// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/server/nat.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

namespace dv::server {

namespace {

constexpr int kBuffer = 8 << 20;
constexpr std::size_t kMaxDatagram = 4096;

int open_socket() {
  const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket < 0) return socket;
  setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &kBuffer, sizeof kBuffer);
  setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &kBuffer, sizeof kBuffer);
  return socket;
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{.sin_family = AF_INET};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

}  // namespace

Nat::~Nat() {
  rebind();
  if (source_ != 0) loop_.cancel(source_);
  if (inside_ >= 0) ::close(inside_);
}

bool Nat::open() {
  inside_ = open_socket();
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  if (inside_ < 0 || bind(inside_, reinterpret_cast<sockaddr *>(&address), size) != 0) return false;
  getsockname(inside_, reinterpret_cast<sockaddr *>(&address), &size);
  port_ = ntohs(address.sin_port);
  source_ = loop_.on_readable(inside_, [this] { outbound(); });
  return true;
}

void Nat::rebind() {
  for (const auto &[client, outside] : outside_) {
    loop_.cancel(outside.source);
    ::close(outside.socket);
  }
  outside_.clear();
}

Nat::Outside *Nat::mapping(const sockaddr_in &client) {
  const auto [it, made] = outside_.try_emplace({client.sin_addr.s_addr, client.sin_port});
  if (!made) return &it->second;
  Outside outside{.socket = open_socket()};
  const sockaddr_in server = loopback(server_port_);
  if (outside.socket < 0 ||
      connect(outside.socket, reinterpret_cast<const sockaddr *>(&server), sizeof server) != 0) {
    outside_.erase(it);
    return nullptr;
  }
  outside.source = loop_.on_readable(
      outside.socket, [this, socket = outside.socket, client] { inbound(socket, client); });
  it->second = outside;
  return &it->second;
}

void Nat::outbound() {
  std::uint8_t buffer[kMaxDatagram];
  for (;;) {
    sockaddr_in from{};
    socklen_t size = sizeof from;
    const ssize_t got =
        recvfrom(inside_, buffer, sizeof buffer, 0, reinterpret_cast<sockaddr *>(&from), &size);
    if (got < 0) return;
    const Outside *outside = mapping(from);
    if (outside != nullptr) send(outside->socket, buffer, static_cast<std::size_t>(got), 0);
  }
}

void Nat::inbound(int outside, const sockaddr_in &client) {
  std::uint8_t buffer[kMaxDatagram];
  for (;;) {
    const ssize_t got = recv(outside, buffer, sizeof buffer, 0);
    if (got < 0) return;
    sendto(inside_, buffer, static_cast<std::size_t>(got), 0,
           reinterpret_cast<const sockaddr *>(&client), sizeof client);
  }
}

}  // namespace dv::server
