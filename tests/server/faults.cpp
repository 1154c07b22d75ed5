// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/server/faults.hpp"

namespace dv::server {

void FaultPlan::set(const FaultSettings &settings) {
  const bool other_seed = settings.seed != settings_.seed;
  settings_ = settings;
  if (other_seed) reseed();
}

// Every draw takes place whatever the rates are, so that one rate does not shift the others' luck.
bool FaultPlan::hit(double percent) {
  return static_cast<double>(below(1'000'000)) < percent * 10'000;
}

Fate FaultPlan::next() {
  Fate fate;
  fate.drop = hit(settings_.loss);
  const bool reorder = hit(settings_.reorder);
  const auto overtaken = static_cast<unsigned>(1 + below(3));
  fate.overtaken_by = reorder ? overtaken : 0;
  fate.duplicate = hit(settings_.duplicate);
  const bool pad = hit(settings_.padding);
  const auto padding = static_cast<unsigned>(1 + below(255));
  fate.padding = pad ? padding : 0;
  fate.extension = hit(settings_.extension);
  fate.csrc = hit(settings_.csrc);
  fate.corrupt = hit(settings_.corrupt);
  fate.truncate = hit(settings_.truncate);
  const auto jitter = static_cast<std::uint64_t>(settings_.jitter_ms) * 1000 + 1;
  fate.delay = std::chrono::microseconds(below(jitter));
  return fate;
}

}  // namespace dv::server
