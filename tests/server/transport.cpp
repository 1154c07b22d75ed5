// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/server/transport.hpp"

#include <openssl/evp.h>
#include <sodium.h>

namespace dv::server {

namespace {
constexpr std::size_t kTag = 16;
constexpr std::size_t kSuffix = 4;
constexpr std::size_t kRtcpClear = 8;
}  // namespace

std::optional<TransportMode> transport_mode(std::string_view name) {
  if (name == "aead_aes256_gcm_rtpsize") return TransportMode::aes256_gcm_rtpsize;
  if (name == "aead_xchacha20_poly1305_rtpsize") return TransportMode::xchacha20_poly1305_rtpsize;
  return std::nullopt;
}

std::string_view mode_name(TransportMode mode) {
  return mode == TransportMode::aes256_gcm_rtpsize ? "aead_aes256_gcm_rtpsize"
                                                   : "aead_xchacha20_poly1305_rtpsize";
}

std::size_t clear_rtp_bytes(ByteView packet) {
  if (packet.size() < 12 || packet[0] >> 6 != 2) return 0;
  std::size_t clear = 12 + std::size_t{4} * (packet[0] & 15);
  if ((packet[0] & 0x10) != 0) clear += 4;
  return clear <= packet.size() ? clear : 0;
}

Transport::Transport(TransportMode mode, const std::array<std::uint8_t, 32> &key)
    : mode_(mode),
      key_(key),
      seal_context_(EVP_CIPHER_CTX_new()),
      open_context_(EVP_CIPHER_CTX_new()) {
  EVP_EncryptInit_ex(seal_context_, EVP_aes_256_gcm(), nullptr, key_.data(), nullptr);
  EVP_DecryptInit_ex(open_context_, EVP_aes_256_gcm(), nullptr, key_.data(), nullptr);
}

Transport::~Transport() {
  EVP_CIPHER_CTX_free(seal_context_);
  EVP_CIPHER_CTX_free(open_context_);
  sodium_memzero(key_.data(), key_.size());
}

Bytes Transport::seal(ByteView packet, std::size_t clear, std::uint32_t nonce) {
  Bytes out(packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(clear));
  const ByteView text = packet.subspan(clear);
  out.resize(clear + text.size() + kTag + kSuffix);
  std::uint8_t iv[24] = {static_cast<std::uint8_t>(nonce), static_cast<std::uint8_t>(nonce >> 8),
                         static_cast<std::uint8_t>(nonce >> 16),
                         static_cast<std::uint8_t>(nonce >> 24)};
  if (mode_ == TransportMode::aes256_gcm_rtpsize) {
    int size = 0;
    EVP_EncryptInit_ex(seal_context_, nullptr, nullptr, nullptr, iv);
    EVP_EncryptUpdate(seal_context_, nullptr, &size, packet.data(), static_cast<int>(clear));
    EVP_EncryptUpdate(seal_context_, out.data() + clear, &size, text.data(),
                      static_cast<int>(text.size()));
    EVP_EncryptFinal_ex(seal_context_, out.data() + clear + text.size(), &size);
    EVP_CIPHER_CTX_ctrl(seal_context_, EVP_CTRL_AEAD_GET_TAG, kTag,
                        out.data() + clear + text.size());
  } else {
    crypto_aead_xchacha20poly1305_ietf_encrypt(out.data() + clear, nullptr, text.data(),
                                               text.size(), packet.data(), clear, nullptr, iv,
                                               key_.data());
  }
  std::copy(iv, iv + kSuffix, out.end() - kSuffix);
  return out;
}

std::optional<Bytes> Transport::open(ByteView datagram, std::size_t clear) {
  if (clear == 0 || datagram.size() < clear + kTag + kSuffix) return std::nullopt;
  std::uint8_t iv[24] = {};
  std::copy(datagram.end() - kSuffix, datagram.end(), iv);
  const std::size_t text = datagram.size() - clear - kTag - kSuffix;
  Bytes out(datagram.begin(), datagram.begin() + static_cast<std::ptrdiff_t>(clear + text));
  const std::uint8_t *sealed = datagram.data() + clear;
  if (mode_ == TransportMode::aes256_gcm_rtpsize) {
    int size = 0;
    EVP_DecryptInit_ex(open_context_, nullptr, nullptr, nullptr, iv);
    EVP_DecryptUpdate(open_context_, nullptr, &size, datagram.data(), static_cast<int>(clear));
    EVP_DecryptUpdate(open_context_, out.data() + clear, &size, sealed, static_cast<int>(text));
    EVP_CIPHER_CTX_ctrl(open_context_, EVP_CTRL_AEAD_SET_TAG, kTag,
                        const_cast<std::uint8_t *>(sealed + text));
    if (EVP_DecryptFinal_ex(open_context_, out.data() + clear + text, &size) != 1)
      return std::nullopt;
    return out;
  }
  if (crypto_aead_xchacha20poly1305_ietf_decrypt(out.data() + clear, nullptr, nullptr, sealed,
                                                 text + kTag, datagram.data(), clear, iv,
                                                 key_.data()) != 0)
    return std::nullopt;
  return out;
}

Bytes Transport::seal_rtp(ByteView packet) {
  return seal(packet, clear_rtp_bytes(packet), ++rtp_nonce_);
}
Bytes Transport::seal_rtcp(ByteView packet) { return seal(packet, kRtcpClear, rtcp_nonce_++); }
std::optional<Bytes> Transport::open_rtp(ByteView datagram) {
  return open(datagram, clear_rtp_bytes(datagram));
}
std::optional<Bytes> Transport::open_rtcp(ByteView datagram) {
  return datagram.size() < kRtcpClear ? std::nullopt : open(datagram, kRtcpClear);
}

}  // namespace dv::server
