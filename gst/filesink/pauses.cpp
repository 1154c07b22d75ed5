// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/filesink/pauses.hpp"

#include <algorithm>

namespace dv {

bool Pauses::set(bool paused_now, Time running) {
  if (paused_now == paused()) return false;
  if (!paused_now) {
    pauses_.back().end = std::max(running, pauses_.back().start);
    return true;
  }
  Pause fresh{running, kNever, {}};
  if (!pauses_.empty()) {
    const Pause &last = pauses_.back();
    fresh.start = std::max(running, last.end);
    fresh.cut_before = last.cut_before + (last.end - last.start);
  }
  pauses_.push_back(fresh);
  return true;
}

const Pauses::Pause *Pauses::before(Time running) const {
  const auto after = std::upper_bound(pauses_.begin(), pauses_.end(), running,
                                      [](Time t, const Pause &p) { return t < p.start; });
  return after == pauses_.begin() ? nullptr : &*std::prev(after);
}

std::optional<Time> Pauses::place(Time running) const {
  const Pause *pause = before(running);
  if (pause != nullptr && (pause->end == kNever || running < pause->end)) return std::nullopt;
  return position(running);
}

Time Pauses::position(Time running) const {
  const Pause *pause = before(running);
  if (!cut_ || pause == nullptr) return running;
  const Time end = pause->end == kNever ? running : std::min(pause->end, running);
  return running - pause->cut_before - (end - pause->start);
}

}  // namespace dv
