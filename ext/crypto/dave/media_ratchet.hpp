// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "ext/crypto/dave/media_frame.hpp"
#include "ext/crypto/dave/media_key.hpp"
#include "ext/crypto/secret.hpp"
#include "ext/wire/ids.hpp"

namespace dv::dave {

/** Old keys and plain frames stay good for this long after a transition. */
inline constexpr Time kTransitionOverlap = 10s;
/** A generation of keys covers this many bits of the frame counter. */
inline constexpr unsigned kGenerationBits = 24;
inline constexpr std::uint64_t kMaxGenerationGap = 250;
/** Frames of one sender in a second that the limit on generations is made for. */
inline constexpr std::uint64_t kMaxFramesPerSecond = 170;
inline constexpr std::size_t kMaxMissing = 1000;

/** The generation that the top byte of a nonce means, `oldest` being the oldest not yet deleted. */
std::uint64_t wrapped_generation(std::uint64_t oldest, std::uint8_t top);

/** Keys of one sender and epoch, generation after generation; secrets are gone once passed. */
class KeyChain {
 public:
  explicit KeyChain(ByteView base_secret) : secret_(base_secret) {}

  /** Null: the generation was deleted, or is above kMaxGenerationGap from the last one derived. */
  FrameKey *key(std::uint64_t generation);
  void delete_up_to(std::uint64_t generation);
  /** Oldest generation that is not deleted. */
  std::uint64_t oldest() const { return oldest_; }

 private:
  bool derive_next();

  Secret secret_;
  std::uint64_t oldest_ = 0;
  std::vector<FrameKey> keys_;  // of oldest_, oldest_ + 1, ...
};

/** Which frame counters were seen. Each is accepted once. */
class ReplayWindow {
 public:
  /** `before_first` counters below the first accepted one stay acceptable. */
  explicit ReplayWindow(std::uint64_t before_first) : before_first_(before_first) {}
  bool acceptable(std::uint64_t counter) const;
  void accept(std::uint64_t counter);

 private:
  void remember_missing(std::uint64_t first, std::uint64_t end);

  std::uint64_t before_first_;
  std::optional<std::uint64_t> newest_;
  std::vector<std::uint64_t> missing_;  // ascending, at most kMaxMissing
};

enum class RatchetResult : std::uint8_t { ok, replay, generation, authentication };

struct RatchetOpened {
  RatchetResult result = RatchetResult::authentication;
  std::size_t size = 0;
};

/**
 * Receiving side of one sender in one epoch, with the limits of official clients: generations can
 * not run ahead of the time that has passed, counters are accepted once, and state moves by
 * authentic frames alone.
 */
class ReceiveRatchet {
 public:
  ReceiveRatchet(ByteView base_secret, Time created, std::uint64_t before_first = 0)
      : chain_(base_secret), window_(before_first), created_(created) {}

  /** `out` must hold `frame.media.size()` bytes. */
  RatchetOpened open(const ProtocolFrame &frame, Time now, std::span<std::uint8_t> out);

 private:
  void expire(Time now);
  bool plausible(std::uint64_t generation, Time now) const;
  void note_success(std::uint64_t generation, Time now);

  struct Retiring {
    std::uint64_t generation;
    Time until;
  };

  KeyChain chain_;
  ReplayWindow window_;
  Time created_;
  std::uint64_t newest_ = 0;
  std::vector<Retiring> retiring_;  // ascending in both
};

}  // namespace dv::dave
