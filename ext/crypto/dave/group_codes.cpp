// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/crypto/dave/group_codes.hpp"

#include <openssl/evp.h>

#include <algorithm>

namespace dv::dave {
namespace {

constexpr std::size_t kMaxGroup = 8;
constexpr std::uint16_t kFingerprintVersion = 0;
constexpr std::uint8_t kSalt[] = {0x24, 0xca, 0xb1, 0x7a, 0x7a, 0xf8, 0xec, 0x2b,
                                  0x82, 0xb4, 0x12, 0xb9, 0x2d, 0xab, 0x19, 0x2e};

}  // namespace

std::optional<std::string> displayable_code(ByteView data, std::size_t length,
                                            std::size_t group_size) {
  if (group_size == 0 || group_size > kMaxGroup || length % group_size != 0 || data.size() < length)
    return std::nullopt;
  std::uint64_t modulus = 1;
  for (std::size_t i = 0; i < group_size; ++i) modulus *= 10;
  std::string code;
  for (std::size_t at = 0; at < length; at += group_size) {
    std::uint64_t value = 0;
    for (const std::uint8_t b : data.subspan(at, group_size)) value = value << 8 | b;
    const std::string digits = std::to_string(value % modulus);
    code.append(group_size - digits.size(), '0').append(digits);
  }
  return code;
}

std::string privacy_code(ByteView epoch_authenticator) {
  return displayable_code(epoch_authenticator, 30, 5).value_or("");
}

Bytes key_fingerprint(ByteView signature_key, UserId user) {
  Writer w;
  w.u16(kFingerprintVersion).put(signature_key).u64(user);
  return w.release();
}

std::optional<Bytes> pairwise_fingerprint(ByteView key_a, UserId user_a, ByteView key_b,
                                          UserId user_b) {
  Bytes first = key_fingerprint(key_a, user_a);
  Bytes second = key_fingerprint(key_b, user_b);
  if (second < first) std::swap(first, second);
  first.insert(first.end(), second.begin(), second.end());
  Bytes out(64);
  if (EVP_PBE_scrypt(reinterpret_cast<const char *>(first.data()), first.size(), kSalt,
                     sizeof kSalt, 16384, 8, 2, 0, out.data(), out.size()) != 1)
    return std::nullopt;
  return out;
}

std::optional<std::string> pairwise_code(ByteView key_a, UserId user_a, ByteView key_b,
                                         UserId user_b) {
  const auto fingerprint = pairwise_fingerprint(key_a, user_a, key_b, user_b);
  if (!fingerprint) return std::nullopt;
  return displayable_code(*fingerprint, 45, 5);
}

}  // namespace dv::dave
