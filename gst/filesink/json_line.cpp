// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/filesink/json_line.hpp"

#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "gst/filesink/naming.hpp"

namespace dv {

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (const char raw : valid_utf8(text)) {
    const auto c = static_cast<unsigned char>(raw);
    if (c == '"' || c == '\\') {
      out += {'\\', raw};
    } else if (c < 0x20 || c == 0x7f || c == '<' || c == '>' || c == '&') {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", c);
      out += escaped;
    } else {
      out += raw;
    }
  }
  return out + "\"";
}

JsonLine &JsonLine::raw(std::string_view key, std::string_view value) {
  if (out_.size() > 1) out_ += ',';
  out_ += json_string(key);
  out_ += ':';
  out_ += value;
  return *this;
}

JsonLine &JsonLine::text(std::string_view key, std::string_view value) {
  return raw(key, json_string(value));
}

JsonLine &JsonLine::number(std::string_view key, std::uint64_t value) {
  return raw(key, std::to_string(value));
}

JsonLine &JsonLine::decimal(std::string_view key, double value) {
  const long long hundredths = std::llround(value * 100);
  const long long size = std::llabs(hundredths);
  char text[48];
  std::snprintf(text, sizeof text, "%s%lld.%02lld", hundredths < 0 ? "-" : "", size / 100,
                size % 100);
  return raw(key, text);
}

JsonLine &JsonLine::flag(std::string_view key, bool value) {
  return raw(key, value ? "true" : "false");
}

JsonLine &JsonLine::id(std::string_view key, std::uint64_t value) {
  return raw(key, "\"" + std::to_string(value) + "\"");
}

JsonLine &JsonLine::seconds(std::string_view key, Time value) {
  // Not printf("%f"): its decimal point depends on the locale of the application.
  const std::int64_t us = value.count() / 1000;
  char text[48];
  std::snprintf(text, sizeof text, "%s%lld.%06lld", us < 0 ? "-" : "",
                static_cast<long long>((us < 0 ? -us : us) / 1000000),
                static_cast<long long>((us < 0 ? -us : us) % 1000000));
  return raw(key, text);
}

}  // namespace dv
