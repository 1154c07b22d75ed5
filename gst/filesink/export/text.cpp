// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/filesink/export/text.hpp"

#include <cstdio>

namespace dv::exporter {

std::string seconds_text(Time time) {
  const std::int64_t us = time.count() / 1000;
  char out[48];
  std::snprintf(out, sizeof out, "%lld.%06lld", static_cast<long long>(us / 1000000),
                static_cast<long long>(us % 1000000));
  return out;
}

std::string clock_text(Time time) {
  const auto ms = static_cast<long long>(time.count() / 1000000);
  char out[64];
  std::snprintf(out, sizeof out, "%02lld:%02lld:%02lld.%03lld", ms / 3600000, ms / 60000 % 60,
                ms / 1000 % 60, ms % 1000);
  return out;
}

std::string markup(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '\n':
        out += "&#10;";
        break;
      case '\r':  // else it would be read as a line feed
        out += "&#13;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string csv_field(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += c;
    out += c;
  }
  return out + "\"";
}

std::string one_line(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    out += u < 0x20 || u == 0x7f ? ' ' : c;
  }
  return out;
}

std::string rpp_string(std::string_view text) {
  std::string out = one_line(text);
  for (const char quote : {'"', '\'', '`'}) {
    if (out.find(quote) == std::string::npos) return quote + out + quote;
  }
  for (char &c : out) {
    if (c == '`') c = '\'';
  }
  return '`' + out + '`';
}

bool rpp_exact(std::string_view text) {
  const std::string quoted = rpp_string(text);
  return std::string_view(quoted).substr(1, quoted.size() - 2) == text;
}

std::string url_path(std::string_view path) {
  std::string out = path.starts_with('/') || path.starts_with("../") ? "" : "./";
  // Two slashes at the start would name a host.
  while (path.starts_with("//")) path.remove_prefix(1);
  static constexpr char kHex[] = "0123456789ABCDEF";
  for (const char c : path) {
    const auto u = static_cast<unsigned char>(c);
    const bool plain = (u >= '0' && u <= '9') || (u >= 'a' && u <= 'z') || (u >= 'A' && u <= 'Z') ||
                       c == '/' || c == '.' || c == '-' || c == '_';
    if (plain) {
      out += c;
    } else {
      out += {'%', kHex[u >> 4], kHex[u & 15]};
    }
  }
  return out;
}

}  // namespace dv::exporter
