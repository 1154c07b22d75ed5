// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/voice/core/guild_cache.hpp"

#include <utility>

namespace dv::voice {
namespace {

constexpr std::size_t kMaxGuilds = 10'000;
constexpr std::size_t kMaxChannels = 2'000;

}  // namespace

const GuildCache::Guild *GuildCache::get(GuildId guild) const {
  const auto it = guilds_.find(guild);
  return it == guilds_.end() ? nullptr : &it->second;
}

GuildCache::Guild *GuildCache::get(GuildId guild) {
  return const_cast<Guild *>(std::as_const(*this).get(guild));
}

void GuildCache::expect(const std::vector<GuildId> &guilds) {
  guilds_.clear();
  for (const GuildId id : guilds) {
    if (guilds_.size() < kMaxGuilds) guilds_.try_emplace(id);
  }
}

void GuildCache::put(const main_msg::GuildCreate &guild) {
  if (!listed(guild.guild) && guilds_.size() >= kMaxGuilds) return;
  Guild &entry = guilds_[guild.guild];
  entry.available = !guild.unavailable;
  entry.channels.clear();
  entry.voice.clear();
  for (const auto &channel : guild.channels) put_channel(guild.guild, channel);
  for (const auto &state : guild.voice_states) put_voice(guild.guild, state.user, state.channel);
  for (const auto &member : guild.members) put_member(guild.guild, member);
}

void GuildCache::set_unavailable(GuildId guild) {
  if (Guild *entry = get(guild)) entry->available = false;
}

void GuildCache::put_channel(GuildId guild, const main_msg::Channel &channel) {
  Guild *entry = get(guild);
  if (entry == nullptr || !channel.carries_voice()) return;
  if (entry->channels.size() >= kMaxChannels && entry->channels.count(channel.id) == 0) return;
  entry->channels[channel.id] = channel;
}

void GuildCache::erase_channel(GuildId guild, ChannelId channel) {
  if (Guild *entry = get(guild)) entry->channels.erase(channel);
}

void GuildCache::put_voice(GuildId guild, UserId user, std::optional<ChannelId> channel) {
  Guild *entry = get(guild);
  if (entry == nullptr) return;
  if (!channel) {
    entry->voice.erase(user);
  } else if (entry->voice.size() < kMaxUsers || entry->voice.count(user) != 0) {
    entry->voice[user] = *channel;
  }
}

bool GuildCache::put_member(GuildId guild, const Member &member) {
  Guild *entry = get(guild);
  if (entry == nullptr || member.user == 0) return false;
  const auto it = entry->members.find(member.user);
  if (it == entry->members.end()) {
    if (entry->members.size() >= kMaxUsers) return false;
    entry->members.emplace(member.user, member);
    return true;
  }
  if (it->second.name == member.name && it->second.bot == member.bot) return false;
  it->second = member;
  return true;
}

bool GuildCache::available(GuildId guild) const {
  const Guild *entry = get(guild);
  return entry != nullptr && entry->available;
}

bool GuildCache::has_channel(GuildId guild, ChannelId channel) const {
  const Guild *entry = get(guild);
  return entry != nullptr && entry->channels.count(channel) != 0;
}

ChannelFacts GuildCache::facts(GuildId guild, ChannelId channel) const {
  ChannelFacts facts;
  facts.channel = channel;
  const Guild *entry = get(guild);
  if (entry == nullptr) return facts;
  if (const auto it = entry->channels.find(channel); it != entry->channels.end()) {
    facts.name = it->second.name;
    facts.user_limit = it->second.user_limit;
  }
  for (const auto &[user, where] : entry->voice) {
    if (where == channel) facts.users++;
  }
  return facts;
}

std::vector<Member> GuildCache::members(GuildId guild) const {
  std::vector<Member> all;
  if (const Guild *entry = get(guild)) {
    all.reserve(entry->members.size());
    for (const auto &[user, member] : entry->members) all.push_back(member);
  }
  return all;
}

bool GuildCache::knows_name(GuildId guild, UserId user) const {
  const Guild *entry = get(guild);
  return entry != nullptr && entry->members.count(user) != 0;
}

}  // namespace dv::voice
