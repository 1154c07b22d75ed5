// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/filesink/export/session.hpp"

namespace dv::exporter {

std::string Track::label() const {
  if (!name.empty()) return name;
  return user != 0 ? std::to_string(user) : "unknown-" + std::to_string(ssrc);
}

Time Track::speaking() const {
  Time sum{};
  for (const Spurt &spurt : spurts) sum += spurt.end - spurt.start;
  return sum;
}

}  // namespace dv::exporter
