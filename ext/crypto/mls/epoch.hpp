// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "ext/crypto/mls/group.hpp"

/** Steps that joining, committing and following have in common. */
namespace dv::mls {

/**
 * Derives the secrets of an epoch whose context is final, and its confirmation tag; returns the
 * joiner secret for Welcomes. The PSK secret is zero: nobody can commit one here.
 */
Secret enter_epoch(Epoch &next, const Secret &init, const Secret &commit_secret);
Hash confirmation_tag(const Epoch &epoch);
/** Sets both transcript hashes; the confirmed one becomes part of the context. */
void set_confirmed_transcript(Epoch &next, ByteView interim, ByteView framed_content,
                              ByteView signature);

/** Whether a context with these fits what labelled derivations take. */
bool fits_context(ByteView group_id, const Extensions &extensions);

/** Leaves of a received tree, each checked once, and its parents (RFC 9420, 12.4.3.1). */
Status check_received_tree(const RatchetTree &tree, const GroupContext &context, Rules rules);
/** No signature, encryption key or, in DAVE, user of `leaf` is another leaf's. */
Status check_unique(const RatchetTree &tree, const LeafNode &leaf, LeafIndex own, Rules rules);

}  // namespace dv::mls
