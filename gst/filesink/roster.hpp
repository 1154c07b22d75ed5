// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "ext/wire/ids.hpp"

namespace dv {

/** Whose frame it is. */
struct FrameSource {
  UserId user = 0;
  std::uint32_t session = 0;
  Ssrc ssrc = 0;
};

/** A stream as one number. */
inline std::uint64_t stream_id(const FrameSource &source) {
  return std::uint64_t{source.session} << 32 | source.ssrc;
}

/**
 * Who takes part in a recording: names, who is there, which SSRC is whose, and the numbers of the
 * tracks. Everything that is kept per user or stream is bounded: ids come from the network. Any
 * thread; it calls nobody.
 */
class Roster {
 public:
  static constexpr std::size_t kMax = 10000;

  /** False if nothing changes; so the two that follow. */
  bool rename(UserId user, const std::string &name);
  bool bind(const FrameSource &source);
  /** Whether a user came with their first stream, or left with the last. */
  bool set_present(const FrameSource &source, bool present);
  std::string name_of(UserId user) const;
  /** Of the track of a user or, of those who are not known, of a stream; from 1. */
  unsigned number_for(const FrameSource &source);
  /** Goes on with a track of a run before this one. */
  void take_over(UserId user, unsigned number, const std::string &name);

 private:
  mutable std::mutex mutex_;  // all that follows
  std::map<UserId, std::string> names_;
  std::map<UserId, std::set<std::uint64_t>> present_;
  std::map<std::uint64_t, UserId> bindings_;  ///< by stream, as the next but one
  std::map<UserId, unsigned> numbers_;
  std::map<std::uint64_t, unsigned> unknown_numbers_;
  unsigned last_number_ = 0;
};

}  // namespace dv
