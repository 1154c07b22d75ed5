// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/voice/core/guild_events.hpp"
#include "ext/voice/core/json.hpp"

namespace dv::voice {
namespace {

/** False where the field is there and no id. */
bool take_id(const Json &object, const char *key, std::optional<std::uint64_t> &out) {
  const Json *value = find(object, key);
  if (is_null(value)) return true;
  out = read_uint(value);
  return out && *out != 0;
}

bool take_credential(Json &object, const char *key, std::optional<Secret> &out) {
  Json *value = find(object, key);
  if (is_null(value)) return true;
  out = take_secret(value);
  return out.has_value();
}

}  // namespace

std::optional<HandOver> parse_hand_over(std::string_view json) {
  auto tree = parse_json(json, kHandOverLimits);
  if (!tree || !tree->is_object()) return std::nullopt;
  HandOver update;
  if (!take_id(*tree, "guildId", update.guild) || !take_id(*tree, "userId", update.user) ||
      !take_id(*tree, "channelId", update.channel) ||
      !take_credential(*tree, "sessionId", update.session_id) ||
      !take_credential(*tree, "token", update.token)) {
    return std::nullopt;
  }
  update.has_channel = find(*tree, "channelId") != nullptr;
  if (const Json *endpoint = find(*tree, "endpoint")) {
    update.has_endpoint = true;
    if (!endpoint->is_null()) {
      const auto text = read_text(endpoint, 512);
      if (!text) return std::nullopt;
      if (!text->empty()) update.endpoint = std::string(*text);
    }
  }
  return update;
}

}  // namespace dv::voice
