// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "ext/wire/ids.hpp"

namespace dv {

enum class SequenceRuleSet : std::uint8_t { patient, seed };

struct SequenceConfig {
  SequenceRuleSet rules = SequenceRuleSet::patient;
  Time latency = 120ms;  ///< how long a hole may stay open
  std::uint32_t max_dropout = 3000;
  std::uint32_t max_misorder = 100;
  bool hold_first = true;
};

struct SequenceCounters {
  std::uint64_t in = 0, out = 0, reordered = 0, filled = 0, late = 0, duplicate = 0, lost = 0,
                restarts = 0, largest_displacement = 0;
};

}  // namespace dv
