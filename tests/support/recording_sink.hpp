// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "ext/chain/receive_chain.hpp"

namespace dv::test {

struct RecordedFrame {
  FrameOut facts;  ///< its `data` is not valid any more
  Bytes data;
};

struct RecordedLoss {
  Ssrc ssrc = 0;
  std::uint64_t first = 0, count = 0, concealed = 0;
};

/** Keeps everything that a chain says. */
class RecordingSink : public ChainSink {
 public:
  void frame(const FrameOut &frame) override {
    frames.push_back({frame, Bytes(frame.data.begin(), frame.data.end())});
    frames.back().facts.data = {};
  }
  void verdict(SessionId, Ssrc, std::uint64_t tag, Verdict verdict) override {
    ++account[verdict];
    ++times_judged[tag];
    of_tag[tag] = verdict;
  }
  void lost(SessionId, Ssrc ssrc, std::uint64_t first, std::uint64_t count,
            std::uint64_t concealed) override {
    losses.push_back({ssrc, first, count, concealed});
  }

  std::vector<RecordedFrame> frames;
  std::vector<RecordedLoss> losses;
  std::map<std::uint64_t, Verdict> of_tag;
  std::map<std::uint64_t, int> times_judged;
  Account account;  ///< `received` is the caller's
};

}  // namespace dv::test
