// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <optional>
#include <vector>

#include "ext/wire/ids.hpp"

namespace dv {

/** The times during which a recording is paused, and what they do to its time line. */
class Pauses {
 public:
  /** `cut`: the time line stands still meanwhile; else it goes on, as silence. */
  explicit Pauses(bool cut) : cut_(cut) {}

  /** False if nothing changes. Times of successive calls do not fall. */
  bool set(bool paused, Time running);
  /** Where on the time line a frame belongs; nothing when it is not to be recorded. */
  std::optional<Time> place(Time running) const;
  /** How far the time line has come. */
  Time position(Time running) const;
  bool paused() const { return !pauses_.empty() && pauses_.back().end == kNever; }
  std::size_t count() const { return pauses_.size(); }

 private:
  struct Pause {
    Time start{}, end = kNever;
    Time cut_before{};  ///< time that was cut out by the pauses before
  };
  /** The last one that began at or before that time. */
  const Pause *before(Time running) const;

  bool cut_;
  std::vector<Pause> pauses_;
};

}  // namespace dv
