// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/decrypt/pool/stats_book.hpp"

namespace dv {

bool looks_like_rtcp(ByteView datagram) {
  return datagram.size() >= 8 && datagram[1] >= 192 && datagram[1] <= 223;
}

Ssrc claimed_ssrc(ByteView datagram) {
  if (looks_like_rtcp(datagram)) return load_be32(datagram.data() + 4);
  return datagram.size() >= 12 ? load_be32(datagram.data() + 8) : 0;
}

std::uint64_t StatsBook::received(SessionId session, ByteView datagram) {
  const std::uint32_t i = slot_of(session, claimed_ssrc(datagram));
  ++total_.received;
  ++slots_[i].stream.account.received;
  return std::uint64_t{slots_[i].generation} << 32 | i;
}

void StatsBook::verdict(std::uint64_t tag, Verdict verdict) {
  ++total_[verdict];
  const auto i = static_cast<std::uint32_t>(tag);
  const bool known = i < slots_.size() && slots_[i].used && slots_[i].generation == tag >> 32;
  ++(known ? slots_[i].stream.account : others_)[verdict];
}

void StatsBook::lost(SessionId session, Ssrc ssrc, std::uint64_t lost, std::uint64_t concealed) {
  lost_ += lost;
  concealed_ += concealed;
  if (Stream *s = find(session, ssrc)) {
    s->lost += lost;
    s->concealed += concealed;
  }
}

void StatsBook::user(SessionId session, Ssrc ssrc, UserId user) {
  if (Stream *s = find(session, ssrc)) s->user = user;
}

StatsBook::Stream *StatsBook::find(SessionId session, Ssrc ssrc) {
  const auto it = index_.find(key(session, ssrc));
  return it == index_.end() ? nullptr : &slots_[it->second].stream;
}

std::uint32_t StatsBook::slot_of(SessionId session, Ssrc ssrc) {
  const auto it = index_.find(key(session, ssrc));
  if (it != index_.end()) return it->second;
  if (index_.size() >= kMaxStreams) make_room();
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const std::uint32_t i = free_.back();
  free_.pop_back();
  slots_[i].used = true;
  slots_[i].stream = Stream{session, ssrc, 0, {}, 0, 0};
  index_.emplace(key(session, ssrc), i);
  return i;
}

void StatsBook::make_room() {
  bool any = false;
  const auto fold = [&](Slot &slot) {
    others_.received += slot.stream.account.received;
    for (std::size_t v = 0; v < kVerdicts; ++v) others_.by[v] += slot.stream.account.by[v];
    index_.erase(key(slot.stream.session, slot.stream.ssrc));
    slot.used = false;
    ++slot.generation;
    free_.push_back(static_cast<std::uint32_t>(&slot - slots_.data()));
    any = true;
  };
  for (Slot &slot : slots_) {
    if (slot.used && slot.stream.account[Verdict::delivered] == 0) fold(slot);
  }
  if (any) return;
  // Thousands of real speakers: the quietest one goes.
  Slot *least = nullptr;
  for (Slot &slot : slots_) {
    if (slot.used &&
        (least == nullptr || slot.stream.account.received < least->stream.account.received)) {
      least = &slot;
    }
  }
  if (least != nullptr) fold(*least);
}

std::vector<StatsBook::Stream> StatsBook::streams() const {
  std::vector<Stream> all;
  all.reserve(index_.size());
  for (const Slot &slot : slots_) {
    if (slot.used) all.push_back(slot.stream);
  }
  return all;
}

void StatsBook::clear() { *this = StatsBook(); }

}  // namespace dv
