// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "ext/crypto/mls/crypto.hpp"

/** Framing of PublicMessages (RFC 9420, section 6). */
namespace dv::mls {

/** An MLSMessage that must be one PublicMessage; its views point into `message`. */
Result<PublicMessage> parse_public_message(ByteView message);
/** The same, with bytes after it: `r` stands behind the message afterwards. */
Result<PublicMessage> read_public_message(Reader &r);

/** With the group context for member senders, without one for external senders. */
bool verify_framing(const PublicMessage &message, ByteView signature_key, ByteView group_context);
bool verify_membership(const PublicMessage &message, const Secret &membership_key,
                       ByteView group_context);
/** ProposalRef: over wire format, content and authentication data. */
Hash proposal_ref(const PublicMessage &message);

/** FramedContentTBS's signature. */
Bytes sign_framing(const KeyPair &key, ByteView framed_content, ByteView group_context);
Hash membership_tag(const Secret &membership_key, ByteView framed_content, ByteView auth,
                    ByteView group_context);

}  // namespace dv::mls
