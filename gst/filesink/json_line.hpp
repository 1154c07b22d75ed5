// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ext/wire/ids.hpp"

namespace dv {

/** One JSON object on one line, field by field. Strings become valid UTF-8 and are escaped. */
class JsonLine {
 public:
  explicit JsonLine(std::string_view type) { text("type", type); }
  JsonLine &text(std::string_view key, std::string_view value);
  JsonLine &number(std::string_view key, std::uint64_t value);
  /** With two decimals. */
  JsonLine &decimal(std::string_view key, double value);
  JsonLine &flag(std::string_view key, bool value);
  /** Snowflakes are strings: they do not fit into the numbers of JavaScript. */
  JsonLine &id(std::string_view key, std::uint64_t value);
  /** In seconds, with microseconds. */
  JsonLine &seconds(std::string_view key, Time value);
  /** With closing brace and line feed. */
  std::string str() const { return out_ + "}\n"; }

 private:
  JsonLine &raw(std::string_view key, std::string_view value);
  std::string out_ = "{";
};

/** Quoted and escaped. Line separators and what HTML could take for a tag are escaped, too. */
std::string json_string(std::string_view text);

}  // namespace dv
