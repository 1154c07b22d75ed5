// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/reorder/rtp_timeline.hpp"

#include <algorithm>
#include <cmath>

namespace dv {
namespace {

// A delay that grows by this much from one frame to the next is no jitter any more.
constexpr Time kDoubt = 150ms;
// After a spurt was ended by silence, or by senders known to stop their clock, less will do.
constexpr Time kDoubtAfterSilence = 60ms;
// Without a hint, longer than this is believed to be a pause.
constexpr Time kLongestStall = 2500ms;
// RTP time that runs ahead of real time by this much is no early packet any more.
constexpr Time kAhead = 300ms;
// A gap that a spurt can carry on with is at most this much per missing number (RFC 6716: 120 ms).
constexpr std::int64_t kLongestFrameMs = 120;
constexpr Time kKnowsPause = 200ms;
constexpr Time kKeepGrid = std::chrono::microseconds(500);
constexpr Time kLongSpeech = 10s;
constexpr Time kSlack = 10ms;
// More than any clock drifts, and less than half a sample per frame of 20 ms.
constexpr double kSlip = 500e-6;
constexpr std::uint32_t kLateRun = 12;
constexpr Time kLateShift = 100ms;
// Grace for frames that are already on their way here in the same burst.
constexpr Time kBurst = 15ms;
// A frame whose delay is that much less than an earlier one's was sent into the same stall.
constexpr Time kCaughtUp = 60ms;
// How far an anchor may be from the truth, and how rarely it may be further.
constexpr Time kTolerance = 20ms;
constexpr double kRisk = 1e-4;
// From fewer frames than this their spread can not be told.
constexpr std::size_t kFewest = 4;

constexpr std::size_t kBuckets = 16;
constexpr Time kBucketLength = 1s;
constexpr std::size_t kHistory = 64;
constexpr Time kHistoryStep = 20s;
constexpr double kWorstDrift = 250e-6;

double seconds(Time t) { return std::chrono::duration<double>(t).count(); }
Time scaled(Time t, double factor) {
  return Time{static_cast<std::int64_t>(std::llround(static_cast<double>(t.count()) * factor))};
}

}  // namespace

void OffsetEstimator::reset() {
  // What was learned about the sender's clock and the network stays.
  buckets_.clear();
  history_.clear();
}

void OffsetEstimator::observe(Time arrival, Time offset) {
  if (!buckets_.empty()) {
    const auto excess = static_cast<double>(std::max(Time{}, offset - estimate(arrival)).count());
    excess_ += (std::min(excess, 80e6) - excess_) / 32;
  }
  if (buckets_.empty() || arrival - buckets_.back().since >= kBucketLength) {
    if (!buckets_.empty()) close_bucket(buckets_.back());
    buckets_.push_back({arrival, arrival, offset});
    if (buckets_.size() > kBuckets) buckets_.pop_front();
  } else if (offset < buckets_.back().offset) {
    buckets_.back().best_at = arrival;
    buckets_.back().offset = offset;
  }
}

Time OffsetEstimator::estimate(Time arrival) const {
  Time best = Time::max();
  for (const Bucket &b : buckets_) {
    best =
        std::min(best, b.offset + scaled(std::max(Time{}, arrival - b.best_at), slope_ + margin_));
  }
  return best;
}

void OffsetEstimator::close_bucket(const Bucket &bucket) {
  if (!history_.empty() && bucket.since - history_.back().since < kHistoryStep) {
    Bucket &last = history_.back();
    if (bucket.offset < last.offset) {
      last.best_at = bucket.best_at;
      last.offset = bucket.offset;
    }
    return;
  }
  if (history_.size() >= 2) fit();
  if (history_.size() == kHistory) {
    for (std::size_t i = 0; i < kHistory / 2; ++i) history_[i] = history_[2 * i];
    history_.resize(kHistory / 2);
  }
  history_.push_back(bucket);
}

void OffsetEstimator::fit() {
  const Bucket &origin = history_.front();
  const double span = seconds(history_.back().best_at - origin.best_at);
  if (span < 60 || history_.size() < 4) return;
  double n = 0, sx = 0, sy = 0, sxx = 0, sxy = 0;
  for (const Bucket &b : history_) {
    const double x = seconds(b.best_at - origin.best_at), y = seconds(b.offset - origin.offset);
    n += 1, sx += x, sy += y, sxx += x * x, sxy += x * y;
  }
  const double det = n * sxx - sx * sx;
  if (det <= 0) return;
  slope_ = std::clamp((n * sxy - sx * sy) / det, -kWorstDrift, kWorstDrift);
  margin_ = std::min(kWorstDrift, 10e-6 + 5e-3 / span);
}

RtpTimeline::RtpTimeline(const TimelineConfig &config) : config_(config) {
  if (config_.clock_rate == 0) config_.clock_rate = 48000;
}

Time RtpTimeline::to_time(std::int64_t units) const {
  const std::int64_t rate = config_.clock_rate;
  // Split, since 2^31 units times 10^9 do not fit.
  const std::int64_t whole = units / rate, rest = units % rate;
  return Time{whole * 1'000'000'000 + rest * 1'000'000'000 / rate};
}

void RtpTimeline::push(const TimelineFrame &frame, Time now) {
  queue_.push_back({frame, now});
  // Its arrival is that of the frame behind it, which was sent that much later.
  if (frame.concealed) queue_.back().frame.arrival -= to_time(frame.samples);
  look();
}

Time RtpTimeline::next_deadline() const { return queue_.empty() ? kNever : wait_until_; }

void RtpTimeline::reset() {
  const Time end = end_;
  *this = RtpTimeline(config_);
  end_ = end;
}

/** Unwraps and observes what is queued, up to where a new segment opens behind the front. */
void RtpTimeline::look() {
  for (; looked_ < queue_.size(); ++looked_) {
    Pending &p = queue_[looked_];
    const Pending *before = looked_ ? &queue_[looked_ - 1] : last_ ? &*last_ : nullptr;
    if (!p.opens) p.opens = unwrap(p, before);
    if (p.opens) {
      if (looked_ > 0) return;
      p.position = 0;
      p.offset = p.frame.arrival;
      estimator_.reset();
    }
    if (p.opens || !p.frame.concealed) estimator_.observe(p.frame.arrival, p.offset);
  }
}

/** True if `p` can not be on the same RTP clock as the frame before it. */
bool RtpTimeline::unwrap(Pending &p, const Pending *before) const {
  if (!before || p.frame.restart) return true;
  const auto delta = static_cast<std::int32_t>(p.frame.rtp_time - before->frame.rtp_time);
  if (delta <= 0 && p.frame.extended_seq != before->frame.extended_seq) return true;
  p.position = before->position + delta;
  p.offset = p.frame.arrival - to_time(p.position);
  return !estimator_.empty() && p.offset < estimator_.estimate(p.frame.arrival) - kAhead;
}

std::optional<TimelinePlace> RtpTimeline::pop(Time now, bool final) {
  wait_until_ = kNever;
  if (queue_.empty()) return std::nullopt;
  if (looked_ == 0) look();
  Pending &front = queue_.front();
  if (!front.opens && !front.judged && doubtful(front)) {
    const auto pause = is_pause(front, now, final);
    if (!pause) return std::nullopt;
    if (*pause) {
      drops_clock_ = true;
      front.opens = true;
      looked_ = 0;
      look();
    } else {
      front.judged = true;
    }
  }
  if (!front.opens) return continue_spurt();
  if (!open_segment(now, final)) return std::nullopt;
  Time start = to_time(front.position) + estimator_.estimate(front.frame.arrival) - bias(delays());
  // Senders that stop their clock over a pause can not be ahead of it either.
  return anchor(std::max({start, end_, Time{}}));
}

/** What the frames of the new segment tell about the delays on their way. */
RtpTimeline::Delays RtpTimeline::delays() const {
  Delays d{looked_, Time::max(), Time::min()};
  for (std::size_t i = 0; i < looked_; ++i) {
    d.least = std::min(d.least, queue_[i].offset);
    d.most = std::max(d.most, queue_[i].offset);
  }
  d.burst = queue_.front().offset - d.least >= kDoubt;
  d.spread = std::max(d.most - d.least, first_ ? Time{} : 2 * estimator_.mean_excess());
  return d;
}

/**
 * The least of few delays is still too much. What is taken off is what keeps both errors, too early
 * and too late, within the tolerance: too early is at most what was taken off.
 */
Time RtpTimeline::bias(const Delays &d) const {
  // A burst after a stall: its last frame has caught up, there is nothing to guess.
  if (d.burst || (first_ && d.frames < kFewest)) return Time{};
  const auto frames = static_cast<std::int64_t>(d.frames);
  return std::min(kTolerance, std::max(d.spread / 4, d.spread / (frames + 1)));
}

/**
 * Whether another frame would hardly tell more. If n delays, equally distributed, spread over R,
 * the least possible is lower than the least seen by more than x with probability
 * (1 + x/R)^-(n-1).
 */
bool RtpTimeline::settled(const Delays &d) const {
  if (d.burst) return true;
  if (first_ ? d.frames < kFewest : d.spread <= kTolerance) return !first_;
  if (d.spread <= Time{}) return true;
  const double x = seconds(bias(d) + kTolerance) / seconds(d.spread);
  return static_cast<double>(d.frames - 1) * std::log1p(x) >= -std::log(kRisk);
}

/** Whether enough is known to anchor; otherwise sets until when to wait. */
bool RtpTimeline::open_segment(Time now, bool final) {
  if (final) return true;
  const Pending &front = queue_.front();
  if (first_ && config_.first_wait > Time{}) {
    const Time until = std::max(front.frame.arrival + config_.first_wait, front.received + kBurst);
    const Time seen = queue_.back().frame.arrival - front.frame.arrival;
    if (now < until && seen < config_.first_wait) {
      wait_until_ = until;
      return false;
    }
  }
  if (config_.anchor_wait <= Time{}) return true;
  const Delays d = delays();
  const Time until = to_time(front.position) + d.least + config_.anchor_wait;
  if (now >= until || settled(d)) return true;
  wait_until_ = until;
  return false;
}

bool RtpTimeline::doubtful(const Pending &p) const {
  if (p.frame.concealed || !last_) return false;
  const Time limit = last_->frame.silence || drops_clock_
                         ? std::min(kDoubt, kDoubtAfterSilence + 2 * estimator_.mean_excess())
                         : kDoubt;
  const Time late = p.offset - estimator_.estimate(p.frame.arrival);
  return late >= limit && p.offset - last_->offset >= limit;
}

/**
 * The frame came late by its RTP time. After a stall others follow in a burst and the delay is gone
 * at once; after a pause through which the sender's clock stood still they keep their distance.
 */
std::optional<bool> RtpTimeline::is_pause(const Pending &p, Time now, bool final) {
  const Time late = p.offset - estimator_.estimate(p.frame.arrival);
  Time least = p.offset;
  for (std::size_t i = 0; i < looked_; ++i) least = std::min(least, queue_[i].offset);
  const Pending &back = queue_[looked_ - 1];
  const Time sent = to_time(back.position - p.position);
  const Time real = back.frame.arrival - p.frame.arrival;
  // Jitter alone makes up for no more than its own spread.
  const Time caught_up = p.offset - least;
  const Time jitter = 2 * estimator_.mean_excess();
  if (caught_up >= std::min(kCaughtUp + jitter, late * 3 / 4)) return false;
  const bool enough = looked_ > 2 && sent > jitter;
  const bool keeps_distance = enough && 2 * caught_up - jitter <= sent;
  if (keeps_distance && real >= config_.doubt_wait) return true;
  const Time until = p.received + config_.doubt_wait * (enough ? 1 : 3);
  if (!final && now < until) {
    wait_until_ = until;
    return std::nullopt;
  }
  if (keeps_distance) return true;
  if (last_->frame.silence || drops_clock_) return true;
  return !keeps_clock_ && late > kLongestStall;
}

TimelinePlace RtpTimeline::anchor(Time pts) {
  first_ = false;
  speech_since_ = pts;
  late_run_ = 0;
  return rebase(pts);
}

TimelinePlace RtpTimeline::rebase(Time pts) {
  spurt_position_ = queue_.front().position;
  spurt_pts_ = pts;
  TimelinePlace placed = follow(pts);
  placed.anchored = true;
  return placed;
}

TimelinePlace RtpTimeline::follow(Time pts) {
  const Pending &p = queue_.front();
  last_samples_ = p.frame.samples;
  end_ = spurt_pts_ + to_time(p.position + last_samples_ - spurt_position_);
  if (!p.frame.concealed || !last_) {
    last_ = p;
  } else {
    // A made-up frame moves the position, but its arrival is another's.
    last_->position = p.position;
    last_->frame.extended_seq = p.frame.extended_seq;
    last_->frame.rtp_time = p.frame.rtp_time;
  }
  queue_.pop_front();
  --looked_;
  return {pts, end_ - pts, false};
}

/** Whether the missing numbers account for the gap in RTP time; otherwise it is a pause. */
bool RtpTimeline::gap_is_loss(const Pending &p) {
  const std::int64_t delta = p.position - last_->position;
  const std::int64_t longest = kLongestFrameMs * config_.clock_rate / 1000;
  if (last_samples_ == 0 && delta <= longest) last_samples_ = delta;
  const std::int64_t gap = delta - last_samples_;
  if (gap <= 0) return true;
  const auto missing =
      static_cast<std::int64_t>(p.frame.extended_seq - last_->frame.extended_seq) - 1;
  const std::int64_t usual = std::max<std::int64_t>(last_samples_, p.frame.samples);
  if (missing > 0 && gap <= missing * std::min(longest, 2 * usual)) return true;
  if (to_time(gap) > kKnowsPause) keeps_clock_ = true;
  return false;
}

TimelinePlace RtpTimeline::continue_spurt() {
  const Pending &p = queue_.front();
  const bool loss = gap_is_loss(p);
  const Time grid = spurt_pts_ + to_time(p.position - spurt_position_);
  const Time estimate = to_time(p.position) + estimator_.estimate(p.frame.arrival);
  if (!loss) {
    // Never more silence than real time has passed.
    const Time start = std::max(end_, std::min(estimate, p.frame.arrival));
    if (grid >= end_ && std::chrono::abs(start - grid) <= kKeepGrid) {
      speech_since_ = grid;
      return follow(grid);
    }
    return anchor(start);
  }
  const Time pts = std::max(grid, end_);
  if (stays_late(p)) {
    const Time least = late_least_;
    drops_clock_ = true;
    estimator_.reset();
    estimator_.observe(p.frame.arrival, least);
    return anchor(std::max(pts, to_time(p.position) + least));
  }
  if (pts != grid) return rebase(pts);
  const Time behind = estimate - pts;
  if (std::chrono::abs(behind) > kSlack && pts - speech_since_ > kLongSpeech) {
    // This frame's duration, and with it the place of all that follow.
    spurt_pts_ += scaled(to_time(p.frame.samples), behind > Time{} ? kSlip : -kSlip);
  }
  return follow(pts);
}

/** A dozen frames in a row and not one as early as the estimate: the sender's clock stood still. */
bool RtpTimeline::stays_late(const Pending &p) {
  if (p.frame.concealed) return false;
  const Time late = p.offset - estimator_.estimate(p.frame.arrival);
  if (late < kLateShift) {
    late_run_ = 0;
    return false;
  }
  if (late_run_ == 0) late_first_ = late_least_ = p.offset;
  late_least_ = std::min(late_least_, p.offset);
  if (++late_run_ < kLateRun) return false;
  // A burst that is catching up shows falling delays.
  if (late_first_ - late_least_ < kLateShift) return true;
  late_run_ = 0;
  return false;
}

}  // namespace dv
