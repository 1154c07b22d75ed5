// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <deque>
#include <list>
#include <memory>
#include <optional>

#include "ext/chain/decode_stage.hpp"
#include "ext/chain/numbers.hpp"
#include "ext/chain/packet.hpp"
#include "ext/chain/session.hpp"
#include "ext/chain/timer_heap.hpp"
#include "gst/reorder/sequence_rules.hpp"

namespace dv::chain {

using Order = SequenceBuffer<PacketRef>;

/** State of one SSRC of one session. Made when its first packet has verified. */
struct Stream : Timed {
  Stream(Session &of, Ssrc number, const SequenceConfig &rules)
      : session(of), ssrc(number), order(rules) {}

  Session &session;
  const Ssrc ssrc;
  UserId user = 0;
  std::shared_ptr<Sender> sender;  ///< null: the user is not known yet
  SeenRing seen;
  ArrivalNumbers numbers;
  /**
   * Packets that no present key opens, and plain ones that came behind them. Whatever is opened
   * behind one of them settles it, so `order` never sees a hole in the place of one that waits.
   */
  std::deque<PacketRef> waiting;
  /** First number, and highest, that a key has opened, and the time in the latter. */
  std::optional<std::uint16_t> first_opened, newest_opened;
  std::uint32_t newest_opened_time = 0;
  Order order;
  std::optional<DecodeStage> decode;
  std::list<Stream *>::iterator use;  ///< its place among all by last use

  /**
   * Whether no key that is still to come can have sealed it: senders never go back to an old one.
   * Number and time both speak for it, since a number alone may be one of the next user's.
   */
  bool behind_opened(const PacketFacts &packet) const {
    if (!newest_opened) return false;
    const auto ahead = distance16(packet.seq, *newest_opened);
    const auto later = distance32(packet.rtp_time, newest_opened_time);
    return ahead >= 0 && ahead < kSameNumbering && later > -kSameTime && later < kSameTime;
  }
  bool before_first_opened(std::uint16_t seq) const {
    return !first_opened || distance16(seq, *first_opened) > 0;
  }
  void note_opened(const PacketFacts &packet) {
    if (!first_opened) first_opened = packet.seq;
    const auto ahead = newest_opened ? distance16(*newest_opened, packet.seq) : 1;
    if (ahead <= 0 && ahead >= -kSameNumbering) return;
    newest_opened = packet.seq;
    newest_opened_time = packet.rtp_time;
  }
  Time next_due() const {
    const Time keys = waiting.empty() ? kNever : waiting.front()->deadline;
    return std::min(keys, order.next_deadline());
  }

 private:
  static constexpr std::int32_t kSameNumbering = 1000;
  static constexpr std::int32_t kSameTime = 60 * 48000;  // no packet is late by a minute
};

}  // namespace dv::chain
