// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string_view>

#include "ext/crypto/key_store.hpp"
#include "ext/wire/bytes.hpp"

typedef struct evp_cipher_ctx_st EVP_CIPHER_CTX;

namespace dv::server {

std::optional<TransportMode> transport_mode(std::string_view name);
std::string_view mode_name(TransportMode mode);

/**
 * The server's side of the `*_rtpsize` transport encryption. On purpose not the plugin's code: what
 * both ends misunderstood together no test would find.
 */
class Transport {
 public:
  Transport(TransportMode mode, const std::array<std::uint8_t, 32> &key);
  ~Transport();
  Transport(const Transport &) = delete;
  Transport &operator=(const Transport &) = delete;

  /** A whole RTP packet, header extension and padding included, becomes a datagram. */
  Bytes seal_rtp(ByteView packet);
  /** A compound; its nonces count from 0x80000000, apart from those of RTP. */
  Bytes seal_rtcp(ByteView packet);
  /** The RTP packet of a client's datagram. */
  std::optional<Bytes> open_rtp(ByteView datagram);
  std::optional<Bytes> open_rtcp(ByteView datagram);
  /** For tests that look for it where it must not be. */
  ByteView key() const { return key_; }

 private:
  Bytes seal(ByteView packet, std::size_t clear, std::uint32_t nonce);
  std::optional<Bytes> open(ByteView datagram, std::size_t clear);

  TransportMode mode_;
  std::array<std::uint8_t, 32> key_;
  EVP_CIPHER_CTX *seal_context_;
  EVP_CIPHER_CTX *open_context_;
  std::uint32_t rtp_nonce_ = 0;
  std::uint32_t rtcp_nonce_ = 0x80000000;
};

/** Bytes of an RTP packet that stay readable; 0 if it is none. */
std::size_t clear_rtp_bytes(ByteView packet);

}  // namespace dv::server
