// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>

#include "ext/crypto/mls/hpke.hpp"
#include "tests/support/hex.hpp"

using namespace dv;
using namespace dv::mls;
using test::from_hex;
using test::to_hex;

// RFC 9180, A.3.1: DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-128-GCM, base mode.
TEST_CASE("RFC 9180 A.3.1: key pairs, shared secret, key and nonce") {
  const auto ephemeral = hpke_derive_key_pair(
      from_hex("4270e54ffd08d79d5928020af4686d8f6b7d35dbe470265f1f5aa22816ce860e"));
  const auto recipient = hpke_derive_key_pair(
      from_hex("668b37171f1072f3cf12ea8a236a45df23fc13b82af3609ad1e354f6ef817550"));
  REQUIRE(ephemeral);
  REQUIRE(recipient);
  CHECK(to_hex(ephemeral->private_key.view()) ==
        "4995788ef4b9d6132b249ce59a77281493eb39af373d236a1fe415cb0c2d7beb");
  CHECK(to_hex(ephemeral->public_key) ==
        "04a92719c6195d5085104f469a8b9814d5838ff72b60501e2c4466e5e67b325ac9"
        "8536d7b61a1af4b78e5b7f951c0900be863c403ce65c9bfcb9382657222d18c4");
  CHECK(to_hex(recipient->private_key.view()) ==
        "f3ce7fdae57e1a310d87f1ebbde6f328be0a99cdbcadf4d6589cf29de4b8ffd2");
  CHECK(to_hex(recipient->public_key) ==
        "04fe8c19ce0905191ebc298a9245792531f26f0cece2460639e8bc39cb7f706a82"
        "6a779b4cf969b8a0e539c7f62fb3d30ad6aa8f80e30f1d128aafd68a2ce72ea0");
  const auto shared = hpke_decap(ephemeral->public_key, *recipient);
  REQUIRE(shared);
  CHECK(to_hex(shared->view()) ==
        "c0d26aeab536609a572b07695d933b589dcf363ff9d93c93adea537aeabb8cb8");
  const Bytes info = from_hex("4f6465206f6e2061204772656369616e2055726e");
  const HpkeKeys keys = hpke_key_schedule(*shared, info);
  CHECK(to_hex(keys.key.view()) == "868c066ef58aae6dc589b6cfdd18f97e");
  CHECK(to_hex(keys.base_nonce.view()) == "4e0bc5018beba4bf004cca59");

  // The RFC's ciphertexts carry an AAD, which MLS never has; GCM's key stream does not depend on
  // it.
  const Bytes plain = from_hex("4265617574792069732074727574682c20747275746820626561757479");
  const auto sealed = hpke_seal_with(*ephemeral, recipient->public_key, info, plain);
  REQUIRE(sealed);
  CHECK(sealed->kem_output == ephemeral->public_key);
  CHECK(to_hex(ByteView(sealed->ciphertext).first(plain.size())) ==
        "5ad590bb8baa577f8619db35a36311226a896e7342a6d836d8b7bcd2f2");
  const auto opened = hpke_open(*recipient, info, *sealed);
  REQUIRE(opened);
  CHECK(to_hex(opened->view()) == to_hex(plain));
}

TEST_CASE("points off the curve, of other forms and scalars out of range are refused") {
  const auto pair = generate_key_pair();
  REQUIRE(pair);
  CHECK(valid_public_key(pair->public_key));
  Bytes bad = pair->public_key;
  bad[40] ^= 1;
  CHECK_FALSE(valid_public_key(bad));
  CHECK_FALSE(ecdh(pair->private_key, bad));
  CHECK_FALSE(hpke_seal(bad, {}, {}));
  CHECK_FALSE(valid_public_key(ByteView(pair->public_key).first(64)));
  CHECK_FALSE(valid_public_key(Bytes(65)));
  CHECK_FALSE(valid_public_key({}));
  Bytes compressed(pair->public_key.begin(), pair->public_key.begin() + 33);
  compressed[0] = 2;
  CHECK_FALSE(valid_public_key(compressed));
  CHECK_FALSE(key_pair_of(Secret::zeros(32)));
  CHECK_FALSE(key_pair_of(Secret::zeros(31)));
  CHECK_FALSE(key_pair_of(Secret(Bytes(32, 0xff))));
  CHECK_FALSE(verify_with_label(bad, "x", {}, Bytes(70)));
  CHECK_FALSE(verify_with_label(pair->public_key, "x", {}, {}));
}

TEST_CASE("sealed data that is short or changed does not open") {
  const auto pair = generate_key_pair();
  REQUIRE(pair);
  const Bytes plain{1, 2, 3};
  const auto sealed = encrypt_with_label(pair->public_key, "label", {}, plain);
  REQUIRE(sealed);
  for (std::size_t n = 0; n < sealed->ciphertext.size(); ++n) {
    HpkeCiphertext cut = *sealed;
    cut.ciphertext.resize(n);
    CHECK_FALSE(decrypt_with_label(*pair, "label", {}, cut));
  }
  CHECK_FALSE(decrypt_with_label(*pair, "another", {}, *sealed));
  CHECK_FALSE(decrypt_with_label(*pair, "label", Bytes{1}, *sealed));
  CHECK(decrypt_with_label(*pair, "label", {}, *sealed)->view().size() == 3);
  const auto empty = encrypt_with_label(pair->public_key, "label", {}, {});
  REQUIRE(empty);
  CHECK(decrypt_with_label(*pair, "label", {}, *empty)->empty());
}
