// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <map>
#include <utility>

#include "tests/server/loop.hpp"

namespace dv::server {

/**
 * Stands between clients and a media port as a home router does: each client's datagrams leave from
 * a socket of its own, and only what is sent to that finds back. Belongs to the loop's thread.
 */
class Nat {
 public:
  Nat(Loop &loop, std::uint16_t server_port) : loop_(loop), server_port_(server_port) {}
  ~Nat();
  Nat(const Nat &) = delete;
  Nat &operator=(const Nat &) = delete;
  bool open();
  /** What clients send to. */
  std::uint16_t port() const { return port_; }
  /** All mappings are forgotten. */
  void rebind();

 private:
  struct Outside {
    int socket = -1;
    Loop::TimerId source = 0;
  };
  void outbound();
  void inbound(int outside, const sockaddr_in &client);
  Outside *mapping(const sockaddr_in &client);

  Loop &loop_;
  std::uint16_t server_port_;
  std::uint16_t port_ = 0;
  int inside_ = -1;
  Loop::TimerId source_ = 0;
  std::map<std::pair<std::uint32_t, std::uint16_t>, Outside> outside_;  // by the client's address
};

}  // namespace dv::server
