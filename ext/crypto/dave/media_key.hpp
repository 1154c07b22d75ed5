// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "ext/crypto/dave/media_frame.hpp"
#include "ext/crypto/secret.hpp"

struct evp_cipher_ctx_st;

namespace dv::dave {

inline constexpr std::size_t kFrameKeySize = 16;

/**
 * AES-128-GCM with the key of one generation. The contexts are kept, since making one costs more
 * than a frame does. Not thread-safe.
 */
class FrameKey {
 public:
  /** Empty if `key` is not of kFrameKeySize bytes. */
  static std::optional<FrameKey> create(ByteView key);

  /**
   * Writes the whole media with its plain ranges back in place to `out`, which must hold
   * `frame.media.size()` bytes. Nullopt: the tag does not match; `out` must not be looked at.
   */
  std::optional<std::size_t> open(const ProtocolFrame &frame, std::span<std::uint8_t> out);

  /** Appends the protocol frame for `media` to `out`. False: ranges that do not fit. */
  bool seal(ByteView media, std::uint32_t nonce, std::span<const ClearRange> ranges, Bytes &out);

 private:
  struct Free {
    void operator()(evp_cipher_ctx_st *context) const;
  };
  using Context = std::unique_ptr<evp_cipher_ctx_st, Free>;

  FrameKey() = default;
  static Context make_context(ByteView key, bool encrypt);

  Context open_;
  Context seal_;
  Secret key_;
};

}  // namespace dv::dave
