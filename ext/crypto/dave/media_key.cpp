// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/crypto/dave/media_key.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>

namespace dv::dave {
namespace {

constexpr std::size_t kMaxMedia = 1 << 24;

/** Eight zero bytes, then the nonce in little endian. */
std::array<std::uint8_t, 12> gcm_nonce(std::uint32_t nonce) {
  std::array<std::uint8_t, 12> iv{};
  for (unsigned i = 0; i < 4; ++i) iv[8 + i] = static_cast<std::uint8_t>(nonce >> (8 * i));
  return iv;
}

/** Feeds authenticated data (no output) or text through the cipher. */
bool update(EVP_CIPHER_CTX *context, std::uint8_t *out, ByteView in) {
  int n = 0;
  return in.empty() ||
         EVP_CipherUpdate(context, out, &n, in.data(), static_cast<int>(in.size())) == 1;
}

/** Calls `plain` and `cipher` with the pieces of the media, in order. */
template <class Next, class Plain, class Cipher>
bool for_each_piece(std::size_t media_size, Next next_range, Plain plain, Cipher cipher) {
  std::size_t at = 0;
  while (const auto range = next_range()) {
    const auto offset = static_cast<std::size_t>(range->offset);
    const auto size = static_cast<std::size_t>(range->size);
    if (offset < at || offset > media_size || size > media_size - offset) return false;
    if (!cipher(at, offset - at) || !plain(offset, size)) return false;
    at = offset + size;
  }
  return cipher(at, media_size - at);
}

/** GCM wants all authenticated data before the first text, hence two walks over the pieces. */
template <class Ranges>
bool crypt(EVP_CIPHER_CTX *context, ByteView in, std::uint8_t *out, Ranges ranges) {
  const auto nothing = [](std::size_t, std::size_t) { return true; };
  const auto authenticate = [&](std::size_t at, std::size_t size) {
    return update(context, nullptr, in.subspan(at, size));
  };
  const auto copy = [&](std::size_t at, std::size_t size) {
    std::copy_n(in.data() + at, size, out + at);
    return true;
  };
  const auto translate = [&](std::size_t at, std::size_t size) {
    return update(context, out + at, in.subspan(at, size));
  };
  return for_each_piece(in.size(), ranges(), authenticate, nothing) &&
         for_each_piece(in.size(), ranges(), copy, translate);
}

}  // namespace

void FrameKey::Free::operator()(evp_cipher_ctx_st *context) const { EVP_CIPHER_CTX_free(context); }

FrameKey::Context FrameKey::make_context(ByteView key, bool encrypt) {
  Context context(EVP_CIPHER_CTX_new());
  if (!context || EVP_CipherInit_ex(context.get(), EVP_aes_128_gcm(), nullptr, key.data(), nullptr,
                                    encrypt ? 1 : 0) != 1)
    return nullptr;
  return context;
}

std::optional<FrameKey> FrameKey::create(ByteView key) {
  if (key.size() != kFrameKeySize) return std::nullopt;
  FrameKey made;
  made.key_ = Secret(key);
  return made;
}

std::optional<std::size_t> FrameKey::open(const ProtocolFrame &frame, std::span<std::uint8_t> out) {
  if (frame.refused || frame.media.size() > out.size() || frame.media.size() > kMaxMedia)
    return std::nullopt;
  if (!open_) open_ = make_context(key_.view(), false);
  EVP_CIPHER_CTX *context = open_.get();
  const auto iv = gcm_nonce(frame.nonce);
  if (context == nullptr ||
      EVP_CipherInit_ex(context, nullptr, nullptr, nullptr, iv.data(), -1) != 1)
    return std::nullopt;
  const auto ranges = [&] {
    return [reader = ClearRangeReader(frame.ranges)]() mutable { return reader.next(); };
  };
  int n = 0;
  std::uint8_t rest[16];
  // The size given with the tag decides how many bytes are compared: it must be the constant.
  const bool ok = crypt(context, frame.media, out.data(), ranges) &&
                  EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, int{kFrameTagSize},
                                      const_cast<std::uint8_t *>(frame.tag.data())) == 1 &&
                  EVP_CipherFinal_ex(context, rest, &n) == 1;
  if (!ok) return std::nullopt;
  return frame.media.size();
}

bool FrameKey::seal(ByteView media, std::uint32_t nonce, std::span<const ClearRange> list,
                    Bytes &out) {
  if (media.size() > kMaxMedia) return false;
  if (!seal_) seal_ = make_context(key_.view(), true);
  EVP_CIPHER_CTX *context = seal_.get();
  const auto iv = gcm_nonce(nonce);
  if (context == nullptr ||
      EVP_CipherInit_ex(context, nullptr, nullptr, nullptr, iv.data(), -1) != 1)
    return false;
  const auto ranges = [&] {
    return [list, i = std::size_t{0}]() mutable {
      return i < list.size() ? std::optional(list[i++]) : std::nullopt;
    };
  };
  const std::size_t before = out.size();
  out.resize(before + media.size());
  int n = 0;
  std::array<std::uint8_t, kFrameTagSize> tag;
  std::uint8_t rest[16];
  const bool ok =
      crypt(context, media, out.data() + before, ranges) &&
      EVP_CipherFinal_ex(context, rest, &n) == 1 &&
      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, int{kFrameTagSize}, tag.data()) == 1 &&
      append_supplemental(out, tag, nonce, list);
  if (!ok) out.resize(before);
  return ok;
}

}  // namespace dv::dave
