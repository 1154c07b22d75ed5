// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "ext/wire/bytes.hpp"
#include "tests/support/hex.hpp"

namespace dv::test {

/**
 * Content of `<vectors>/<name>`, for example "dave/frames.json". The folder is $DV_VECTORS_DIR or
 * the one beside the checkout. Tests that use it link `vector_dep`, whose main prints "SKIPPED" and
 * ends with 77 where there is no such folder.
 */
nlohmann::json load_vectors(const std::string &name);

inline Bytes hex_field(const nlohmann::json &object, const char *field) {
  return from_hex(object.at(field).get<std::string>());
}

}  // namespace dv::test
