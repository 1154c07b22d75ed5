// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/crypto/mls/key_schedule.hpp"

#include "ext/crypto/hkdf.hpp"

namespace dv::mls {

EpochSecrets EpochSecrets::clone() const {
  return {exporter.clone(), confirmation.clone(), membership.clone(), authenticator.clone(),
          init.clone()};
}

Secret joiner_secret(const Secret &init, const Secret &commit, ByteView group_context) {
  return expand_with_label(hkdf_extract(init.view(), commit.view()).view(), "joiner", group_context,
                           kHashSize);
}

Secret member_secret(const Secret &joiner, const Secret &psk) {
  return hkdf_extract(joiner.view(), psk.view());
}

Secret epoch_secret(const Secret &member, ByteView group_context) {
  return expand_with_label(member.view(), "epoch", group_context, kHashSize);
}

EpochSecrets epoch_secrets(const Secret &epoch) {
  return {derive_secret(epoch, "exporter"), derive_secret(epoch, "confirm"),
          derive_secret(epoch, "membership"), derive_secret(epoch, "authentication"),
          derive_secret(epoch, "init")};
}

WelcomeKeys welcome_keys(const Secret &member) {
  const Secret welcome = derive_secret(member, "welcome");
  return {expand_with_label(welcome.view(), "key", {}, 16),
          expand_with_label(welcome.view(), "nonce", {}, 12)};
}

Secret mls_export(const Secret &exporter, std::string_view label, ByteView context,
                  std::size_t size) {
  const Secret derived = derive_secret(exporter, label);
  const Hash hashed = sha256(context);
  return expand_with_label(derived.view(), "exported", hashed, size);
}

Secret psk_secret(const std::vector<const PreSharedKey *> &psks) {
  Secret secret = Secret::zeros(kHashSize);
  const Secret zeros = Secret::zeros(kHashSize);
  for (std::size_t i = 0; i < psks.size(); ++i) {
    Writer label;
    write(label, psks[i]->id);
    label.u16(static_cast<std::uint16_t>(i)).u16(static_cast<std::uint16_t>(psks.size()));
    const Secret extracted = hkdf_extract(zeros.view(), psks[i]->secret.view());
    const Secret input =
        expand_with_label(extracted.view(), "derived psk", label.bytes(), kHashSize);
    secret = hkdf_extract(input.view(), secret.view());
  }
  return secret;
}

Hash confirmed_transcript_hash(ByteView interim, WireFormat format, ByteView framed_content,
                               ByteView signature) {
  Writer w;
  w.u16(static_cast<std::uint16_t>(format)).put(framed_content);
  write_vec(w, signature);
  return sha256(interim, w.bytes());
}

Hash interim_transcript_hash(ByteView confirmed, ByteView confirmation_tag) {
  Writer w;
  write_vec(w, confirmation_tag);
  return sha256(confirmed, w.bytes());
}

}  // namespace dv::mls
