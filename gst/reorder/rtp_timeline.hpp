// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "ext/wire/ids.hpp"

namespace dv {

/** One frame as it comes out of the sequence rules. */
struct TimelineFrame {
  std::uint64_t extended_seq = 0;
  std::uint32_t rtp_time = 0;  ///< in units of the clock rate
  std::uint32_t samples = 0;   ///< duration in units of the clock rate; 0: not known
  Time arrival{};              ///< running time at which its datagram was received
  bool restart = false;        ///< a new numbering starts here
  bool concealed = false;      ///< made up: its arrival says nothing
  bool silence = false;        ///< marks the end of a talk spurt
};

struct TimelinePlace {
  Time pts{};
  Time duration{};        ///< up to where the next frame of the same spurt begins
  bool anchored = false;  ///< not simply the continuation of the frame before it
};

struct TimelineConfig {
  std::uint32_t clock_rate = 48000;
  /** How long the first frame waits for others, to tell its own delay from theirs. */
  Time first_wait{};
  /**
   * How long after its own time a frame that has to be placed by arrival alone may wait, as long as
   * delays that differ a lot leave open by tens of milliseconds where it belongs.
   */
  Time anchor_wait{};
  /** How long a frame may wait when it is open whether the speaker paused or the network stalled.
   */
  Time doubt_wait{};
};

/**
 * Least delay seen, as the offset of arrival from RTP time. Old minima lose weight by as much as
 * the sender's clock can have drifted since; the drift itself is learned from minima over minutes.
 */
class OffsetEstimator {
 public:
  void reset();
  void observe(Time arrival, Time offset);
  bool empty() const { return buckets_.empty(); }
  /** The best guess for a packet that arrives at `arrival` with no queueing at all. */
  Time estimate(Time arrival) const;
  /** Mean delay beyond the least one. */
  Time mean_excess() const { return Time{static_cast<std::int64_t>(excess_)}; }

 private:
  struct Bucket {
    Time since, best_at, offset;
  };
  void close_bucket(const Bucket &bucket);
  void fit();

  std::deque<Bucket> buckets_;   // a second of talk each
  std::vector<Bucket> history_;  // minima at least 20 s apart, for the drift
  double slope_ = 0, margin_ = 250e-6;
  double excess_ = 0;
};

/**
 * Places the frames of one RTP stream on the running time (docs/timeline.md).
 *
 * Inside a talk spurt the RTP clock alone decides: frames follow each other exactly. Between spurts
 * the least-delay estimate of the arrival times anchors. Output never overlaps and never runs back,
 * and every pushed frame is popped once, in order.
 *
 * Pure: no clock, no thread. `now` is on the same axis as `arrival`.
 */
class RtpTimeline {
 public:
  explicit RtpTimeline(const TimelineConfig &config = {});

  void push(const TimelineFrame &frame, Time now);
  /**
   * The place of the oldest frame not yet popped. Nothing while it is worth waiting for the next
   * frames (until `next_deadline`); `final` ends all waiting.
   */
  std::optional<TimelinePlace> pop(Time now, bool final = false);
  Time next_deadline() const;
  std::size_t pending() const { return queue_.size(); }
  /** Where a frame that follows directly would be placed. */
  Time end() const { return end_; }
  /** Whether a frame was placed since the start. */
  bool started() const { return !first_; }
  /** Nothing will be placed before `time` any more: it was told to be silent. */
  void skip_to(Time time) { end_ = std::max(end_, time); }
  /** Starts anew at the same zero (flush): nothing pending, nothing known. */
  void reset();

 private:
  struct Pending {
    TimelineFrame frame;
    Time received;
    std::int64_t position = 0;  // RTP time, unwrapped
    Time offset{};              // arrival - position
    bool opens = false;         // a segment: its RTP time does not continue the one before
    bool judged = false;        // the doubt was settled: the network's fault
  };

  struct Delays {
    std::size_t frames = 0;
    Time least{}, most{}, spread{};
    bool burst = false;
  };

  Time to_time(std::int64_t units) const;
  void look();
  bool unwrap(Pending &p, const Pending *before) const;
  bool doubtful(const Pending &p) const;
  std::optional<bool> is_pause(const Pending &p, Time now, bool final);
  bool open_segment(Time now, bool final);
  TimelinePlace anchor(Time pts);
  TimelinePlace rebase(Time pts);
  TimelinePlace follow(Time pts);
  TimelinePlace continue_spurt();
  bool gap_is_loss(const Pending &p);
  bool stays_late(const Pending &p);
  Delays delays() const;
  Time bias(const Delays &d) const;
  bool settled(const Delays &d) const;

  TimelineConfig config_;
  OffsetEstimator estimator_;
  std::deque<Pending> queue_;
  std::size_t looked_ = 0;  // entries of the queue that are unwrapped and observed
  std::optional<Pending> last_;
  std::int64_t last_samples_ = 0;
  // The grid of the current spurt.
  std::int64_t spurt_position_ = 0;
  Time spurt_pts_{};
  Time end_{};
  Time speech_since_{};
  bool first_ = true;
  bool keeps_clock_ = false, drops_clock_ = false;
  std::uint32_t late_run_ = 0;
  Time late_first_{}, late_least_{};
  Time wait_until_ = kNever;
};

}  // namespace dv
