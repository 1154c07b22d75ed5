// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ext/crypto/secret.hpp"
#include "ext/wire/ids.hpp"

// Only for the .cpp files of this folder: the header behind it is expensive to compile.

namespace dv::voice {

using Json = nlohmann::json;

struct JsonLimits {
  std::size_t bytes = 16u << 20;  ///< GUILD_CREATE of a big guild is megabytes
  std::size_t depth = 48;
  std::size_t values = 2'000'000;  ///< bounds the memory that the tree takes, at some 32 bytes each
};
inline constexpr JsonLimits kMainLimits{};
inline constexpr JsonLimits kVoiceLimits{1u << 20, 32, 200'000};
inline constexpr JsonLimits kHandOverLimits{16u << 10, 8, 256};

/**
 * Parses what passes the limits, which are checked first on the bare text, so that neither the
 * parser's stack nor its memory depends on the sender. Nothing for anything else; never throws.
 */
std::optional<Json> parse_json(std::string_view text, const JsonLimits &limits);

/** The member, or nullptr where `object` is none or has no such member. */
const Json *find(const Json &object, const char *key);
Json *find(Json &object, const char *key);

// Readers of one value. Nothing where it is absent, null, of another type or out of range. Integers
// and snowflakes may come as numbers or decimal strings; fractions and signs are refused.
std::optional<std::uint64_t> read_uint(const Json *value, std::uint64_t max = UINT64_MAX);
std::optional<std::string_view> read_text(const Json *value, std::size_t max_bytes = 4096);
std::optional<bool> read_bool(const Json *value);
/** A positive count of milliseconds, possibly fractional, up to a day. */
std::optional<Time> read_milliseconds(const Json *value);

/** A string that is a credential: it is overwritten in the tree. At most 1 KiB, not empty. */
std::optional<Secret> take_secret(Json *value);
/** Exactly 32 integers in 0..255; they are overwritten in the tree. */
std::optional<Secret> take_key(Json *value);

inline std::optional<std::uint64_t> read_id(const Json &object, const char *key) {
  return read_uint(find(object, key));
}
inline bool read_flag(const Json &object, const char *key) {
  return read_bool(find(object, key)).value_or(false);
}
inline bool is_null(const Json *value) { return value == nullptr || value->is_null(); }
/** The ids in an array; what is no id is left out. At most `max` of them. */
std::vector<std::uint64_t> read_ids(const Json *array, std::size_t max);

}  // namespace dv::voice
