// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ext/crypto/dave/media_ratchet.hpp"

namespace dv::dave {

enum class FrameVerdict : std::uint8_t {
  opened,          ///< authentic
  silence,         ///< the injected silence frame, passed as it is
  passed,          ///< plain frame inside a passthrough window
  not_encrypted,   ///< plain frame where encryption is required
  no_key,          ///< no ratchet of this sender is alive
  authentication,  ///< no ratchet's key fits, or the structure must be refused
  replay,          ///< counter seen before, or too old
  generation,      ///< key generation out of bounds
};

struct FrameResult {
  FrameVerdict verdict = FrameVerdict::no_key;
  std::size_t size = 0;

  /** The media is in the caller's buffer and may go to a decoder. */
  bool delivered() const { return verdict <= FrameVerdict::passed; }
};

/**
 * Opens the frames of one sender across epochs: ratchets newest first, each with its own replay
 * state, old ones and plain frames until 10 s after a transition. Not thread-safe; `now` is
 * monotonic.
 */
class FrameDecryptor {
 public:
  /** Counters below the first accepted one of a ratchet that stay good: frames may overtake. */
  static constexpr std::uint64_t kBeforeFirst = 256;
  /** More transitions within 10 s drop the oldest ratchet early. */
  static constexpr std::size_t kMaxRatchets = 32;
  static constexpr Time kNeverPlain = Time::min();

  explicit FrameDecryptor(std::uint64_t before_first = kBeforeFirst)
      : before_first_(before_first) {}

  /** A transition to version > 0 was prepared; `base_secret` is this sender's in the new epoch. */
  void add_ratchet(ByteView base_secret, Time now);
  /** A transition to version > 0 was prepared in which this sender has no part. */
  void retire(Time now);
  /** A transition to version 0 was prepared (or the session is in it): plain frames may come. */
  void allow_plain(Time now);
  /** For a sender first heard in mid-session: the window that the others of it have. */
  void set_plain_until(Time until) { plain_until_ = until; }

  /** `out` must hold `frame.size()` bytes and not overlap it. */
  FrameResult open(ByteView frame, Time now, std::span<std::uint8_t> out);

  /** Wipes the keys that have run out; opening does so, too, but only when frames come. */
  void expire(Time now);
  /** When `expire` has something to do next; kNever if nothing runs out. */
  Time next_expiry() const;

  bool has_ratchet(Time now) const;
  /** Nothing here but what `set_plain_until` would give a new one. */
  bool keyless() const { return epochs_.empty(); }
  bool plain_allowed(Time now) const { return now <= plain_until_; }

 private:
  struct Epoch {
    ReceiveRatchet ratchet;
    Time until;
  };

  void end_in_time(Time now);

  std::uint64_t before_first_;
  std::vector<Epoch> epochs_;  // newest first
  Time plain_until_ = kNeverPlain;
};

}  // namespace dv::dave
