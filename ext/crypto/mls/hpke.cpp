// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/crypto/mls/hpke.hpp"

#include "ext/crypto/hkdf.hpp"

namespace dv::mls {
namespace {

constexpr std::string_view kKemSuite{"KEM\x00\x10", 5};
constexpr std::string_view kHpkeSuite{"HPKE\x00\x10\x00\x01\x00\x01", 10};

Secret joined(std::initializer_list<ByteView> parts) {
  std::size_t size = 0;
  for (const ByteView p : parts) size += p.size();
  Secret all = Secret::zeros(size);
  auto out = all.writable().begin();
  for (const ByteView p : parts) out = std::copy(p.begin(), p.end(), out);
  return all;
}

Secret labeled_extract(std::string_view suite, ByteView salt, std::string_view label,
                       ByteView ikm) {
  return hkdf_extract(salt, joined({view("HPKE-v1"), view(suite), view(label), ikm}).view());
}

Secret labeled_expand(std::string_view suite, const Secret &prk, std::string_view label,
                      ByteView info, std::size_t size) {
  std::uint8_t length[2];
  store_be16(length, static_cast<std::uint16_t>(size));
  return hkdf_expand(
      prk.view(), joined({length, view("HPKE-v1"), view(suite), view(label), info}).view(), size);
}

Secret shared_secret(const Secret &dh, ByteView enc, ByteView public_key) {
  const Secret prk = labeled_extract(kKemSuite, {}, "eae_prk", dh.view());
  return labeled_expand(kKemSuite, prk, "shared_secret", joined({enc, public_key}).view(), 32);
}

Bytes encrypt_context(std::string_view label, ByteView context) {
  Writer w;
  write_vec(w, joined({view("MLS 1.0 "), view(label)}).view());
  write_vec(w, context);
  return w.release();
}

}  // namespace

std::optional<KeyPair> hpke_derive_key_pair(ByteView ikm) {
  const Secret prk = labeled_extract(kKemSuite, {}, "dkp_prk", ikm);
  for (unsigned counter = 0; counter < 256; ++counter) {
    const std::uint8_t c = static_cast<std::uint8_t>(counter);
    if (auto pair = key_pair_of(labeled_expand(kKemSuite, prk, "candidate", {&c, 1}, 32)))
      return pair;
  }
  return std::nullopt;
}

HpkeKeys hpke_key_schedule(const Secret &shared, ByteView info) {
  const std::uint8_t mode_base = 0;
  const Secret psk_id_hash = labeled_extract(kHpkeSuite, {}, "psk_id_hash", {});
  const Secret info_hash = labeled_extract(kHpkeSuite, {}, "info_hash", info);
  const Secret context = joined({{&mode_base, 1}, psk_id_hash.view(), info_hash.view()});
  const Secret secret = labeled_extract(kHpkeSuite, shared.view(), "secret", {});
  return {labeled_expand(kHpkeSuite, secret, "key", context.view(), 16),
          labeled_expand(kHpkeSuite, secret, "base_nonce", context.view(), 12)};
}

std::optional<Secret> hpke_decap(ByteView enc, const KeyPair &recipient) {
  const auto dh = ecdh(recipient.private_key, enc);
  if (!dh) return std::nullopt;
  return shared_secret(*dh, enc, recipient.public_key);
}

std::optional<HpkeCiphertext> hpke_seal_with(const KeyPair &ephemeral, ByteView public_key,
                                             ByteView info, ByteView plain) {
  const auto dh = ecdh(ephemeral.private_key, public_key);
  if (!dh) return std::nullopt;
  const HpkeKeys keys =
      hpke_key_schedule(shared_secret(*dh, ephemeral.public_key, public_key), info);
  auto sealed = aead_seal(keys.key, keys.base_nonce.view(), plain);
  if (!sealed) return std::nullopt;
  return HpkeCiphertext{ephemeral.public_key, std::move(*sealed)};
}

std::optional<HpkeCiphertext> hpke_seal(ByteView public_key, ByteView info, ByteView plain) {
  const auto ephemeral = generate_key_pair();
  if (!ephemeral) return std::nullopt;
  return hpke_seal_with(*ephemeral, public_key, info, plain);
}

std::optional<Secret> hpke_open(const KeyPair &recipient, ByteView info,
                                const HpkeCiphertext &sealed) {
  const auto shared = hpke_decap(sealed.kem_output, recipient);
  if (!shared) return std::nullopt;
  const HpkeKeys keys = hpke_key_schedule(*shared, info);
  return aead_open(keys.key, keys.base_nonce.view(), sealed.ciphertext);
}

std::optional<HpkeCiphertext> encrypt_with_label(ByteView public_key, std::string_view label,
                                                 ByteView context, ByteView plain) {
  return hpke_seal(public_key, encrypt_context(label, context), plain);
}

std::optional<Secret> decrypt_with_label(const KeyPair &recipient, std::string_view label,
                                         ByteView context, const HpkeCiphertext &sealed) {
  return hpke_open(recipient, encrypt_context(label, context), sealed);
}

}  // namespace dv::mls
