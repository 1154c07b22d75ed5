// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <map>
#include <memory>
#include <random>

#include "tests/server/event_log.hpp"
#include "tests/server/loop.hpp"
#include "tests/server/main_gateway.hpp"
#include "tests/server/options.hpp"
#include "tests/server/server.hpp"
#include "tests/server/truth.hpp"
#include "tests/server/voice_gateway.hpp"
#include "tests/server/world.hpp"

namespace dv::server {

class Call;

/** What the parts of the server share. Everything but `events` belongs to the loop's thread. */
class Core {
 public:
  Core(const ServerConfig &config, Certificates certificates);
  ~Core();

  ServerConfig config;
  Certificates certificates;
  Options options;
  EventLog events;
  Counters counters;
  World world;
  Truth truth;
  Loop loop;
  MainGateway main;
  VoiceGateway voice;

  Call &call(GuildId guild, ChannelId channel);
  std::map<std::pair<GuildId, ChannelId>, std::unique_ptr<Call>> &calls() { return calls_; }

  /** A user's voice state becomes `state` (channel 0: has left) and everybody is told. */
  void set_voice_state(GuildId guild, const VoiceState &state);
  /** Of a real client: voice state, then credentials for the voice gateway, or the other way round.
   */
  void join(GuildId guild, const VoiceState &state);
  /** `endpoint` empty: null, the voice server is gone. */
  void send_server_update(GuildId guild, UserId user, const std::string &token,
                          const std::string &endpoint);
  /** The client is out: state null, voice socket closed with `code` (0: left alone). */
  void leave(GuildId guild, UserId user, int code);

  UserId add_user(const std::string &name, bool bot);
  std::string random_hex(std::size_t bytes);
  std::uint32_t random32() { return static_cast<std::uint32_t>(random_()); }

 private:
  std::mt19937_64 random_{std::random_device{}()};
  std::map<std::pair<GuildId, ChannelId>, std::unique_ptr<Call>> calls_;
};

}  // namespace dv::server
