// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ext/chain/receive_chain.hpp"

namespace dv {

/** Something about the workers that a person may care about. */
struct WorkerNotice {
  enum class Kind : std::uint8_t { started, restarted, ended, overload, log };
  Kind kind = Kind::started;
  std::int64_t pid = 0;
  std::string detail;  ///< why it was replaced; which confinement is in force; a line of its stderr
};

/**
 * What an engine makes. In process the calls come from the thread that called the engine; with
 * workers they come from any thread, with the pool's lock held, and must only queue and return.
 */
class EngineSink : public ChainSink {
 public:
  /** No more frames for now: whoever waits for them is to be woken now, not by each of them. */
  virtual void portion_end() {}
  /** Everything submitted before `drain(id)` or `forget(..., id)` has its verdict. */
  virtual void barrier(std::uint64_t id) = 0;
  /** The engine can not go on; `reason` is for people. At most once, nothing comes after it but
   * verdicts and barriers. */
  virtual void failed(const std::string &reason) = 0;
  virtual void notice(const WorkerNotice &notice) = 0;
};

/** Runs receive chains, in this process or in workers. Called from one thread at a time. */
class Engine {
 public:
  virtual ~Engine() = default;
  /** In order with the packets: what is submitted later finds these keys. */
  virtual void apply(const KeyUpdate &update) = 0;
  /** One batch; each packet gets one verdict with its tag, now or later. */
  virtual void submit(std::span<const PacketIn> packets) = 0;
  virtual void drain(std::uint64_t barrier) = 0;
  virtual void forget(SessionId session, Ssrc ssrc, std::uint64_t barrier) = 0;
  /** Everything unanswered gets the verdict `flushed` before this returns; barriers come back. */
  virtual void flush() = 0;
  /** When `advance` must be called at the latest (`EngineClock` time); kNever for workers. */
  virtual Time next_wakeup() const { return kNever; }
  virtual void advance() {}
  /** From any thread: processes at work. */
  virtual std::vector<std::int64_t> workers() const { return {}; }
  /** From any thread: nothing waits in here while it is on. */
  virtual void interrupt(bool) {}
};

/**
 * The time a chain lives in. Live streams follow the monotonic clock, whether packets come or not.
 * Recorded ones follow the arrival stamps alone: they can be played back at any speed, and
 * stopped, without a packet becoming late by that.
 */
class EngineClock {
 public:
  explicit EngineClock(bool live, Time start = Time(0)) : live_(live), now_(start) {}
  bool live() const { return live_; }
  void arrived(std::int64_t arrival) {
    if (!live_ && Time(arrival) > now_) now_ = Time(arrival);
  }
  /** Never goes back. */
  Time now() {
    if (live_) {
      const Time t = std::chrono::steady_clock::now().time_since_epoch();
      if (t > now_) now_ = t;
    }
    return now_;
  }

 private:
  bool live_;
  Time now_{0};
};

}  // namespace dv
