// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>

#include "ext/crypto/hkdf.hpp"
#include "tests/support/hex.hpp"

using namespace dv;
using dv::test::from_hex;
using dv::test::to_hex;

TEST_CASE("HKDF gives the values of RFC 5869, appendix A") {
  struct Case {
    const char *ikm, *salt, *info, *prk, *okm;
    std::size_t length;
  };
  const Case cases[] = {
      {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "000102030405060708090a0b0c",
       "f0f1f2f3f4f5f6f7f8f9", "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
       "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865", 42},
      {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "",
       "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
       "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8", 42},
  };
  for (const Case &c : cases) {
    const Secret prk = hkdf_extract(from_hex(c.salt), from_hex(c.ikm));
    CHECK(to_hex(prk.view()) == c.prk);
    CHECK(to_hex(hkdf_expand(prk.view(), from_hex(c.info), c.length).view()) == c.okm);
  }
}

TEST_CASE("lengths that do not fit give nothing") {
  const Secret key = Secret::zeros(32);
  CHECK(hkdf_expand(key.view(), {}, 255 * 32).size() == 255 * 32);
  CHECK(hkdf_expand(key.view(), {}, 255 * 32 + 1).empty());
  CHECK(expand_with_label(key.view(), "x", {}, 0x10000).empty());
}

TEST_CASE("the tree secrets of an all-zero base secret") {
  const Bytes base(16);
  CHECK(to_hex(derive_tree_secret(base, "key", 0, 16).view()) ==
        "8b0089fcda42f77255aaf22f73b6266d");
  const Secret next = derive_tree_secret(base, "secret", 0, 32);
  CHECK(to_hex(next.view()) == "c4ab24b2d0668e2bed5b83567e8c39558dcb625f43491685b369d6bd2b97ce16");
  CHECK(to_hex(derive_tree_secret(next.view(), "key", 1, 16).view()) ==
        "90378e24b3b6d4fbc0f29584700493d0");
}
