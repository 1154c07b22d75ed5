// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <unordered_map>
#include <vector>

#include "ext/voice/core/guild_events.hpp"
#include "ext/voice/core/main_messages.hpp"

namespace dv::voice {

/**
 * What the main gateway has told about guilds: voice channels, who is where, names. Everything is
 * bounded; beyond the bounds newcomers are left out, which costs them their name only.
 */
class GuildCache {
 public:
  void clear() { guilds_.clear(); }
  /** READY: forgets all guilds but remembers which ones are going to come. */
  void expect(const std::vector<GuildId> &guilds);
  void put(const main_msg::GuildCreate &guild);
  void set_unavailable(GuildId guild);
  void erase(GuildId guild) { guilds_.erase(guild); }
  void put_channel(GuildId guild, const main_msg::Channel &channel);
  void erase_channel(GuildId guild, ChannelId channel);
  void put_voice(GuildId guild, UserId user, std::optional<ChannelId> channel);
  /** True where this tells something new. */
  bool put_member(GuildId guild, const Member &member);

  bool listed(GuildId guild) const { return guilds_.count(guild) != 0; }
  bool available(GuildId guild) const;
  bool has_channel(GuildId guild, ChannelId channel) const;
  ChannelFacts facts(GuildId guild, ChannelId channel) const;
  std::vector<Member> members(GuildId guild) const;
  bool knows_name(GuildId guild, UserId user) const;

 private:
  struct Guild {
    bool available = false;
    std::unordered_map<ChannelId, main_msg::Channel> channels;
    std::unordered_map<UserId, ChannelId> voice;
    std::unordered_map<UserId, Member> members;
  };
  const Guild *get(GuildId guild) const;
  Guild *get(GuildId guild);

  std::unordered_map<GuildId, Guild> guilds_;
};

}  // namespace dv::voice
