// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "gst/glue/ref.hpp"
#include "gst/glue/source_info.hpp"
#include "gst/reorder/reorder_stream.hpp"

namespace dv {

struct ReorderSettings {
  SequenceRuleSet rules = SequenceRuleSet::patient;
  std::uint32_t latency_ms = 120;
  std::uint32_t max_dropout = 3000;
  std::uint32_t max_misorder = 100;
  bool hold_first = true;
  std::uint32_t max_size_buffers = 1000;
  std::uint32_t gap_interval_ms = 0;
  bool pad_threads = true;
};

/**
 * What is behind rtpjitterreorder: streams, their deadlines, and what their pads get.
 *
 * Threads: the streaming thread calls `receive`, `event` and so on; one timer thread of its own
 * waits on the element's clock; each pad's task empties its queue or, without such tasks, `deliver`
 * does, called by either of the two once the lock is released. One lock, `mutex_`, guards the
 * streams; under it nothing is pushed, posted, emitted or queried: results go to the pads' queues,
 * which never block. New pads are handed to the caller, who adds them without any lock.
 */
class Reorderer {
 public:
  /** `deliver` empties the queue of a pad that has no task of its own. */
  explicit Reorderer(void (*deliver)(GstPad *)) : deliver_(deliver) {}
  ~Reorderer() { stop(); }
  Reorderer(const Reorderer &) = delete;
  Reorderer &operator=(const Reorderer &) = delete;

  void reset_stats();
  void start(const ReorderSettings &settings);
  /** Joins the timer thread and forgets the streams. */
  void stop();
  /** The clock to wait on, from PLAYING on; null takes it away. */
  void set_clock(GstClock *clock, GstClockTime base_time);
  void set_latency(std::uint32_t latency_ms);

  void set_caps(GstCaps *caps);
  void set_segment(const GstSegment &segment);
  void set_live(bool live);
  bool live() const;
  bool raw() const;

  struct Result {
    std::vector<StreamRef> opened;   ///< need a pad
    std::vector<StreamRef> touched;  ///< may be full
  };
  /** Takes the buffers of one hand-over: what came together is judged together. */
  Result receive(std::vector<Ref<GstBuffer>> buffers);
  void source_info(const SourceInfo &info);
  /** Ends the streams of an SSRC now. */
  void clear_ssrc(std::uint32_t ssrc);
  /** A serialized event for every pad, in order with the data. */
  void broadcast(GstEvent *event);
  /** Everything held goes out; then EOS on every pad. */
  void finish();
  void flush_start();
  void flush_stop();

  Ref<GstCaps> caps_for(const ReorderStream &stream) const;
  Ref<GstTagList> tags_for(const ReorderStream &stream) const;
  /** The stream's pad has been added to the element. */
  void remember_pad(ReorderStream &stream, GstPad *pad);
  /** Called after EOS was pushed. True if the pad may go. */
  bool may_remove(const ReorderStream &stream) const;
  void forget_pad(const ReorderStream &stream);
  /** The worst there is to tell upstream: an error or EOS only if all pads say so. */
  GstFlowReturn flow() const;
  GstStructure *stats() const;
  std::uint32_t max_size_buffers() const { return settings_.max_size_buffers; }
  bool pad_threads() const { return settings_.pad_threads; }

 private:
  using Key = std::pair<std::uint32_t, std::uint32_t>;  // session, ssrc

  /** The lock; what was put into queues under it is delivered after it is released. */
  class Delivery {
   public:
    explicit Delivery(Reorderer &owner) : owner_(owner), lock_(owner.mutex_) {}
    ~Delivery() { owner_.deliver_fed(lock_); }
    Delivery(const Delivery &) = delete;
    Delivery &operator=(const Delivery &) = delete;

   private:
    Reorderer &owner_;
    std::unique_lock<std::mutex> lock_;
  };

  void deliver_fed(std::unique_lock<std::mutex> &lock);
  TimelineConfig timeline_config() const;
  StreamRef find_or_open(const InputFrame &frame, Result &result);
  Time arrival_of(ReorderStream &stream, const InputFrame &frame);
  std::optional<Time> clock_now() const;
  void note_time(const InputFrame &frame, Time arrival);
  Time now() const;
  void admit(ReorderStream &stream, const InputFrame &frame, Ref<GstBuffer> buffer, Time arrival);
  void sort_actions(ReorderStream &stream, Time now);
  void pump(ReorderStream &stream, Time now, bool final);
  void emit(ReorderStream &stream, ReorderStream::Waiting waiting, const TimelinePlace &place,
            Time before);
  void emit_lost(ReorderStream &stream, const ReorderStream::Waiting &waiting, Time begin,
                 Time end);
  void put(ReorderStream &stream, GstMiniObject *item);
  void drain(ReorderStream &stream);
  void end_stream(ReorderStream &stream);
  void advance(Time now);
  Time gap_deadline(const ReorderStream &stream) const;
  void tell_silence(ReorderStream &stream, Time now);
  Time deadline_of(const ReorderStream &stream) const;
  void note_deadline(ReorderStream &stream);
  Time next_deadline() const;
  void timer_loop();
  void reschedule();

  void (*const deliver_)(GstPad *);
  mutable std::mutex mutex_;
  std::vector<Ref<GstPad>> fed_;  // to be delivered when the lock is released
  std::condition_variable wake_;
  std::thread timer_;
  bool stop_ = true;
  Ref<GstClock> clock_;
  GstClockTime base_time_ = 0;
  GstClockID waiting_on_ = nullptr;  // owned by the timer thread, unscheduled by others
  Time waiting_until_ = kNever;
  bool idle_ = false;  ///< the timer has nothing to wait for

  ReorderSettings settings_;
  InputFormat format_;
  Ref<GstCaps> caps_;
  GstSegment segment_{};
  bool live_ = false;
  bool flushing_ = false;
  Time time_{};                // latest arrival
  std::optional<Time> shift_;  // from the clock's running time to that of the arrivals
  std::map<Key, StreamRef> streams_;
  std::set<std::pair<Time, ReorderStream *>> deadlines_;  // of those that have one
  std::vector<StreamRef> all_;  // with those whose pad is still to be removed
  std::map<Key, SourceInfo> infos_;
  SequenceBuffer<ReorderItem>::Actions actions_;
  ReorderCounters retired_;
  std::uint64_t malformed_ = 0, refused_ = 0;
};

}  // namespace dv
