// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/voice/core/endpoint.hpp"

#include <array>
#include <charconv>

namespace dv::voice {
namespace {

constexpr std::size_t kMaxHost = 253;
constexpr std::size_t kMaxLabel = 63;
constexpr std::size_t kMaxUrl = 1024;
constexpr std::string_view kScheme = "wss://";

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alnum(char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  if (text.empty() || text.size() > 5 || !is_digit(text.front())) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

/** Strict dotted quad without leading zeros, so that no resolver reads it differently. */
std::optional<std::array<std::uint8_t, 4>> parse_ipv4(std::string_view text) {
  std::array<std::uint8_t, 4> quad{};
  for (std::size_t i = 0; i < 4; i++) {
    const std::size_t dot = i < 3 ? text.find('.') : text.size();
    if (dot == std::string_view::npos || dot == 0 || dot > 3) return std::nullopt;
    const std::string_view part = text.substr(0, dot);
    if (part.size() > 1 && part.front() == '0') return std::nullopt;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), quad[i]);
    if (error != std::errc{} || end != part.data() + part.size()) return std::nullopt;
    if (i < 3) text.remove_prefix(dot + 1);
  }
  return quad;
}

/** All labels well formed; the last one starts with a letter, as no IP literal's does. */
bool is_host_name(std::string_view host) {
  if (host.empty() || host.size() > kMaxHost) return false;
  std::size_t dots = 0;
  while (true) {
    const std::size_t dot = host.find('.');
    const std::string_view label = host.substr(0, dot);
    if (label.empty() || label.size() > kMaxLabel) return false;
    if (label.front() == '-' || label.back() == '-') return false;
    for (char c : label) {
      if (!is_alnum(c) && c != '-') return false;
    }
    if (dot == std::string_view::npos) return dots > 0 && !is_digit(label.front());
    host.remove_prefix(dot + 1);
    dots++;
  }
}

bool host_allowed(std::string_view host, bool loopback) {
  return is_loopback_host(host) ? loopback : is_host_name(host);
}

/** `host[:port]` or `[v6]:port`, without judging the host. */
std::optional<HostPort> split_authority(std::string_view text) {
  HostPort result;
  if (!text.empty() && text.front() == '[') {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    result.host = text.substr(1, close - 1);
    text.remove_prefix(close + 1);
    if (text.empty()) return result;
    if (text.front() != ':') return std::nullopt;
  } else {
    const std::size_t colon = text.find(':');
    result.host = text.substr(0, colon);
    if (colon == std::string_view::npos) return result;
    text.remove_prefix(colon);
  }
  const auto port = parse_port(text.substr(1));
  if (!port) return std::nullopt;
  result.port = *port;
  return result;
}

std::string join_authority(const HostPort &address) {
  std::string host = address.host;
  if (host.find(':') != std::string::npos) host = '[' + host + ']';
  return address.port == 443 ? host : host + ':' + std::to_string(address.port);
}

struct SplitUrl {
  HostPort address;
  std::string path;
};

std::optional<SplitUrl> split_url(std::string_view url) {
  if (url.size() > kMaxUrl || !url.starts_with(kScheme)) return std::nullopt;
  for (char c : url) {
    if (c <= ' ' || c > '~') return std::nullopt;
  }
  url.remove_prefix(kScheme.size());
  const std::size_t end = url.find_first_of("/?#");
  auto address = split_authority(url.substr(0, end));
  if (!address) return std::nullopt;
  SplitUrl result{*address, "/"};
  if (end != std::string_view::npos && url[end] == '/') {
    result.path = url.substr(end, url.find_first_of("?#", end) - end);
  }
  return result;
}

std::string with_query(const SplitUrl &url) {
  return std::string(kScheme) + join_authority(url.address) + url.path + "?v=10&encoding=json";
}

}  // namespace

bool is_loopback_host(std::string_view host) {
  if (host == "localhost" || host == "::1") return true;
  const auto quad = parse_ipv4(host);
  return quad && (*quad)[0] == 127;
}

bool is_loopback_url(std::string_view url) {
  const auto parts = split_url(url);
  return parts && is_loopback_host(parts->address.host);
}

std::optional<HostPort> parse_endpoint(std::string_view endpoint, bool loopback) {
  if (endpoint.size() > kMaxHost + 6) return std::nullopt;
  auto address = split_authority(endpoint);
  if (!address || !host_allowed(address->host, loopback)) return std::nullopt;
  // Discord has named the port of plain HTTP for servers that speak TLS on 443 only.
  if (address->port == 80) address->port = 443;
  return address;
}

std::string voice_url(const HostPort &endpoint) {
  return std::string(kScheme) + join_authority(endpoint) + "/?v=8";
}

std::optional<std::string> gateway_url(std::string_view url) {
  const auto parts = split_url(url);
  if (!parts) return std::nullopt;
  const std::string &host = parts->address.host;
  // Who configures the gateway may name any host of his network, by address as well.
  const bool ok = is_loopback_host(host) || is_host_name(host) || parse_ipv4(host) ||
                  is_host_name(host + ".local");
  if (!ok) return std::nullopt;
  return with_query(*parts);
}

std::optional<std::string> resume_url(std::string_view url, bool loopback) {
  const auto parts = split_url(url);
  if (!parts || !host_allowed(parts->address.host, loopback)) return std::nullopt;
  return with_query(*parts);
}

bool is_usable_udp_address(std::string_view ip, bool loopback) {
  if (is_loopback_host(ip)) return loopback && ip != "localhost";
  if (const auto quad = parse_ipv4(ip)) return (*quad)[0] != 0 && (*quad)[0] < 224;
  // IPv6 is not seen in practice; hexadecimal groups are checked again by the socket layer.
  if (ip.size() < 3 || ip.size() > 45 || ip.find(':') == std::string_view::npos) return false;
  for (char c : ip) {
    const bool hex = is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    if (!hex && c != ':' && c != '.') return false;
  }
  return ip != "::" && !ip.starts_with("ff") && !ip.starts_with("FF") && !ip.starts_with("::");
}

}  // namespace dv::voice
