// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <functional>
#include <string>

#include "ext/voice/core/guild_events.hpp"
#include "ext/voice/net/loop.hpp"

namespace dv::voice {

/**
 * Reads voice credentials as JSON lines from a descriptor (pipe, socket, terminal). A line that is
 * not understood is skipped and told. Made and destroyed on the loop.
 */
class HandOverReader {
 public:
  using Update = std::function<void(HandOver)>;
  using Problem = std::function<void(const std::string &)>;

  /** Reads from a duplicate of `fd`; the caller's stays his. */
  HandOverReader(NetLoop &loop, int fd, Update update, Problem problem);
  ~HandOverReader();
  HandOverReader(const HandOverReader &) = delete;
  HandOverReader &operator=(const HandOverReader &) = delete;

 private:
  static gboolean readable(gint fd, GIOCondition condition, gpointer data);
  bool read_some();
  void take_lines();

  const int fd_;
  GSource *source_ = nullptr;
  const Update update_;
  const Problem problem_;
  std::string pending_;  // credentials may be inside: wiped as it is used up
};

}  // namespace dv::voice
