// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/filesink/export/session.hpp"

#include <algorithm>
#include <iterator>

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

Time Session::unix_at(Time at) const {
  const auto after = std::upper_bound(ties.begin(), ties.end(), at,
                                      [](Time time, const Tie &tie) { return time < tie.at; });
  const Tie tie = after == ties.begin() ? Tie{Time{}, start_unix} : *std::prev(after);
  return tie.unix + (at - tie.at);
}

}  // namespace dv::exporter
