// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>

#include "ext/crypto/hkdf.hpp"
#include "ext/crypto/mls/hpke.hpp"
#include "ext/crypto/mls/key_schedule.hpp"
#include "ext/crypto/mls/message.hpp"
#include "ext/crypto/mls/tree.hpp"
#include "tests/support/vectors.hpp"

using namespace dv;
using namespace dv::mls;
using test::hex_field;
using test::load_vectors;
using test::to_hex;
using Json = nlohmann::json;

static Secret secret_field(const Json &object, const char *field) {
  return Secret(hex_field(object, field));
}
static std::string text(const Json &object, const char *field) {
  return object.at(field).get<std::string>();
}

TEST_CASE("deserialization.json: length headers") {
  for (const auto &v : load_vectors("mls/deserialization.json")) {
    const Bytes header = hex_field(v, "vlbytes_header");
    Reader r(header);
    const auto length = read_vec_length(r);
    CHECK(r.at_end());
    CHECK(length == v.at("length").get<std::uint32_t>());
    Writer w;
    write_vec_length(w, length);
    CHECK(w.bytes() == header);
  }
}

template <class T>
static void round_trip(const Json &entry, const char *field) {
  CAPTURE(field);
  if (!entry.contains(field)) return;
  const Bytes bytes = hex_field(entry, field);
  T value;
  REQUIRE(decode(bytes, value));
  CHECK(to_hex(encode(value)) == to_hex(bytes));
}

template <class T>
static void message_round_trip(const Json &entry, const char *field, WireFormat expected) {
  CAPTURE(field);
  if (!entry.contains(field)) return;
  const Bytes bytes = hex_field(entry, field);
  Reader r(bytes);
  WireFormat format{};
  REQUIRE(read_message_header(r, format));
  CHECK(format == expected);
  T value;
  REQUIRE(read(r, value));
  CHECK(r.at_end());
  Writer w;
  write_message_header(w, format);
  write(w, value);
  CHECK(to_hex(w.bytes()) == to_hex(bytes));
}

static void proposal_round_trip(const Json &entry, const char *field, ProposalType type) {
  CAPTURE(field);
  if (!entry.contains(field)) return;
  Writer w;
  w.u16(static_cast<std::uint16_t>(type)).put(hex_field(entry, field));
  Proposal proposal;
  REQUIRE(decode(w.bytes(), proposal));
  CHECK(to_hex(encode(proposal)) == to_hex(w.bytes()));
}

static void public_round_trip(const Json &entry, const char *field) {
  CAPTURE(field);
  if (!entry.contains(field)) return;
  const Bytes bytes = hex_field(entry, field);
  const auto message = parse_public_message(bytes);
  REQUIRE(message.ok());
  Writer w;
  write_message_header(w, WireFormat::public_message);
  write(w, message->content);
  write_vec(w, message->signature);
  if (message->content.type == ContentType::commit) write_vec(w, message->confirmation_tag);
  if (message->content.sender.type == SenderType::member) write_vec(w, message->membership_tag);
  CHECK(to_hex(w.bytes()) == to_hex(bytes));
}

TEST_CASE("messages.json: every structure decodes and encodes to the same bytes") {
  for (const auto &v : load_vectors("mls/messages.json")) {
    message_round_trip<Welcome>(v, "mls_welcome", WireFormat::welcome);
    message_round_trip<GroupInfo>(v, "mls_group_info", WireFormat::group_info);
    message_round_trip<KeyPackage>(v, "mls_key_package", WireFormat::key_package);
    round_trip<Commit>(v, "commit");
    GroupSecrets secrets;
    REQUIRE(decode(hex_field(v, "group_secrets"), secrets));
    CHECK(to_hex(encode_secret(secrets).view()) == text(v, "group_secrets"));
    proposal_round_trip(v, "add_proposal", ProposalType::add);
    proposal_round_trip(v, "update_proposal", ProposalType::update);
    proposal_round_trip(v, "remove_proposal", ProposalType::remove);
    proposal_round_trip(v, "pre_shared_key_proposal", ProposalType::pre_shared_key);
    proposal_round_trip(v, "re_init_proposal", ProposalType::re_init);
    proposal_round_trip(v, "external_init_proposal", ProposalType::external_init);
    proposal_round_trip(v, "group_context_extensions_proposal",
                        ProposalType::group_context_extensions);
    public_round_trip(v, "public_message_application");
    public_round_trip(v, "public_message_proposal");
    public_round_trip(v, "public_message_commit");
    const auto tree = RatchetTree::parse(hex_field(v, "ratchet_tree"));
    REQUIRE(tree.ok());
    CHECK(to_hex(tree->encode()) == text(v, "ratchet_tree"));
  }
}

TEST_CASE("messages.json: no prefix and no extension of a structure decodes") {
  for (const auto &v : load_vectors("mls/messages.json")) {
    Bytes bytes = hex_field(v, "commit");
    Commit commit;
    for (std::size_t n = 0; n < bytes.size(); ++n)
      CHECK_FALSE(decode(ByteView(bytes).first(n), commit = {}));
    bytes.push_back(0);
    CHECK_FALSE(decode(bytes, commit = {}));
  }
}

TEST_CASE("crypto-basics.json: labelled primitives") {
  for (const auto &v : load_vectors("mls/crypto-basics.json")) {
    const auto &ref = v.at("ref_hash");
    CHECK(to_hex(ref_hash(text(ref, "label"), hex_field(ref, "value"))) == text(ref, "out"));

    const auto &expand = v.at("expand_with_label");
    CHECK(to_hex(expand_with_label(hex_field(expand, "secret"), text(expand, "label"),
                                   hex_field(expand, "context"), expand.at("length"))
                     .view()) == text(expand, "out"));
    const auto &derive = v.at("derive_secret");
    CHECK(to_hex(derive_secret(secret_field(derive, "secret"), text(derive, "label")).view()) ==
          text(derive, "out"));
    const auto &tree = v.at("derive_tree_secret");
    CHECK(to_hex(derive_tree_secret(hex_field(tree, "secret"), text(tree, "label"),
                                    tree.at("generation"), tree.at("length"))
                     .view()) == text(tree, "out"));

    const auto &sign = v.at("sign_with_label");
    const Bytes content = hex_field(sign, "content");
    CHECK(verify_with_label(hex_field(sign, "pub"), text(sign, "label"), content,
                            hex_field(sign, "signature")));
    const auto signer = key_pair_of(secret_field(sign, "priv"));
    REQUIRE(signer);
    CHECK(to_hex(signer->public_key) == text(sign, "pub"));
    const Bytes own = sign_with_label(*signer, text(sign, "label"), content);
    CHECK(verify_with_label(signer->public_key, text(sign, "label"), content, own));
    CHECK_FALSE(verify_with_label(signer->public_key, "another label", content, own));

    const auto &seal = v.at("encrypt_with_label");
    const auto recipient = key_pair_of(secret_field(seal, "priv"));
    REQUIRE(recipient);
    CHECK(to_hex(recipient->public_key) == text(seal, "pub"));
    const Bytes context = hex_field(seal, "context");
    const auto opened =
        decrypt_with_label(*recipient, text(seal, "label"), context,
                           {hex_field(seal, "kem_output"), hex_field(seal, "ciphertext")});
    REQUIRE(opened);
    CHECK(to_hex(opened->view()) == text(seal, "plaintext"));
    auto sealed = encrypt_with_label(recipient->public_key, text(seal, "label"), context,
                                     hex_field(seal, "plaintext"));
    REQUIRE(sealed);
    CHECK(decrypt_with_label(*recipient, text(seal, "label"), context, *sealed));
    sealed->ciphertext[3] ^= 1;
    CHECK_FALSE(decrypt_with_label(*recipient, text(seal, "label"), context, *sealed));
  }
}

TEST_CASE("key-schedule.json: every secret of a chain of epochs") {
  for (const auto &v : load_vectors("mls/key-schedule.json")) {
    Secret init = secret_field(v, "initial_init_secret");
    std::uint64_t number = 0;
    for (const auto &e : v.at("epochs")) {
      GroupContext context;
      context.group_id = hex_field(v, "group_id");
      context.epoch = number++;
      context.tree_hash = hex_field(e, "tree_hash");
      context.confirmed_transcript_hash = hex_field(e, "confirmed_transcript_hash");
      const Bytes encoded = encode(context);
      CHECK(to_hex(encoded) == text(e, "group_context"));
      const Secret joiner = joiner_secret(init, secret_field(e, "commit_secret"), encoded);
      CHECK(to_hex(joiner.view()) == text(e, "joiner_secret"));
      const Secret member = member_secret(joiner, secret_field(e, "psk_secret"));
      CHECK(to_hex(derive_secret(member, "welcome").view()) == text(e, "welcome_secret"));
      const Secret epoch = epoch_secret(member, encoded);
      const EpochSecrets kept = epoch_secrets(epoch);
      CHECK(to_hex(kept.exporter.view()) == text(e, "exporter_secret"));
      CHECK(to_hex(kept.confirmation.view()) == text(e, "confirmation_key"));
      CHECK(to_hex(kept.membership.view()) == text(e, "membership_key"));
      CHECK(to_hex(kept.authenticator.view()) == text(e, "epoch_authenticator"));
      CHECK(to_hex(kept.init.view()) == text(e, "init_secret"));
      CHECK(to_hex(derive_secret(epoch, "sender data").view()) == text(e, "sender_data_secret"));
      CHECK(to_hex(derive_secret(epoch, "encryption").view()) == text(e, "encryption_secret"));
      CHECK(to_hex(derive_secret(epoch, "resumption").view()) == text(e, "resumption_psk"));
      const Secret external = derive_secret(epoch, "external");
      CHECK(to_hex(external.view()) == text(e, "external_secret"));
      const auto external_pair = hpke_derive_key_pair(external.view());
      REQUIRE(external_pair);
      CHECK(to_hex(external_pair->public_key) == text(e, "external_pub"));
      const auto &x = e.at("exporter");
      CHECK(to_hex(
                mls_export(kept.exporter, text(x, "label"), hex_field(x, "context"), x.at("length"))
                    .view()) == text(x, "secret"));
      init = kept.init.clone();
    }
  }
}

TEST_CASE("transcript-hashes.json") {
  for (const auto &v : load_vectors("mls/transcript-hashes.json")) {
    const Bytes content = hex_field(v, "authenticated_content");
    Reader r(content);
    const auto format = static_cast<WireFormat>(r.u16());
    const ByteView rest = ByteView(content).subspan(2);
    PublicMessage message;
    REQUIRE(read(r, message.content));
    const ByteView framed = rest.first(rest.size() - r.remaining());
    REQUIRE(read_auth(r, message));
    CHECK(r.at_end());
    const Hash confirmed = confirmed_transcript_hash(hex_field(v, "interim_transcript_hash_before"),
                                                     format, framed, message.signature);
    CHECK(to_hex(confirmed) == text(v, "confirmed_transcript_hash_after"));
    CHECK(to_hex(interim_transcript_hash(confirmed, message.confirmation_tag)) ==
          text(v, "interim_transcript_hash_after"));
    CHECK(to_hex(hmac_sha256(hex_field(v, "confirmation_key"), confirmed)) ==
          to_hex(message.confirmation_tag));
  }
}

TEST_CASE("message-protection.json: public messages") {
  for (const auto &v : load_vectors("mls/message-protection.json")) {
    GroupContext context;
    context.group_id = hex_field(v, "group_id");
    context.epoch = v.at("epoch");
    context.tree_hash = hex_field(v, "tree_hash");
    context.confirmed_transcript_hash = hex_field(v, "confirmed_transcript_hash");
    const Bytes encoded = encode(context);
    const Secret membership = secret_field(v, "membership_key");
    const Bytes key = hex_field(v, "signature_pub");
    const auto signer = key_pair_of(secret_field(v, "signature_priv"));
    REQUIRE(signer);
    for (const char *field : {"proposal_pub", "commit_pub"}) {
      const Bytes bytes = hex_field(v, field);
      auto message = parse_public_message(bytes);
      REQUIRE(message.ok());
      CHECK(verify_framing(*message, key, encoded));
      CHECK_FALSE(verify_framing(*message, key, {}));
      CHECK(verify_membership(*message, membership, encoded));
      const bool commit = message->content.type == ContentType::commit;
      CHECK(to_hex(commit ? encode(message->content.commit) : encode(message->content.proposal)) ==
            text(v, commit ? "commit" : "proposal"));
      // Protecting it again must verify the same way.
      message->signature = sign_framing(*signer, message->raw_content, encoded);
      CHECK(verify_framing(*message, key, encoded));
      message->membership_tag[0] ^= 1;
      CHECK_FALSE(verify_membership(*message, membership, encoded));
    }
  }
}
