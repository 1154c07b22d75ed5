// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/crypto/transport.hpp"

#include <openssl/evp.h>
#include <sodium.h>

#include <algorithm>

#include <utility>

#include "ext/wire/rtp.hpp"

namespace dv {
namespace {

constexpr std::size_t kGcmNonce = 12;
constexpr std::size_t kXChaChaNonce = 24;
constexpr std::size_t kMaxPacket = 1 << 16;
constexpr std::string_view kGcmName = "aead_aes256_gcm_rtpsize";
constexpr std::string_view kXChaChaName = "aead_xchacha20_poly1305_rtpsize";

static_assert(kXChaChaNonce == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES);
static_assert(kTransportTagSize == crypto_aead_xchacha20poly1305_ietf_ABYTES);

/** The suffix first and zeros behind it. */
template <std::size_t N>
std::array<std::uint8_t, N> full_nonce(ByteView suffix) {
  std::array<std::uint8_t, N> nonce{};
  std::copy_n(suffix.begin(), kTransportNonceSize, nonce.begin());
  return nonce;
}

evp_cipher_ctx_st *gcm_context(ByteView key, bool encrypt) {
  EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
  if (context == nullptr) return nullptr;
  if (EVP_CipherInit_ex(context, EVP_aes_256_gcm(), nullptr, key.data(), nullptr,
                        encrypt ? 1 : 0) == 1)
    return context;
  EVP_CIPHER_CTX_free(context);
  return nullptr;
}

bool sodium_ready() {
  static const bool ready = sodium_init() >= 0;
  return ready;
}

}  // namespace

std::optional<TransportCipher> TransportCipher::create(TransportMode mode, ByteView key) {
  if (key.size() != kTransportKeySize) return std::nullopt;
  switch (mode) {
    case TransportMode::xchacha20_poly1305_rtpsize:
      if (!sodium_ready()) return std::nullopt;
      return TransportCipher(mode, Secret(key), nullptr);
    case TransportMode::aes256_gcm_rtpsize: {
      evp_cipher_ctx_st *context = gcm_context(key, false);
      if (context == nullptr) return std::nullopt;
      return TransportCipher(mode, Secret(key), context);
    }
  }
  return std::nullopt;
}

TransportCipher::TransportCipher(TransportMode mode, Secret key, evp_cipher_ctx_st *context)
    : mode_(mode), key_(std::move(key)), open_(context) {}

TransportCipher::TransportCipher(TransportCipher &&other) noexcept
    : mode_(other.mode_),
      key_(std::move(other.key_)),
      open_(std::exchange(other.open_, nullptr)),
      seal_(std::exchange(other.seal_, nullptr)) {}

TransportCipher &TransportCipher::operator=(TransportCipher &&other) noexcept {
  mode_ = other.mode_;
  std::swap(key_, other.key_);
  std::swap(open_, other.open_);
  std::swap(seal_, other.seal_);
  return *this;
}

TransportCipher::~TransportCipher() {
  EVP_CIPHER_CTX_free(open_);
  EVP_CIPHER_CTX_free(seal_);
}

bool TransportCipher::open_gcm(ByteView aad, ByteView cipher, ByteView tag, ByteView nonce,
                               std::uint8_t *out) {
  const auto iv = full_nonce<kGcmNonce>(nonce);
  int n = 0;
  std::uint8_t rest[16];
  return EVP_DecryptInit_ex(open_, nullptr, nullptr, nullptr, iv.data()) == 1 &&
         EVP_DecryptUpdate(open_, nullptr, &n, aad.data(), static_cast<int>(aad.size())) == 1 &&
         (cipher.empty() ||
          EVP_DecryptUpdate(open_, out, &n, cipher.data(), static_cast<int>(cipher.size())) == 1) &&
         EVP_CIPHER_CTX_ctrl(open_, EVP_CTRL_AEAD_SET_TAG, static_cast<int>(kTransportTagSize),
                             const_cast<std::uint8_t *>(tag.data())) == 1 &&
         EVP_DecryptFinal_ex(open_, rest, &n) == 1;
}

bool TransportCipher::open_xchacha(ByteView aad, ByteView cipher, ByteView tag, ByteView nonce,
                                   std::uint8_t *out) {
  const auto n = full_nonce<kXChaChaNonce>(nonce);
  return crypto_aead_xchacha20poly1305_ietf_decrypt_detached(
             out, nullptr, cipher.data(), cipher.size(), tag.data(), aad.data(), aad.size(),
             n.data(), key_.view().data()) == 0;
}

std::optional<ByteView> TransportCipher::open(ByteView datagram, std::size_t clear_size,
                                              std::span<std::uint8_t> out) {
  if (datagram.size() < kTransportOverhead || datagram.size() > kMaxPacket ||
      clear_size > datagram.size() - kTransportOverhead || out.size() < datagram.size())
    return std::nullopt;
  const std::size_t cipher_size = datagram.size() - kTransportOverhead - clear_size;
  const ByteView aad = datagram.first(clear_size);
  const ByteView cipher = datagram.subspan(clear_size, cipher_size);
  const ByteView tag = datagram.subspan(clear_size + cipher_size, kTransportTagSize);
  const ByteView nonce = datagram.last(kTransportNonceSize);
  const bool ok = mode_ == TransportMode::aes256_gcm_rtpsize
                      ? open_gcm(aad, cipher, tag, nonce, out.data())
                      : open_xchacha(aad, cipher, tag, nonce, out.data());
  if (!ok) return std::nullopt;
  return ByteView(out).first(cipher_size);
}

bool TransportCipher::seal_gcm(ByteView aad, ByteView plain, ByteView nonce, std::uint8_t *out) {
  if (seal_ == nullptr) seal_ = gcm_context(key_.view(), true);
  if (seal_ == nullptr) return false;
  const auto iv = full_nonce<kGcmNonce>(nonce);
  int n = 0;
  std::uint8_t rest[16];
  return EVP_EncryptInit_ex(seal_, nullptr, nullptr, nullptr, iv.data()) == 1 &&
         EVP_EncryptUpdate(seal_, nullptr, &n, aad.data(), static_cast<int>(aad.size())) == 1 &&
         (plain.empty() ||
          EVP_EncryptUpdate(seal_, out, &n, plain.data(), static_cast<int>(plain.size())) == 1) &&
         EVP_EncryptFinal_ex(seal_, rest, &n) == 1 &&
         EVP_CIPHER_CTX_ctrl(seal_, EVP_CTRL_AEAD_GET_TAG, static_cast<int>(kTransportTagSize),
                             out + plain.size()) == 1;
}

bool TransportCipher::seal_xchacha(ByteView aad, ByteView plain, ByteView nonce,
                                   std::uint8_t *out) {
  const auto n = full_nonce<kXChaChaNonce>(nonce);
  return crypto_aead_xchacha20poly1305_ietf_encrypt_detached(
             out, out + plain.size(), nullptr, plain.data(), plain.size(), aad.data(), aad.size(),
             nullptr, n.data(), key_.view().data()) == 0;
}

bool TransportCipher::seal(ByteView packet, std::size_t clear_size, const TransportNonce &nonce,
                           Bytes &out) {
  if (clear_size > packet.size() || packet.size() > kMaxPacket - kTransportOverhead) return false;
  out.resize(packet.size() + kTransportOverhead);
  const ByteView aad = packet.first(clear_size);
  std::copy(aad.begin(), aad.end(), out.begin());
  std::copy(nonce.begin(), nonce.end(), out.end() - kTransportNonceSize);
  const ByteView plain = packet.subspan(clear_size);
  std::uint8_t *body = out.data() + clear_size;
  return mode_ == TransportMode::aes256_gcm_rtpsize ? seal_gcm(aad, plain, nonce, body)
                                                    : seal_xchacha(aad, plain, nonce, body);
}

bool seal_rtp(TransportCipher &cipher, ByteView packet, const TransportNonce &nonce, Bytes &out) {
  const auto header = parse_rtp(packet);
  return header && cipher.seal(packet, header->clear_size, nonce, out);
}

bool seal_rtcp(TransportCipher &cipher, ByteView compound, const TransportNonce &nonce,
               Bytes &out) {
  return parse_rtcp(compound) && cipher.seal(compound, kRtcpClearHeader, nonce, out);
}

std::optional<TransportMode> transport_mode_from_name(std::string_view name) {
  if (name == kGcmName) return TransportMode::aes256_gcm_rtpsize;
  if (name == kXChaChaName) return TransportMode::xchacha20_poly1305_rtpsize;
  return std::nullopt;
}

std::string_view transport_mode_name(TransportMode mode) {
  return mode == TransportMode::aes256_gcm_rtpsize ? kGcmName : kXChaChaName;
}

}  // namespace dv
