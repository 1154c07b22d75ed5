// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace dv::voice {

/** Host and port of a WebSocket, checked. */
struct HostPort {
  std::string host;
  std::uint16_t port = 443;
};

/** "localhost" and addresses of the loopback (127.0.0.0/8, ::1). */
bool is_loopback_host(std::string_view host);
/** Whether the host of a wss URL is on the loopback; false for what is no URL. */
bool is_loopback_url(std::string_view url);

/**
 * Checks what VOICE_SERVER_UPDATE calls an endpoint: `host` or `host:port` out of letters, digits,
 * dots and hyphens; no scheme, path, user, space, IP literal or bare name. `localhost` and
 * addresses of the loopback pass only with `loopback`, i.e. when the gateway itself was configured
 * to be there.
 */
std::optional<HostPort> parse_endpoint(std::string_view endpoint, bool loopback);
/** `wss://host[:port]/?v=8`. */
std::string voice_url(const HostPort &endpoint);

/**
 * The URL to connect to from a configured gateway URL or `resume_gateway_url`: scheme must be wss,
 * the query becomes `?v=10&encoding=json`. Nothing for another scheme, a user part, a bad host or
 * port. A resume URL comes from the network, so it must pass the rules of an endpoint as well.
 */
std::optional<std::string> gateway_url(std::string_view url);
std::optional<std::string> resume_url(std::string_view url, bool loopback);

/** The UDP address from Ready: an IP literal; loopback, private, multicast, unspecified ones are
 * refused unless `loopback`. */
bool is_usable_udp_address(std::string_view ip, bool loopback);

}  // namespace dv::voice
