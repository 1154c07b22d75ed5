// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/voice/core/json.hpp"

#include <charconv>
#include <cmath>

namespace dv::voice {
namespace {

constexpr std::size_t kMaxSecretBytes = 1024;
constexpr std::size_t kKeyBytes = 32;

/** Index just behind the string that starts at `at`, or the end of the text. */
std::size_t skip_string(std::string_view text, std::size_t at) {
  for (std::size_t i = at + 1; i < text.size(); i++) {
    if (text[i] == '\\') {
      i++;
    } else if (text[i] == '"') {
      return i + 1;
    }
  }
  return text.size();
}

bool within_limits(std::string_view text, const JsonLimits &limits) {
  if (text.size() > limits.bytes) return false;
  std::size_t depth = 0;
  std::size_t values = 1;
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (c == '"') {
      i = skip_string(text, i);
      continue;
    }
    if (c == '[' || c == '{') {
      if (++depth > limits.depth) return false;
      values++;
    } else if (c == ']' || c == '}') {
      if (depth == 0) return false;
      depth--;
    } else if (c == ',') {
      values++;
    }
    if (values > limits.values) return false;
    i++;
  }
  return depth == 0;
}

std::optional<std::uint64_t> parse_decimal(std::string_view text) {
  std::uint64_t value = 0;
  if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::optional<Json> parse_json(std::string_view text, const JsonLimits &limits) {
  if (!within_limits(text, limits)) return std::nullopt;
  try {
    Json tree = Json::parse(text.begin(), text.end(), nullptr, false);
    if (tree.is_discarded()) return std::nullopt;
    return tree;
  } catch (...) {
    // Out of memory, or a fault of the library: the message is refused like any other bad one.
    return std::nullopt;
  }
}

const Json *find(const Json &object, const char *key) {
  if (!object.is_object()) return nullptr;
  const auto it = object.find(key);
  return it == object.end() ? nullptr : &*it;
}

Json *find(Json &object, const char *key) {
  return const_cast<Json *>(find(std::as_const(object), key));
}

std::optional<std::uint64_t> read_uint(const Json *value, std::uint64_t max) {
  std::optional<std::uint64_t> number;
  if (value == nullptr) return number;
  if (value->is_number_unsigned()) {
    number = value->get<std::uint64_t>();
  } else if (value->is_string()) {
    number = parse_decimal(value->get_ref<const std::string &>());
  }
  return number && *number <= max ? number : std::nullopt;
}

std::optional<std::string_view> read_text(const Json *value, std::size_t max_bytes) {
  if (value == nullptr || !value->is_string()) return std::nullopt;
  const auto &text = value->get_ref<const std::string &>();
  if (text.size() > max_bytes) return std::nullopt;
  return std::string_view(text);
}

std::optional<bool> read_bool(const Json *value) {
  if (value == nullptr || !value->is_boolean()) return std::nullopt;
  return value->get<bool>();
}

std::optional<Time> read_milliseconds(const Json *value) {
  if (value == nullptr || !value->is_number()) return std::nullopt;
  const double ms = value->get<double>();
  if (!std::isfinite(ms) || ms < 1 || ms > 86'400'000) return std::nullopt;
  return Time(static_cast<Time::rep>(ms * 1e6));
}

std::optional<Secret> take_secret(Json *value) {
  if (value == nullptr || !value->is_string()) return std::nullopt;
  auto &text = value->get_ref<std::string &>();
  if (text.empty() || text.size() > kMaxSecretBytes) return std::nullopt;
  Secret secret = Secret::from_text(text);
  wipe_memory(text.data(), text.size());
  return secret;
}

std::optional<Secret> take_key(Json *value) {
  if (value == nullptr || !value->is_array() || value->size() != kKeyBytes) return std::nullopt;
  Secret key = Secret::zeros(kKeyBytes);
  for (std::size_t i = 0; i < kKeyBytes; i++) {
    Json &item = (*value)[i];
    if (!item.is_number_unsigned()) return std::nullopt;
    auto &number = item.get_ref<Json::number_unsigned_t &>();
    if (number > 255) return std::nullopt;
    key.writable()[i] = static_cast<std::uint8_t>(number);
    wipe_memory(&number, sizeof(number));
  }
  return key;
}

std::vector<std::uint64_t> read_ids(const Json *array, std::size_t max) {
  std::vector<std::uint64_t> ids;
  if (array == nullptr || !array->is_array()) return ids;
  for (const Json &item : *array) {
    if (ids.size() >= max) break;
    if (const auto id = read_uint(&item); id && *id != 0) ids.push_back(*id);
  }
  return ids;
}

}  // namespace dv::voice
