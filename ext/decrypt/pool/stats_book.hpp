// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "ext/chain/verdict.hpp"
#include "ext/wire/bytes.hpp"
#include "ext/wire/ids.hpp"

namespace dv {

/** The SSRC a datagram claims to be of: RTP bytes 8..12, RTCP bytes 4..8; 0 if it is too short. */
Ssrc claimed_ssrc(ByteView datagram);
/** RFC 5761: the whole second byte tells RTCP (192..223) from RTP. */
bool looks_like_rtcp(ByteView datagram);

/**
 * The account of one element: in sum and per SSRC, `received` = verdicts + pending. A verdict finds
 * its stream by the tag that `received` gave, whatever the packet turned out to be.
 *
 * SSRCs are claimed by strangers before a tag has been checked, so the number of entries is
 * bounded: when there are too many, those that never had a packet delivered are folded into
 * `others`.
 */
class StatsBook {
 public:
  static constexpr std::size_t kMaxStreams = 4096;

  struct Stream {
    SessionId session = 0;
    Ssrc ssrc = 0;
    UserId user = 0;
    Account account;
    std::uint64_t lost = 0;
    std::uint64_t concealed = 0;
  };

  /** Counts a datagram in and returns the tag it must be submitted with. */
  std::uint64_t received(SessionId session, ByteView datagram);
  void verdict(std::uint64_t tag, Verdict verdict);
  void lost(SessionId session, Ssrc ssrc, std::uint64_t lost, std::uint64_t concealed);
  void user(SessionId session, Ssrc ssrc, UserId user);

  const Account &total() const { return total_; }
  std::uint64_t total_lost() const { return lost_; }
  std::uint64_t total_concealed() const { return concealed_; }
  const Account &others() const { return others_; }
  /** In the order in which they appeared; a copy. */
  std::vector<Stream> streams() const;
  void clear();

 private:
  struct Slot {
    std::uint32_t generation = 0;
    bool used = false;
    Stream stream;
  };
  static std::uint64_t key(SessionId session, Ssrc ssrc) {
    return std::uint64_t{session} << 32 | ssrc;
  }
  std::uint32_t slot_of(SessionId session, Ssrc ssrc);
  void make_room();
  Stream *find(SessionId session, Ssrc ssrc);

  Account total_;
  Account others_;
  std::uint64_t lost_ = 0;
  std::uint64_t concealed_ = 0;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
  std::unordered_map<std::uint64_t, std::uint32_t> index_;
};

}  // namespace dv
