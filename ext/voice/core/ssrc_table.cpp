// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/voice/core/ssrc_table.hpp"

#include <algorithm>

namespace dv::voice {
namespace {

constexpr std::size_t kMaxEntries = 16384;
/** For what is still on its way: in the network, in queues, waiting for a key. */
constexpr Time kGrace = 2s;

}  // namespace

void SsrcTable::start(Ssrc own) {
  own_ = own;
  entries_.clear();
  audio_.clear();
  next_ = kNever;
}

void SsrcTable::retire(Ssrc ssrc, Time at) {
  const auto it = entries_.find(ssrc);
  if (it == entries_.end()) return;
  it->second.retire_at = std::min(it->second.retire_at, at);
  next_ = std::min(next_, at);
}

void SsrcTable::unlink(Ssrc ssrc, const Entry &entry) {
  const auto it = audio_.find(entry.user);
  if (it != audio_.end() && it->second == ssrc) audio_.erase(it);
}

SsrcTable::Changes SsrcTable::bind_audio(UserId user, Ssrc ssrc, Time now) {
  if (user == 0 || ssrc == 0 || ssrc == own_) return {};
  const auto it = entries_.find(ssrc);
  const bool same =
      it != entries_.end() && it->second.user == user && it->second.kind == StreamKind::audio;
  if (it == entries_.end() && entries_.size() >= kMaxEntries) return {};
  if (it != entries_.end() && !same) unlink(ssrc, it->second);
  const auto before = audio_.find(user);
  if (before != audio_.end() && before->second != ssrc) retire(before->second, now + kGrace);
  audio_[user] = ssrc;
  entries_[ssrc] = Entry{user, StreamKind::audio, kNever};
  if (same) return {};
  return {Change{ssrc, user, StreamKind::audio, true}};
}

SsrcTable::Changes SsrcTable::bind_other(UserId user, Ssrc ssrc, StreamKind kind) {
  if (user == 0 || ssrc == 0 || ssrc == own_ || kind == StreamKind::audio) return {};
  const auto it = entries_.find(ssrc);
  if (it == entries_.end() && entries_.size() >= kMaxEntries) return {};
  if (it != entries_.end()) {
    if (it->second.user == user && it->second.kind == kind) {
      it->second.retire_at = kNever;
      return {};
    }
    unlink(ssrc, it->second);
  }
  entries_[ssrc] = Entry{user, kind, kNever};
  return {Change{ssrc, user, kind, true}};
}

void SsrcTable::retire_user(UserId user, Time now) {
  for (auto &[ssrc, entry] : entries_) {
    if (entry.user == user) retire(ssrc, now + kGrace);
  }
  audio_.erase(user);
}

SsrcTable::Changes SsrcTable::advance(Time now) {
  Changes changes;
  if (now < next_) return changes;
  next_ = kNever;
  for (auto it = entries_.begin(); it != entries_.end();) {
    const Entry &entry = it->second;
    if (entry.retire_at > now) {
      next_ = std::min(next_, entry.retire_at);
      ++it;
      continue;
    }
    changes.push_back(Change{it->first, entry.user, entry.kind, false});
    unlink(it->first, entry);
    it = entries_.erase(it);
  }
  return changes;
}

SsrcTable::Changes SsrcTable::audio() const {
  Changes all;
  for (const auto &[ssrc, entry] : entries_) {
    if (entry.kind == StreamKind::audio) all.push_back({ssrc, entry.user, entry.kind, false});
  }
  return all;
}

Ssrc SsrcTable::audio_ssrc_of(UserId user) const {
  const auto it = audio_.find(user);
  return it == audio_.end() ? 0 : it->second;
}

}  // namespace dv::voice
