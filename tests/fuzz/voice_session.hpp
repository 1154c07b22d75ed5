// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>

#include "ext/voice/core/voice_connection.hpp"
#include "ext/wire/udp_control.hpp"

namespace dv::voice {

/** A connection in the middle of a voice session. */
inline std::unique_ptr<VoiceConnection> running_session(std::uint16_t dave_version) {
  VoiceConfig config;
  config.guild = 7;
  config.channel = 8;
  config.max_dave_version = dave_version;
  auto voice = std::make_unique<VoiceConnection>(std::move(config), [] { return 0.5; });
  voice->start(0s);
  voice->on_guild_event(GuildReady{5, true, true}, 0s);
  OwnVoiceState state;
  state.session_id = Secret::from_text("s");
  state.channel = 8;
  voice->on_guild_event(std::move(state), 0s);
  voice->on_guild_event(VoiceServer{Secret::from_text("t"), "a.discord.media"}, 0s);
  voice->on_voice_open(0s);
  voice->on_voice_text(R"({"op":8,"d":{"heartbeat_interval":13750}})", 0s);
  voice->on_voice_text(
      R"({"op":2,"d":{"ssrc":9,"ip":"203.0.113.7","port":5,"modes":["aead_aes256_gcm_rtpsize"]}})",
      0s);
  voice->on_udp_open(0s);
  voice->on_udp_control(encode_discovery_response({9, "198.51.100.9", 40000}), 0s);
  std::string key = "1";
  for (int i = 1; i < 32; i++) key += ",1";
  voice->on_voice_text(R"({"op":4,"d":{"mode":"aead_aes256_gcm_rtpsize","secret_key":[)" + key +
                           R"(],"dave_protocol_version":)" + std::to_string(dave_version) + "}}",
                       0s);
  voice->take_actions();
  return voice;
}

}  // namespace dv::voice
