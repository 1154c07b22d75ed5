// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/chain/verdict.hpp"

namespace dv {

const char *stats_name(Verdict verdict) {
  static constexpr std::array<const char *, kVerdicts> kNames = {
      "delivered",
      "drop-padding-only",
      "drop-malformed",
      "drop-not-audio",
      "drop-no-transport-key",
      "drop-transport-auth",
      "drop-unknown-user",
      "drop-not-entitled",
      "drop-no-dave-key",
      "drop-dave-not-encrypted",
      "drop-dave-auth",
      "drop-dave-replay",
      "drop-dave-generation",
      "drop-duplicate",
      "drop-late",
      "drop-bad-opus",
      "drop-waiting-overflow",
      "drop-overload",
      "drop-worker-lost",
      "drop-flushed",
      "drop-filtered",
  };
  const auto index = static_cast<std::size_t>(verdict);
  return index < kNames.size() ? kNames[index] : "drop-unknown";
}

}  // namespace dv
