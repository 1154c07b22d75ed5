// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/crypto/mls/crypto.hpp"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/rand.h>

#include "ext/crypto/hkdf.hpp"

namespace dv::mls {
namespace {

template <auto free_fn>
struct Free {
  template <class T>
  void operator()(T *p) const {
    free_fn(p);
  }
};
template <class T, auto free_fn>
using Own = std::unique_ptr<T, Free<free_fn>>;
using Pkey = Own<EVP_PKEY, EVP_PKEY_free>;
using PkeyCtx = Own<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
using DigestCtx = Own<EVP_MD_CTX, EVP_MD_CTX_free>;
using CipherCtx = Own<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;
using Point = Own<EC_POINT, EC_POINT_free>;
using Number = Own<BIGNUM, BN_clear_free>;
using ParamBuilder = Own<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>;
using Params = Own<OSSL_PARAM, OSSL_PARAM_free>;

constexpr std::size_t kTagSize = 16;
constexpr std::size_t kScalarSize = 32;

const EC_GROUP *p256() {
  static EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
  return group;
}

Number scalar_of(const Secret &private_key) {
  if (private_key.size() != kScalarSize) return nullptr;
  Number d(BN_secure_new());
  if (!d || BN_bin2bn(private_key.view().data(), kScalarSize, d.get()) == nullptr) return nullptr;
  BN_set_flags(d.get(), BN_FLG_CONSTTIME);
  if (BN_is_zero(d.get()) || BN_cmp(d.get(), EC_GROUP_get0_order(p256())) >= 0) return nullptr;
  return d;
}

/** A key for EVP from its parts; the private one may be absent. */
Pkey make_pkey(const BIGNUM *private_key, ByteView public_key) {
  if (public_key.size() != kPublicKeySize || public_key[0] != POINT_CONVERSION_UNCOMPRESSED)
    return nullptr;
  ParamBuilder builder(OSSL_PARAM_BLD_new());
  if (!builder ||
      OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) !=
          1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, public_key.data(),
                                       public_key.size()) != 1)
    return nullptr;
  if (private_key != nullptr &&
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_PRIV_KEY, private_key) != 1)
    return nullptr;
  Params params(OSSL_PARAM_BLD_to_param(builder.get()));
  PkeyCtx ctx(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
  EVP_PKEY *key = nullptr;
  if (!params || !ctx || EVP_PKEY_fromdata_init(ctx.get()) != 1 ||
      EVP_PKEY_fromdata(ctx.get(), &key,
                        private_key != nullptr ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY,
                        params.get()) != 1)
    return nullptr;
  return Pkey(key);
}

Bytes sign_content(std::string_view label, ByteView content) {
  Bytes full(8 + label.size());
  std::memcpy(full.data(), "MLS 1.0 ", 8);
  std::memcpy(full.data() + 8, label.data(), label.size());
  Writer w;
  write_vec(w, full);
  write_vec(w, content);
  return w.release();
}

CipherCtx gcm(bool seal, const Secret &key, ByteView nonce) {
  CipherCtx ctx(EVP_CIPHER_CTX_new());
  if (!ctx || key.size() != 16 || nonce.size() != 12 ||
      EVP_CipherInit_ex(ctx.get(), EVP_aes_128_gcm(), nullptr, key.view().data(), nonce.data(),
                        seal ? 1 : 0) != 1)
    return nullptr;
  return ctx;
}

}  // namespace

Hash sha256(ByteView a, ByteView b) {
  Hash out{};
  DigestCtx ctx(EVP_MD_CTX_new());
  EVP_DigestInit_ex(ctx.get(), EVP_sha256(), nullptr);
  EVP_DigestUpdate(ctx.get(), a.data(), a.size());
  EVP_DigestUpdate(ctx.get(), b.data(), b.size());
  EVP_DigestFinal_ex(ctx.get(), out.data(), nullptr);
  return out;
}

Hash sha256(ByteView data) { return sha256(data, {}); }

Hash hmac_sha256(ByteView key, ByteView data) {
  Hash out{};
  static const std::uint8_t none = 0;
  HMAC(EVP_sha256(), key.empty() ? &none : key.data(), static_cast<int>(key.size()),
       data.empty() ? &none : data.data(), data.size(), out.data(), nullptr);
  return out;
}

bool same_secret(ByteView a, ByteView b) {
  return a.size() == b.size() && (a.empty() || CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0);
}

Secret random_secret(std::size_t size) {
  Secret secret = Secret::zeros(size);
  // Without randomness nothing that follows would be secret.
  if (RAND_priv_bytes(secret.writable().data(), static_cast<int>(size)) != 1) std::abort();
  return secret;
}

Secret derive_secret(const Secret &secret, std::string_view label) {
  return expand_with_label(secret.view(), label, {}, kHashSize);
}

Hash ref_hash(std::string_view label, ByteView value) {
  Writer w;
  write_vec(w, view(label));
  write_vec(w, value);
  return sha256(w.bytes());
}

Hash key_package_ref(ByteView key_package) {
  return ref_hash("MLS 1.0 KeyPackage Reference", key_package);
}

std::optional<KeyPair> key_pair_of(Secret private_key) {
  const Number d = scalar_of(private_key);
  if (!d) return std::nullopt;
  const Point point(EC_POINT_new(p256()));
  KeyPair pair;
  pair.public_key.resize(kPublicKeySize);
  if (!point || EC_POINT_mul(p256(), point.get(), d.get(), nullptr, nullptr, nullptr) != 1 ||
      EC_POINT_point2oct(p256(), point.get(), POINT_CONVERSION_UNCOMPRESSED, pair.public_key.data(),
                         kPublicKeySize, nullptr) != kPublicKeySize)
    return std::nullopt;
  pair.private_key = std::move(private_key);
  return pair;
}

std::optional<KeyPair> generate_key_pair() {
  // All but 2^-32 of the draws are below the order, so a few suffice.
  for (int i = 0; i < 8; ++i) {
    if (auto pair = key_pair_of(random_secret(kScalarSize))) return pair;
  }
  return std::nullopt;
}

bool valid_public_key(ByteView public_key) {
  if (public_key.size() != kPublicKeySize || public_key[0] != POINT_CONVERSION_UNCOMPRESSED)
    return false;
  const Point point(EC_POINT_new(p256()));
  // The cofactor is 1: every point of the curve but infinity, which has no such encoding, will do.
  return point && EC_POINT_oct2point(p256(), point.get(), public_key.data(), public_key.size(),
                                     nullptr) == 1;
}

std::optional<Secret> ecdh(const Secret &private_key, ByteView public_key) {
  const Number d = scalar_of(private_key);
  const Point point(EC_POINT_new(p256()));
  const Point product(EC_POINT_new(p256()));
  const Number x(BN_secure_new());
  Secret shared = Secret::zeros(kScalarSize);
  if (!d || !point || !product || !x || public_key.size() != kPublicKeySize ||
      public_key[0] != POINT_CONVERSION_UNCOMPRESSED ||
      EC_POINT_oct2point(p256(), point.get(), public_key.data(), public_key.size(), nullptr) != 1 ||
      EC_POINT_mul(p256(), product.get(), nullptr, point.get(), d.get(), nullptr) != 1 ||
      EC_POINT_is_at_infinity(p256(), product.get()) != 0 ||
      EC_POINT_get_affine_coordinates(p256(), product.get(), x.get(), nullptr, nullptr) != 1 ||
      BN_bn2binpad(x.get(), shared.writable().data(), kScalarSize) != kScalarSize)
    return std::nullopt;
  return shared;
}

Bytes sign_with_label(const KeyPair &key, std::string_view label, ByteView content) {
  const Number d = scalar_of(key.private_key);
  if (!d) return {};
  const Pkey pkey = make_pkey(d.get(), key.public_key);
  const DigestCtx ctx(EVP_MD_CTX_new());
  const Bytes message = sign_content(label, content);
  Bytes signature(80);
  std::size_t size = signature.size();
  if (!pkey || !ctx ||
      EVP_DigestSignInit(ctx.get(), nullptr, EVP_sha256(), nullptr, pkey.get()) != 1 ||
      EVP_DigestSign(ctx.get(), signature.data(), &size, message.data(), message.size()) != 1)
    return {};
  signature.resize(size);
  return signature;
}

bool verify_with_label(ByteView public_key, std::string_view label, ByteView content,
                       ByteView signature) {
  const Pkey pkey = make_pkey(nullptr, public_key);
  const DigestCtx ctx(EVP_MD_CTX_new());
  const Bytes message = sign_content(label, content);
  return pkey && ctx &&
         EVP_DigestVerifyInit(ctx.get(), nullptr, EVP_sha256(), nullptr, pkey.get()) == 1 &&
         EVP_DigestVerify(ctx.get(), signature.data(), signature.size(), message.data(),
                          message.size()) == 1;
}

std::optional<Bytes> aead_seal(const Secret &key, ByteView nonce, ByteView plain) {
  const CipherCtx ctx = gcm(true, key, nonce);
  Bytes out(plain.size() + kTagSize);
  int n = 0;
  int rest = 0;
  if (!ctx ||
      EVP_CipherUpdate(ctx.get(), out.data(), &n, plain.data(), static_cast<int>(plain.size())) !=
          1 ||
      EVP_CipherFinal_ex(ctx.get(), out.data() + n, &rest) != 1 ||
      EVP_CIPHER_CTX_ctrl(ctx.get(), EVP_CTRL_AEAD_GET_TAG, kTagSize, out.data() + plain.size()) !=
          1)
    return std::nullopt;
  return out;
}

std::optional<Secret> aead_open(const Secret &key, ByteView nonce, ByteView sealed) {
  if (sealed.size() < kTagSize) return std::nullopt;
  const std::size_t size = sealed.size() - kTagSize;
  const CipherCtx ctx = gcm(false, key, nonce);
  // One byte more than needed, so that the cipher never gets a null output.
  Secret out = Secret::zeros(size + 1);
  Bytes tag(sealed.end() - kTagSize, sealed.end());
  int n = 0;
  int rest = 0;
  if (!ctx ||
      EVP_CipherUpdate(ctx.get(), out.writable().data(), &n, sealed.data(),
                       static_cast<int>(size)) != 1 ||
      EVP_CIPHER_CTX_ctrl(ctx.get(), EVP_CTRL_AEAD_SET_TAG, kTagSize, tag.data()) != 1 ||
      EVP_CipherFinal_ex(ctx.get(), out.writable().data() + n, &rest) != 1)
    return std::nullopt;
  return Secret(out.view().first(size));
}

}  // namespace dv::mls
