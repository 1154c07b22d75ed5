// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "tests/server/voice_gateway.hpp"

namespace dv::server {

/** One websocket on a voice server; belongs to a session once it has identified or resumed. */
struct VoiceGateway::Client {
  std::shared_ptr<WsConnection> connection;
  VoiceNode *node = nullptr;
  VoiceSession *session = nullptr;
};

}  // namespace dv::server
