// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
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
  Time latency = 120ms;              ///< how long a hole may stay open; 0: nothing waits
  std::uint32_t max_dropout = 3000;  ///< larger jumps forward are restarts; at most 32767
  std::uint32_t max_misorder = 100;  ///< larger jumps back are restarts; at most 32767
  bool hold_first = true;            ///< the first frame waits for one that may precede it
  std::size_t max_held = 1024;       ///< frames held at once; beyond that the oldest hole gives up
};

/** Per stream; none of them ever goes down. */
struct SequenceCounters {
  std::uint64_t in = 0, out = 0, reordered = 0, filled = 0, late = 0, duplicate = 0, lost = 0,
                restarts = 0, flushed = 0, largest_displacement = 0;
};

/** What the caller knows about a frame besides its number. */
enum SequencePushFlag : std::uint8_t {
  kSequencePlain = 0,
  kSequenceFinal = 1,    ///< no lower number comes any more: do not wait for any
  kSequenceRestart = 2,  ///< the numbering starts anew with this frame
};

template <class Item>
struct SequenceAction {
  enum class Kind : std::uint8_t { deliver, lost, drop_late, drop_duplicate };

  Kind kind = Kind::deliver;
  bool discont = false;  ///< deliver: the first frame, or the one before it was not delivered
  bool restart = false;  ///< deliver: a new numbering starts here
  bool filled = false;   ///< deliver: came after a higher number
  std::uint64_t extended_seq = 0;  ///< of the frame; lost: of the first one
  std::uint64_t count = 0;         ///< lost: how many
  std::uint64_t lost_samples = 0;  ///< lost: duration by RTP time where that is plausible
  std::uint32_t rtp_time = 0;      ///< of the frame; lost: where the gap starts
  std::uint32_t samples = 0;       ///< of the frame
  Time arrival{};                  ///< `now` of its push
  Item item{};                     ///< deliver and drop: what was pushed
};

/**
 * Puts the frames of one SSRC in order of their RTP sequence numbers (docs/sequence-rules.md).
 *
 * Plain data structure: no clock, no thread, no lock. Time is passed in and must not run backwards
 * (an earlier `now` counts as the latest one seen). Every pushed item comes back in exactly one
 * `deliver` or `drop_*` action (or is discarded by `reset`), appended to the caller's vector, so
 * that `in = out + late + duplicate + flushed + held()` holds after every call.
 *
 * In-order frames cost no allocation, others O(log n). At most `max_held` items (and one that may
 * start a new numbering) are kept, whatever arrives.
 *
 * Extended numbers start at 65536 + the first number, so that their low 16 bits are those on the
 * wire; a restart goes on in the next free block of 65536, so that they increase for good.
 */
template <class Item>
class SequenceBuffer {
 public:
  using Action = SequenceAction<Item>;
  using Actions = std::vector<Action>;

  explicit SequenceBuffer(const SequenceConfig &config = {}) : config_(config) {
    config_.max_dropout = std::clamp<std::uint32_t>(config.max_dropout, 1, 32767);
    config_.max_misorder = std::clamp<std::uint32_t>(config.max_misorder, 1, 32767);
    config_.max_held = std::max<std::size_t>(config.max_held, 1);
  }

  /** Takes one frame; holes that timed out before `now` are settled first. */
  void push(Item item, std::uint16_t seq, std::uint32_t rtp_time, std::uint32_t samples, Time now,
            Actions &out, std::uint8_t flags = kSequencePlain) {
    tick(now);
    ++counters_.in;
    // A frame may have been held up on its way here, past time-outs that were told of meanwhile:
    // holes wait by the clock, but when its datagram arrived stays what it was.
    Entry entry{std::move(item), now, now_, {}, rtp_time, samples, false, false};
    // A frame that comes at the very moment of the time-out has come in time.
    expire(now_ - Time{1}, out);
    if (flags & kSequenceRestart) {
      restart(seq, std::move(entry), out);
    } else if (config_.rules == SequenceRuleSet::seed) {
      place_seed(seq, std::move(entry), flags, out);
    } else {
      place(seq, std::move(entry), flags, out);
    }
    expire(now_, out);
  }

  /** When `advance` has something to do; kNever if nothing waits or time-outs are held. */
  Time next_deadline() const {
    if (paused_) return kNever;
    Time next = probe_ ? probe_->entry.deadline : kNever;
    if (!held_.empty()) next = std::min(next, first_deadline());
    return next;
  }

  /** Settles every hole whose time is up. */
  void advance(Time now, Actions &out) {
    tick(now);
    expire(now_, out);
  }

  /** Everything held goes out in order, holes are declared lost. The numbering goes on. */
  void drain(Time now, Actions &out) {
    tick(now);
    release_all(out);
    if (probe_) settle_probe(out);
  }

  /** Forgets the stream (flush). `discard(Item)` is called for everything held. Counters go on. */
  template <class Discard>
  void reset(Discard &&discard) {
    for (auto &[n, entry] : held_) discard(std::move(entry.item));
    if (probe_) discard(std::move(probe_->entry.item));
    counters_.flushed += held();
    held_.clear();
    probe_.reset();
    delivered_.fill(0);
    started_ = seen_ = paused_ = last_known_ = false;
    discont_ = true;
  }
  void reset() {
    reset([](Item) {});
  }

  /**
   * While set, no hole times out: packets of this stream wait elsewhere (for keys), and it is not
   * known yet what they are. The bound on held items stays in force.
   */
  void hold(bool on) { paused_ = on; }
  bool on_hold() const { return paused_; }

  /** Whether a frame of this number would still be delivered (not late, not a duplicate). */
  bool is_open(std::uint16_t seq) const {
    if (!seen_) return true;
    const std::uint64_t n = extend(seq);
    if (is_jump(seq)) return true;
    return (!started_ || n >= next_) && !held_.contains(n);
  }

  /** The 64-bit number nearest to what has been seen. */
  std::uint64_t extend(std::uint16_t seq) const {
    return seen_ ? highest_ + static_cast<std::uint64_t>(std::int64_t{distance(seq)})
                 : kFirstBlock + seq;
  }

  std::size_t held() const { return held_.size() + (probe_ ? 1 : 0); }
  const SequenceCounters &counters() const { return counters_; }
  const SequenceConfig &config() const { return config_; }
  /** For holes that open from now on. */
  void set_latency(Time latency) { config_.latency = latency; }

 private:
  static constexpr std::uint64_t kFirstBlock = 65536;
  static constexpr Time kForever = std::chrono::hours(24 * 365);
  // A frame this near to one with a surprising number confirms a new numbering: the very next one
  // may be lost or have been overtaken.
  static constexpr int kProbeReach = 16;
  static constexpr std::size_t kHistoryBits = 1024;
  // The published rules recognise a wrap only between these (docs/sequence-rules.md).
  static constexpr std::uint16_t kSeedHigh = 65000, kSeedLow = 1000;

  struct Entry {
    Item item;
    Time arrival;
    Time since;     ///< when it came here
    Time deadline;  ///< of the hole directly below it; meaningless if there is none
    std::uint32_t rtp_time;
    std::uint32_t samples;
    bool filled;
    bool restart;
  };
  struct Probe {
    std::uint16_t seq;
    bool old_goes_on;  ///< frames of the old numbering came after it
    Entry entry;
  };

  void tick(Time now) { now_ = std::max(now_, now); }

  std::int16_t distance(std::uint16_t seq) const {
    return static_cast<std::int16_t>(
        static_cast<std::uint16_t>(seq - static_cast<std::uint16_t>(highest_)));
  }
  bool is_jump(std::uint16_t seq) const {
    const int d = distance(seq);
    return d > static_cast<int>(config_.max_dropout) || d < -static_cast<int>(config_.max_misorder);
  }
  Time deadline_from(Time since) const {
    return config_.latency >= kForever ? kNever : since + config_.latency;
  }
  Time first_deadline() const {
    return config_.rules == SequenceRuleSet::seed ? seed_deadline_ : held_.begin()->second.deadline;
  }

  // --- patient ---

  void place(std::uint16_t seq, Entry entry, std::uint8_t flags, Actions &out) {
    if (!seen_) {
      begin(kFirstBlock + seq);
      const bool may_wait = config_.hold_first && !(flags & kSequenceFinal);
      if (!may_wait) start_at(highest_);
      return insert(highest_, std::move(entry), out);
    }
    if (is_jump(seq)) {
      // Who knows that nothing lower comes needs no second frame to believe in a new numbering.
      if (flags & kSequenceFinal) return restart(seq, std::move(entry), out);
      return jump(seq, std::move(entry), out);
    }
    const std::uint64_t n = extend(seq);
    if (probe_ && n > highest_) probe_->old_goes_on = true;
    if (refused(n, entry, out)) return;
    if (flags & kSequenceFinal) release_below(n, out);
    note_order(n, entry);
    insert(n, std::move(entry), out);
    if (held_.size() > config_.max_held) give_up_first_hole(out);
  }

  /** Drops what was delivered or is held already, and what comes after its hole was given up. */
  bool refused(std::uint64_t n, Entry &entry, Actions &out) {
    if (started_ && n < next_) {
      const bool duplicate = was_delivered(n);
      if (!duplicate) note_order(n, entry);
      drop(n, std::move(entry), duplicate, out);
      return true;
    }
    if (held_.contains(n)) {
      drop(n, std::move(entry), true, out);
      return true;
    }
    return false;
  }

  void insert(std::uint64_t n, Entry entry, Actions &out) {
    if (started_ && n == next_) {
      deliver(n, std::move(entry), out);
      return release_contiguous(out);
    }
    auto above = held_.upper_bound(n);
    // Inside a hole the time runs since the first frame behind it, not since this one.
    entry.deadline = above != held_.end() ? above->second.deadline : deadline_from(entry.since);
    held_.emplace_hint(above, n, std::move(entry));
  }

  void jump(std::uint16_t seq, Entry entry, Actions &out) {
    if (probe_) {
      const int d = static_cast<std::int16_t>(static_cast<std::uint16_t>(seq - probe_->seq));
      if (d == 0) return drop(extend(seq), std::move(entry), true, out);
      if (d >= -kProbeReach && d <= kProbeReach) {
        Probe probe = std::move(*probe_);
        probe_.reset();
        if (d > 0) {
          restart(probe.seq, std::move(probe.entry), out);
          return follow(next_ - 1 + static_cast<std::uint64_t>(d), std::move(entry), out);
        }
        restart(seq, std::move(entry), out);
        return follow(next_ - 1 + static_cast<std::uint64_t>(-d), std::move(probe.entry), out);
      }
      drop(extend(probe_->seq), std::move(probe_->entry), false, out);
    }
    entry.deadline = deadline_from(entry.since);
    probe_.emplace(Probe{seq, false, std::move(entry)});
  }

  void follow(std::uint64_t n, Entry entry, Actions &out) {
    note_order(n, entry);
    insert(n, std::move(entry), out);
  }

  /** Nobody confirmed it: believed if the old numbering fell silent and it is not just very late.
   */
  void settle_probe(Actions &out) {
    Probe probe = std::move(*probe_);
    probe_.reset();
    const bool back = distance(probe.seq) < 0;
    const bool older =
        last_known_ && static_cast<std::int32_t>(probe.entry.rtp_time - last_rtp_) < 0;
    if (probe.old_goes_on || (back && older)) {
      return drop(extend(probe.seq), std::move(probe.entry), false, out);
    }
    restart(probe.seq, std::move(probe.entry), out);
  }

  void restart(std::uint16_t seq, Entry entry, Actions &out) {
    release_all(out);
    if (probe_) {
      drop(extend(probe_->seq), std::move(probe_->entry), false, out);
      probe_.reset();
    }
    if (seen_) {
      ++counters_.restarts;
      entry.restart = true;
      begin(((highest_ >> 16) + 1) << 16 | seq);
    } else {
      begin(kFirstBlock + seq);
    }
    start_at(highest_);
    discont_ = true;
    last_known_ = false;
    delivered_.fill(0);
    deliver(highest_, std::move(entry), out);
  }

  // --- seed: the rules as published, number by number ---

  void place_seed(std::uint16_t seq, Entry entry, std::uint8_t flags, Actions &out) {
    if (!started_) {
      begin(kFirstBlock + seq);
      start_at(highest_);
      return deliver(highest_, std::move(entry), out);
    }
    const std::uint64_t n = extend_seed(seq);
    if (refused(n, entry, out)) return;
    if (flags & kSequenceFinal) release_below(n, out);
    note_order(n, entry);
    if (n == next_) {
      deliver(n, std::move(entry), out);
      return release_all(out);
    }
    if (held_.empty()) seed_deadline_ = deadline_from(entry.since);
    held_.emplace(n, std::move(entry));
    if (held_.size() > config_.max_held) release_all(out);
  }

  /**
   * The wrap rule: `last` >= 65000 and a number <= 1000 is a wrap; the other way round it is a
   * frame from before the wrap, which the rules forget. Everything else counts as the same block.
   */
  std::uint64_t extend_seed(std::uint16_t seq) const {
    const std::uint64_t last = next_ - 1;
    const std::uint64_t block = last & ~std::uint64_t{0xffff};
    const auto low = static_cast<std::uint16_t>(last);
    if (low >= kSeedHigh && seq <= kSeedLow) return block + 65536 + seq;
    if (low <= kSeedLow && seq >= kSeedHigh) return block - 65536 + seq;
    return block + seq;
  }

  // --- both ---

  void begin(std::uint64_t n) {
    seen_ = true;
    highest_ = n;
  }
  void start_at(std::uint64_t n) {
    started_ = true;
    next_ = n;
  }

  void note_order(std::uint64_t n, Entry &entry) {
    if (n > highest_) {
      highest_ = n;
      return;
    }
    entry.filled = true;
    ++counters_.reordered;
    counters_.largest_displacement = std::max(counters_.largest_displacement, highest_ - n);
  }

  void expire(Time now, Actions &out) {
    if (paused_) return;
    while (!held_.empty() && first_deadline() <= now) {
      if (config_.rules == SequenceRuleSet::seed) {
        release_all(out);
      } else {
        give_up_first_hole(out);
      }
    }
    if (probe_ && probe_->entry.deadline <= now) settle_probe(out);
  }

  void give_up_first_hole(Actions &out) {
    lose_up_to_first(out);
    release_contiguous(out);
  }

  void release_contiguous(Actions &out) {
    while (!held_.empty() && held_.begin()->first == next_) deliver_first(out);
  }
  void release_below(std::uint64_t n, Actions &out) {
    while (!held_.empty() && held_.begin()->first < n) give_up_first_hole(out);
    if (!started_) start_at(n);
    if (n > next_) lose(n, nullptr, out);
  }
  void release_all(Actions &out) {
    while (!held_.empty()) give_up_first_hole(out);
  }

  void lose_up_to_first(Actions &out) {
    auto first = held_.begin();
    if (!started_) start_at(first->first);
    if (first->first > next_) lose(first->first, &first->second, out);
  }

  void lose(std::uint64_t end, const Entry *behind, Actions &out) {
    Action action;
    action.kind = Action::Kind::lost;
    action.extended_seq = next_;
    action.count = end - next_;
    action.rtp_time = last_rtp_ + last_samples_;
    action.lost_samples = lost_samples(action.count, behind);
    action.arrival = behind ? behind->arrival : now_;
    out.push_back(std::move(action));
    counters_.lost += end - next_;
    if (end - next_ >= kHistoryBits) {
      delivered_.fill(0);
    } else {
      for (std::uint64_t n = next_; n < end; ++n) mark(n, false);
    }
    next_ = end;
    discont_ = true;
  }

  /** By RTP time, unless a pause or a restart of the clock lies in the gap. */
  std::uint64_t lost_samples(std::uint64_t count, const Entry *behind) const {
    const std::uint64_t guess = count * last_samples_;
    if (!behind || !last_known_) return guess;
    const std::uint32_t gap = behind->rtp_time - (last_rtp_ + last_samples_);
    return gap > 0 && gap < 0x80000000u && gap <= 2 * guess ? gap : guess;
  }

  void deliver_first(Actions &out) {
    auto node = held_.extract(held_.begin());
    deliver(node.key(), std::move(node.mapped()), out);
  }

  void deliver(std::uint64_t n, Entry entry, Actions &out) {
    mark(n, true);
    next_ = n + 1;
    last_rtp_ = entry.rtp_time;
    last_samples_ = entry.samples;
    last_known_ = true;
    ++counters_.out;
    if (entry.filled) ++counters_.filled;
    Action action = make(Action::Kind::deliver, n, std::move(entry));
    action.discont = std::exchange(discont_, false);
    out.push_back(std::move(action));
  }

  void drop(std::uint64_t n, Entry entry, bool duplicate, Actions &out) {
    ++(duplicate ? counters_.duplicate : counters_.late);
    out.push_back(make(duplicate ? Action::Kind::drop_duplicate : Action::Kind::drop_late, n,
                       std::move(entry)));
  }

  static Action make(typename Action::Kind kind, std::uint64_t n, Entry entry) {
    Action action;
    action.kind = kind;
    action.restart = entry.restart;
    action.filled = entry.filled;
    action.extended_seq = n;
    action.rtp_time = entry.rtp_time;
    action.samples = entry.samples;
    action.arrival = entry.arrival;
    action.item = std::move(entry.item);
    return action;
  }

  void mark(std::uint64_t n, bool delivered) {
    const std::uint64_t bit = std::uint64_t{1} << (n % 64);
    auto &word = delivered_[n % kHistoryBits / 64];
    word = delivered ? word | bit : word & ~bit;
  }
  bool was_delivered(std::uint64_t n) const {
    if (next_ - n > kHistoryBits) return false;
    return delivered_[n % kHistoryBits / 64] >> (n % 64) & 1;
  }

  SequenceConfig config_;
  SequenceCounters counters_;
  std::map<std::uint64_t, Entry> held_;
  std::optional<Probe> probe_;
  std::array<std::uint64_t, kHistoryBits / 64> delivered_{};
  Time now_ = Time::min();
  Time seed_deadline_ = kNever;
  std::uint64_t highest_ = 0;  ///< highest number seen
  std::uint64_t next_ = 0;     ///< everything below is settled
  std::uint32_t last_rtp_ = 0, last_samples_ = 0;
  bool seen_ = false;     ///< highest_ is valid
  bool started_ = false;  ///< next_ is valid
  bool paused_ = false;
  bool discont_ = true;
  bool last_known_ = false;
};

}  // namespace dv
