// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/crypto/hkdf.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>

namespace dv {
namespace {

constexpr std::size_t kBlock = 32;

void hmac(ByteView key, ByteView data, std::uint8_t *out) {
  static const std::uint8_t none = 0;  // HMAC() takes a null key for "the one before"
  HMAC(EVP_sha256(), key.empty() ? &none : key.data(), static_cast<int>(key.size()),
       data.empty() ? &none : data.data(), data.size(), out, nullptr);
}

/** The `<V>` length header; labels and contexts stay below 2^14 bytes here. */
void put_vec(Bytes &out, ByteView a, ByteView b = {}) {
  const std::size_t n = a.size() + b.size();
  if (n >= 64) out.push_back(static_cast<std::uint8_t>(0x40u | n >> 8));
  out.push_back(static_cast<std::uint8_t>(n));
  out.insert(out.end(), a.begin(), a.end());
  out.insert(out.end(), b.begin(), b.end());
}

}  // namespace

Secret hkdf_extract(ByteView salt, ByteView ikm) {
  Secret prk = Secret::zeros(kBlock);
  hmac(salt, ikm, prk.writable().data());
  return prk;
}

Secret hkdf_expand(ByteView prk, ByteView info, std::size_t size) {
  if (size > 255 * kBlock) return {};
  Secret out = Secret::zeros(size);
  // T(n - 1) || info || n, in one piece that is wiped.
  Secret input = Secret::zeros(kBlock + info.size() + 1);
  Secret block = Secret::zeros(kBlock);
  const auto in = input.writable();
  std::copy(info.begin(), info.end(), in.begin() + kBlock);
  std::size_t done = 0;
  for (std::uint8_t n = 1; done < size; ++n) {
    in.back() = n;
    hmac(prk, n == 1 ? ByteView(in).subspan(kBlock) : ByteView(in), block.writable().data());
    std::copy_n(block.view().begin(), kBlock, in.begin());
    const std::size_t part = std::min(kBlock, size - done);
    std::copy_n(block.view().begin(), part, out.writable().begin() + done);
    done += part;
  }
  return out;
}

Secret expand_with_label(ByteView secret, std::string_view label, ByteView context,
                         std::size_t size) {
  if (size > 255 * kBlock || label.size() > 1024 || context.size() > 8192) return {};
  Bytes info;
  info.reserve(16 + label.size() + context.size());
  info.push_back(static_cast<std::uint8_t>(size >> 8));
  info.push_back(static_cast<std::uint8_t>(size));
  put_vec(info, view("MLS 1.0 "), view(label));
  put_vec(info, context);
  return hkdf_expand(secret, info, size);
}

Secret derive_tree_secret(ByteView secret, std::string_view label, std::uint32_t generation,
                          std::size_t size) {
  std::uint8_t context[4];
  store_be32(context, generation);
  return expand_with_label(secret, label, context, size);
}

}  // namespace dv
