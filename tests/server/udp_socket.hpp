// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>

namespace dv::server {

/** -1 without one. With room for bursts: only faults that were asked for lose anything. */
inline int open_udp_socket() {
  const int buffer = 8 << 20;
  const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket < 0) return socket;
  setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
  setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
  return socket;
}

inline sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{.sin_family = AF_INET};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

}  // namespace dv::server
