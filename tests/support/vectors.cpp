// SPDX-License-Identifier: LGPL-2.1-or-later
#define DOCTEST_CONFIG_IMPLEMENT
#include "tests/support/vectors.hpp"

#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace dv::test {
namespace {

std::filesystem::path vectors_dir() {
  const char *override_dir = std::getenv("DV_VECTORS_DIR");
  return override_dir != nullptr ? override_dir : DV_VECTORS_DIR;
}

}  // namespace

nlohmann::json load_vectors(const std::string &name) {
  std::ifstream file(vectors_dir() / name);
  return nlohmann::json::parse(file);
}

}  // namespace dv::test

int main(int argc, char **argv) {
  constexpr int kSkipped = 77;
  if (!std::filesystem::is_directory(dv::test::vectors_dir())) {
    std::printf("SKIPPED: vectors not found (%s)\n", dv::test::vectors_dir().c_str());
    return kSkipped;
  }
  return doctest::Context(argc, argv).run();
}
