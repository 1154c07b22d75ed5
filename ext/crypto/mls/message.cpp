// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/crypto/mls/message.hpp"

namespace dv::mls {
namespace {

Writer framing_tbs(ByteView framed_content, ByteView group_context) {
  Writer w;
  write_message_header(w, WireFormat::public_message);
  w.put(framed_content).put(group_context);
  return w;
}

}  // namespace

Result<PublicMessage> read_public_message(Reader &r) {
  WireFormat format{};
  if (!read_message_header(r, format)) return Error{"not an MLS 1.0 message"};
  if (format != WireFormat::public_message) return Error{"not a PublicMessage"};
  PublicMessage message;
  if (!read(r, message)) return Error{"PublicMessage malformed"};
  return message;
}

Result<PublicMessage> parse_public_message(ByteView message) {
  if (message.size() > kMaxMessage) return Error{"message too large"};
  Reader r(message);
  auto parsed = read_public_message(r);
  if (parsed && !r.at_end()) return Error{"bytes after the message"};
  return parsed;
}

bool verify_framing(const PublicMessage &message, ByteView signature_key, ByteView group_context) {
  return verify_with_label(signature_key, "FramedContentTBS",
                           framing_tbs(message.raw_content, group_context).bytes(),
                           message.signature);
}

Hash membership_tag(const Secret &membership_key, ByteView framed_content, ByteView auth,
                    ByteView group_context) {
  Writer w = framing_tbs(framed_content, group_context);
  w.put(auth);
  return hmac_sha256(membership_key.view(), w.bytes());
}

bool verify_membership(const PublicMessage &message, const Secret &membership_key,
                       ByteView group_context) {
  return same_secret(message.membership_tag, membership_tag(membership_key, message.raw_content,
                                                            message.raw_auth, group_context));
}

Hash proposal_ref(const PublicMessage &message) {
  Writer w;
  w.u16(static_cast<std::uint16_t>(WireFormat::public_message))
      .put(message.raw_content)
      .put(message.raw_auth);
  return ref_hash("MLS 1.0 Proposal Reference", w.bytes());
}

Bytes sign_framing(const KeyPair &key, ByteView framed_content, ByteView group_context) {
  return sign_with_label(key, "FramedContentTBS",
                         framing_tbs(framed_content, group_context).bytes());
}

}  // namespace dv::mls
