// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "ext/crypto/key_store.hpp"
#include "ext/crypto/secret.hpp"

struct evp_cipher_ctx_st;

namespace dv {

inline constexpr std::size_t kTransportKeySize = 32;
inline constexpr std::size_t kTransportTagSize = 16;
inline constexpr std::size_t kTransportNonceSize = 4;
inline constexpr std::size_t kTransportOverhead = kTransportTagSize + kTransportNonceSize;

/** The last four bytes of a datagram; to the receiver they have no byte order. */
using TransportNonce = std::array<std::uint8_t, kTransportNonceSize>;

/**
 * One transport key in use: clear header (authenticated) || ciphertext || tag || nonce suffix. The
 * cipher context is made once and kept, since setting it up costs more than opening a packet.
 * Not thread-safe; after a move only destruction and assignment are allowed.
 */
class TransportCipher {
 public:
  /** nullopt: unknown mode, key not of 32 bytes, or the library refuses. */
  static std::optional<TransportCipher> create(TransportMode mode, ByteView key);

  TransportCipher(TransportCipher &&other) noexcept;
  TransportCipher &operator=(TransportCipher &&other) noexcept;
  ~TransportCipher();

  /**
   * Authenticates a datagram and writes the plaintext behind its first `clear_size` bytes to `out`,
   * which must hold at least `datagram.size()` bytes and not overlap it. Returns the plaintext.
   * nullopt: too short, or the tag does not match; what is in `out` must not be looked at then.
   * RTP: `RtpHeader::clear_size`; RTCP: `kRtcpClearHeader`.
   */
  std::optional<ByteView> open(ByteView datagram, std::size_t clear_size,
                               std::span<std::uint8_t> out);

  /**
   * Seals a plain RTP packet or RTCP compound, of which the first `clear_size` bytes stay clear. A
   * nonce must never be used twice with one key. False: `packet` is shorter than `clear_size`.
   */
  bool seal(ByteView packet, std::size_t clear_size, const TransportNonce &nonce, Bytes &out);

 private:
  TransportCipher(TransportMode mode, Secret key, evp_cipher_ctx_st *context);
  bool open_gcm(ByteView aad, ByteView cipher, ByteView tag, ByteView nonce, std::uint8_t *out);
  bool open_xchacha(ByteView aad, ByteView cipher, ByteView tag, ByteView nonce, std::uint8_t *out);
  bool seal_gcm(ByteView aad, ByteView plain, ByteView nonce, std::uint8_t *out);
  bool seal_xchacha(ByteView aad, ByteView plain, ByteView nonce, std::uint8_t *out);

  TransportMode mode_;
  Secret key_;
  evp_cipher_ctx_st *open_ = nullptr;  // GCM only
  evp_cipher_ctx_st *seal_ = nullptr;  // GCM only, made by the first seal()
};

/** `RtpHeader::clear_size` of a plain packet is found here; false if it is none. */
bool seal_rtp(TransportCipher &cipher, ByteView packet, const TransportNonce &nonce, Bytes &out);
bool seal_rtcp(TransportCipher &cipher, ByteView compound, const TransportNonce &nonce, Bytes &out);

/** "aead_aes256_gcm_rtpsize" and its kind, as in op 1 and op 4; nullopt: not one of ours. */
std::optional<TransportMode> transport_mode_from_name(std::string_view name);
std::string_view transport_mode_name(TransportMode mode);

}  // namespace dv
