// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>

#include "ext/crypto/secret.hpp"

using namespace dv;

TEST_CASE("a secret compares by content and survives moves") {
  Secret a = Secret::from_text("token");
  Secret b = a.clone();
  CHECK(a == b);
  Secret c = std::move(a);
  CHECK(c == b);
  CHECK(a.empty());
  CHECK_FALSE(c == Secret::from_text("tokem"));
  CHECK_FALSE(c == Secret::from_text("toke"));
}

TEST_CASE("taking bytes leaves nothing behind") {
  Bytes raw{1, 2, 3};
  Secret s = Secret::take(std::move(raw));
  CHECK(s.size() == 3);
  CHECK(raw.empty());
}
