// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "ext/crypto/mls/crypto.hpp"

/** RFC 9420, section 8. */
namespace dv::mls {

/** What a group keeps of an epoch. The epoch secret itself is not kept. */
struct EpochSecrets {
  Secret exporter;
  Secret confirmation;
  Secret membership;
  Secret authenticator;
  Secret init;  ///< For the next epoch.
  EpochSecrets clone() const;
};

Secret joiner_secret(const Secret &init, const Secret &commit, ByteView group_context);
/** The extract step over the PSK secret, which in DAVE is 32 zero bytes. */
Secret member_secret(const Secret &joiner, const Secret &psk);
Secret epoch_secret(const Secret &member, ByteView group_context);
EpochSecrets epoch_secrets(const Secret &epoch);

struct WelcomeKeys {
  Secret key;    ///< 16 bytes
  Secret nonce;  ///< 12 bytes
};
WelcomeKeys welcome_keys(const Secret &member);

/** MLS-Exporter (RFC 9420, 8.5). */
Secret mls_export(const Secret &exporter, std::string_view label, ByteView context,
                  std::size_t size);

struct PreSharedKey {
  PreSharedKeyId id;
  Secret secret;
};
/** RFC 9420, 8.4; 32 zero bytes for none. */
Secret psk_secret(const std::vector<const PreSharedKey *> &psks);

Hash confirmed_transcript_hash(ByteView interim, WireFormat format, ByteView framed_content,
                               ByteView signature);
Hash interim_transcript_hash(ByteView confirmed, ByteView confirmation_tag);

}  // namespace dv::mls
