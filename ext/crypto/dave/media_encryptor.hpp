// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "ext/crypto/dave/media_ratchet.hpp"

namespace dv::dave {

/**
 * Sending side of one member. Starts without a key and then refuses to send: plain frames leave
 * only after `set_plain`. Not thread-safe.
 */
class FrameEncryptor {
 public:
  /** Own base secret of a new epoch; the counter starts anew. */
  void set_key(ByteView base_secret);
  /** Version 0: frames leave as they are. */
  void set_plain();
  /** Forgets key and permission. */
  void clear();

  /**
   * Appends the frame to send for `media` to `out`. With `plain_silence` the silence frame leaves
   * unencrypted, as some clients do. False: no key, or all counters of the epoch are used up.
   */
  bool seal(ByteView media, Bytes &out, bool plain_silence = false,
            std::span<const ClearRange> ranges = {});

  /** Counter of the last frame: generation above the low 24 bits. */
  std::uint64_t counter() const { return counter_; }
  /** For tests of what takes days to reach. */
  void set_counter(std::uint64_t counter) { counter_ = counter; }

 private:
  std::optional<KeyChain> chain_;
  std::uint64_t counter_ = 0;
  bool plain_ = false;
};

}  // namespace dv::dave
