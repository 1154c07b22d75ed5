// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <netinet/in.h>

#include <cstdint>

#include "ext/wire/bytes.hpp"
#include "tests/server/loop.hpp"

namespace dv::server {

class Core;
struct VoiceNode;
struct VoiceSession;

/** The UDP side of a voice server: discovery, pings, and media of clients in and out. */
class MediaPort {
 public:
  MediaPort(Core &core, VoiceNode &node) : core_(core), node_(node) {}
  ~MediaPort();
  bool open();
  std::uint16_t port() const { return port_; }
  /** To the client's address, if it is known and it may be sent to now. */
  bool send(VoiceSession &session, ByteView datagram);

 private:
  void readable();
  void datagram(ByteView data, const sockaddr_in &from);
  void discovery(ByteView data, const sockaddr_in &from);
  void reply(ByteView data, const sockaddr_in &to);

  Core &core_;
  VoiceNode &node_;
  int socket_ = -1;
  std::uint16_t port_ = 0;
  Loop::TimerId source_ = 0;
};

}  // namespace dv::server
