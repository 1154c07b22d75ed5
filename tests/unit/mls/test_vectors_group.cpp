// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>

#include "ext/crypto/mls/epoch.hpp"
#include "ext/crypto/mls/hpke.hpp"
#include "tests/support/vectors.hpp"

using namespace dv;
using namespace dv::mls;
using test::from_hex;
using test::hex_field;
using test::load_vectors;
using test::to_hex;
using Json = nlohmann::json;

/** The body of an MLSMessage. */
static Bytes body_of(const Json &object, const char *field, WireFormat expected) {
  const Bytes bytes = hex_field(object, field);
  Reader r(bytes);
  WireFormat format{};
  REQUIRE(read_message_header(r, format));
  REQUIRE(format == expected);
  const ByteView rest = ByteView(bytes).subspan(4);
  return Bytes(rest.begin(), rest.end());
}

TEST_CASE("welcome.json: group secrets, group info, confirmation tag") {
  for (const auto &v : load_vectors("mls/welcome.json")) {
    const Bytes package = body_of(v, "key_package", WireFormat::key_package);
    Welcome welcome;
    REQUIRE(decode(body_of(v, "welcome", WireFormat::welcome), welcome));
    REQUIRE(welcome.secrets.size() == 1);
    CHECK(to_hex(welcome.secrets[0].new_member) == to_hex(key_package_ref(package)));
    const auto init = key_pair_of(Secret(hex_field(v, "init_priv")));
    REQUIRE(init);
    const auto plain = decrypt_with_label(*init, "Welcome", welcome.encrypted_group_info,
                                          welcome.secrets[0].secrets);
    REQUIRE(plain);
    GroupSecrets secrets;
    REQUIRE(decode(plain->view(), secrets));
    const Secret member = member_secret(secrets.joiner_secret, Secret::zeros(kHashSize));
    const WelcomeKeys keys = welcome_keys(member);
    const auto info_bytes = aead_open(keys.key, keys.nonce.view(), welcome.encrypted_group_info);
    REQUIRE(info_bytes);
    GroupInfo info;
    REQUIRE(decode(info_bytes->view(), info));
    Writer tbs;
    write_tbs(tbs, info);
    CHECK(
        verify_with_label(hex_field(v, "signer_pub"), "GroupInfoTBS", tbs.bytes(), info.signature));
    Epoch epoch;
    epoch.context = info.context;
    epoch.secrets = epoch_secrets(epoch_secret(member, encode(info.context)));
    CHECK(to_hex(confirmation_tag(epoch)) == to_hex(info.confirmation_tag));
  }
}

static Result<Group> join(const Json &v) {
  const auto bundle =
      load_key_package(body_of(v, "key_package", WireFormat::key_package),
                       Secret(hex_field(v, "init_priv")), Secret(hex_field(v, "encryption_priv")));
  REQUIRE(bundle);
  const auto signature = key_pair_of(Secret(hex_field(v, "signature_priv")));
  REQUIRE(signature);
  JoinOptions options;
  options.rules = Rules::rfc;
  Bytes tree;
  if (!v.at("ratchet_tree").is_null()) {
    tree = hex_field(v, "ratchet_tree");
    options.ratchet_tree = tree;
  }
  for (const auto &psk : v.at("external_psks"))
    options.psks.push_back({{1, hex_field(psk, "psk_id"), {}}, Secret(hex_field(psk, "psk"))});
  return Group::join(body_of(v, "welcome", WireFormat::welcome), *signature, *bundle, options);
}

/** Joins and follows; the number of epochs whose authenticator was compared. */
static int run_passive(const Json &v) {
  auto group = join(v);
  CAPTURE(group.ok() ? "" : group.error().what);
  REQUIRE(group.ok());
  CHECK(to_hex(group->epoch_authenticator()) == v.at("initial_epoch_authenticator"));
  int epochs = 1;
  for (const auto &e : v.at("epochs")) {
    for (const auto &p : e.at("proposals")) {
      const Bytes message = from_hex(p.get<std::string>());
      const ByteView one[] = {message};
      const auto taken = group->receive_proposals(one, nullptr);
      CAPTURE(taken.ok() ? "" : taken.error().what);
      REQUIRE(taken.ok());
    }
    const auto outcome = group->process_commit(hex_field(e, "commit"));
    CAPTURE(outcome.ok() ? "" : outcome.error().what);
    REQUIRE(outcome.ok());
    CHECK(*outcome == CommitOutcome::applied);
    CHECK(to_hex(group->epoch_authenticator()) == e.at("epoch_authenticator"));
    ++epochs;
  }
  return epochs;
}

TEST_CASE("passive-*.json: join and follow") {
  const std::pair<const char *, std::size_t> files[] = {
      {"mls/passive-client-welcome.json", 8},
      {"mls/passive-interop-welcome-join.json", 6},
      {"mls/passive-interop-commit.json", 35},
      {"mls/passive-interop-external-proposals.json", 11},
  };
  for (const auto &[file, count] : files) {
    const Json entries = load_vectors(file);
    CHECK(entries.size() == count);
    int epochs = 0;
    std::size_t index = 0;
    for (const auto &v : entries) {
      CAPTURE(std::string(file));
      CAPTURE(index++);
      epochs += run_passive(v);
    }
    MESSAGE(std::string(file) << ": " << entries.size() << " entries, " << epochs << " epochs");
  }
}
