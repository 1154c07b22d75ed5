// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ext/crypto/secret.hpp"

namespace dv::voice {

/**
 * Builds a JSON text of known shape. It reserves its whole space first and wipes it, so that a
 * credential is nowhere left behind in memory that was grown and freed.
 */
class TextWriter {
 public:
  explicit TextWriter(std::size_t capacity = 8192) { out_.reserve(capacity); }
  ~TextWriter() { wipe_bytes(out_); }
  TextWriter(const TextWriter &) = delete;
  TextWriter &operator=(const TextWriter &) = delete;

  TextWriter &raw(std::string_view text) {
    append(text);
    return *this;
  }
  /** Quoted and escaped. */
  TextWriter &text(std::string_view value) {
    append("\"");
    for (char c : value) escape(c);
    append("\"");
    return *this;
  }
  TextWriter &number(std::uint64_t value) {
    append(std::to_string(value));
    return *this;
  }
  TextWriter &signed_number(std::int64_t value) {
    append(std::to_string(value));
    return *this;
  }
  /** Snowflakes go out as decimal strings. */
  TextWriter &id(std::uint64_t value) { return raw("\"").number(value).raw("\""); }
  TextWriter &flag(bool value) { return raw(value ? "true" : "false"); }

  Secret secret() const { return Secret(out_); }
  std::string plain() const { return {reinterpret_cast<const char *>(out_.data()), out_.size()}; }

 private:
  void append(std::string_view text);
  void escape(char c);

  Bytes out_;
};

}  // namespace dv::voice
