// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "ext/wire/bytes.hpp"

namespace dv::server {

/** Null if the text is no JSON. */
nlohmann::json parse_json(std::string_view text);

// Fields of an object, forgiving: a default where the field is missing or of another type.
std::string text_of(const nlohmann::json &object, const char *key);
bool bool_of(const nlohmann::json &object, const char *key, bool fallback = false);
std::optional<std::int64_t> number_of(const nlohmann::json &object, const char *key);
/** A snowflake, as text or number; 0 if there is none. */
std::uint64_t id_of(const nlohmann::json &object, const char *key);
std::uint64_t id_value(const nlohmann::json &value);

std::string hex(ByteView bytes);
std::optional<Bytes> unhex(std::string_view text);

}  // namespace dv::server
