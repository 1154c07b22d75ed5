// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/server/nat.hpp"

#include <unistd.h>

#include "tests/server/udp_socket.hpp"

namespace dv::server {

namespace {

constexpr std::size_t kMaxDatagram = 4096;
}  // namespace

Nat::~Nat() {
  rebind();
  if (source_ != 0) loop_.cancel(source_);
  if (inside_ >= 0) ::close(inside_);
}

bool Nat::open() {
  inside_ = open_udp_socket();
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
  Outside outside{.socket = open_udp_socket()};
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
