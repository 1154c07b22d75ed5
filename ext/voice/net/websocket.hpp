// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gio/gio.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "ext/voice/core/types.hpp"
#include "ext/voice/net/loop.hpp"
#include "ext/wire/bytes.hpp"

namespace dv::voice {

struct WebSocketOptions {
  std::string url;                        ///< wss only
  GTlsDatabase *trust = nullptr;          ///< instead of the system's authorities; borrowed
  std::size_t max_payload = 1024 * 1024;  ///< bytes of one frame
  Time connect_timeout = 20s;
};

/**
 * One client connection over TLS; made, used and destroyed on the loop. The certificate is always
 * verified, before the first byte of HTTP leaves, and there is no way to switch that off.
 *
 * Exactly one of `failed` and `closed` is called, at most once, and nothing after it. Every
 * callback may destroy the socket. Destroying it drops the connection without a farewell.
 */
class WebSocket {
 public:
  struct Events {
    std::function<void()> opened;
    std::function<void(std::string_view)> text;
    std::function<void(ByteView)> binary;
    std::function<void(const ConnectFailure &)> failed;
    /** No code when the connection was cut without a close frame. */
    std::function<void(CloseCode code, std::string_view reason)> closed;
  };

  WebSocket(NetLoop &loop, const WebSocketOptions &options, Events events);
  ~WebSocket();
  WebSocket(const WebSocket &) = delete;
  WebSocket &operator=(const WebSocket &) = delete;

  bool is_open() const;
  void send_text(std::string_view text);
  void send_binary(ByteView bytes);

  /**
   * Says goodbye with `code`, lets what was queued leave, and drops the connection at the latest
   * after `limit`. No further event is delivered; `done` is called on the loop, never inside this
   * call.
   */
  static void close(std::unique_ptr<WebSocket> socket, std::uint16_t code, Time limit,
                    std::function<void()> done = {});

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace dv::voice
