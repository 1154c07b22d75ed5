// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "tests/server/room.hpp"

namespace dv::server {

/** A virtual speaker's side of the encryption. */
struct Room::Virtual {
  explicit Virtual(dave::SessionConfig config) : session(std::move(config)) {}

  dave::Session session;
  dave::FrameEncryptor encryptor;
  bool can_send = false;
  int version = 0;
  std::uint64_t epoch = 0;
  std::map<UserId, dave::FrameDecryptor> senders;
};

struct Room::Member {
  UserId user = 0;
  int dave_version = 1;     ///< 0: knows no encryption
  bool has_sender = false;  ///< op 25 is out
  bool hears = false;       ///< a transition it is part of was executed
  bool again = false;       ///< must be removed before it is added
  Bytes key_package;        ///< newest, empty once it is used up
  mls::Hash ref{};
  std::unique_ptr<Virtual> speaker;  ///< none: a real client
};

}  // namespace dv::server
