// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/server/media_port.hpp"

#include <arpa/inet.h>
#include <unistd.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "tests/server/call.hpp"
#include "tests/server/core.hpp"
#include "tests/server/udp_socket.hpp"

namespace dv::server {

namespace {
constexpr int kPerWakeup = 256;
constexpr std::uint32_t kPing = 0x1337cafe;
constexpr std::uint32_t kPong = 0x1337f00d;
constexpr std::size_t kDiscoverySize = 74;
constexpr std::size_t kAddressAt = 8;
constexpr std::size_t kPortAt = 72;
}  // namespace

MediaPort::~MediaPort() {
  if (source_ != 0) core_.loop.cancel(source_);
  if (socket_ >= 0) ::close(socket_);
}

bool MediaPort::open() {
  socket_ = open_udp_socket();
  if (socket_ < 0) return false;
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  if (bind(socket_, reinterpret_cast<sockaddr *>(&address), size) != 0) return false;
  getsockname(socket_, reinterpret_cast<sockaddr *>(&address), &size);
  port_ = ntohs(address.sin_port);
  source_ = core_.loop.on_readable(socket_, [this] { readable(); });
  return true;
}

void MediaPort::readable() {
  std::uint8_t buffer[4096];
  for (int n = 0; n < kPerWakeup; n++) {
    sockaddr_in from{};
    socklen_t size = sizeof from;
    const ssize_t got =
        recvfrom(socket_, buffer, sizeof buffer, 0, reinterpret_cast<sockaddr *>(&from), &size);
    if (got < 0) return;
    core_.counters.datagrams_in++;
    if (core_.options.udp) datagram({buffer, static_cast<std::size_t>(got)}, from);
  }
}

void MediaPort::datagram(ByteView data, const sockaddr_in &from) {
  if (data.size() == kDiscoverySize && load_be16(data.data()) == 1) return discovery(data, from);
  VoiceSession *session = core_.voice.find_peer(node_, from);
  if (session != nullptr) session->heard_at = Loop::now();
  if (data.size() == 8 && load_be32(data.data()) == kPing) {
    core_.counters.pings++;
    if (!core_.options.ping) return;
    std::uint8_t pong[8];
    std::memcpy(pong, data.data(), sizeof pong);
    store_be32(pong, kPong);
    return reply(pong, from);
  }
  if (session == nullptr || data.size() < 12 || data[0] >> 6 != 2) return;
  const bool rtcp = data[1] >= 192 && data[1] <= 223;
  if (!rtcp) core_.call(session->guild, session->channel).client_rtp(*session, data);
}

void MediaPort::discovery(ByteView data, const sockaddr_in &from) {
  VoiceSession *session = core_.voice.find_ssrc(node_, load_be32(data.data() + 4));
  if (session == nullptr || !core_.options.discovery) return;
  const bool known = session->peer && session->peer->sin_port == from.sin_port &&
                     session->peer->sin_addr.s_addr == from.sin_addr.s_addr;
  if (!session->peer || core_.options.udp_follow) session->peer = from;
  session->heard_at = Loop::now();
  std::uint8_t answer[kDiscoverySize] = {};
  store_be16(answer, 2);
  store_be16(answer + 2, 70);
  store_be32(answer + 4, session->ssrc);
  inet_ntop(AF_INET, &from.sin_addr, reinterpret_cast<char *>(answer + kAddressAt),
            INET_ADDRSTRLEN);
  store_be16(answer + kPortAt, ntohs(from.sin_port));
  reply(answer, from);
  if (known) return;
  core_.events.emit("udp-discovered", {{"user_id", std::to_string(session->user)},
                                       {"guild_id", std::to_string(session->guild)},
                                       {"port", ntohs(from.sin_port)}});
}

void MediaPort::reply(ByteView data, const sockaddr_in &to) {
  sendto(socket_, data.data(), data.size(), 0, reinterpret_cast<const sockaddr *>(&to), sizeof to);
}

bool MediaPort::send(VoiceSession &session, ByteView data) {
  if (!core_.options.udp || !session.peer) return false;
  const Time idle = std::chrono::milliseconds(core_.options.udp_idle_ms);
  if (idle > 0ms && session.heard_at != kNever && Loop::now() - session.heard_at > idle)
    return false;
  const ssize_t sent =
      sendto(socket_, data.data(), data.size(), 0,
             reinterpret_cast<const sockaddr *>(&*session.peer), sizeof *session.peer);
  if (sent != static_cast<ssize_t>(data.size())) return false;
  core_.counters.datagrams_out++;
  session.sent_packets++;
  return true;
}

}  // namespace dv::server
