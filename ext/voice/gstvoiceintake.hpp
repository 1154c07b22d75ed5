// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <span>
#include <variant>
#include <vector>

#include "ext/voice/net/udp.hpp"
#include "gst/glue/ref.hpp"

namespace dv::voice {

/** Datagrams by what became of them; `received` is the sum of the others and of what is queued. */
struct IntakeStats {
  std::uint64_t received = 0;
  std::uint64_t bytes = 0;
  std::uint64_t delivered = 0;    ///< handed downstream
  std::uint64_t drop_paused = 0;  ///< the application wanted none
  std::uint64_t drop_not_playing = 0;
  std::uint64_t drop_overflow = 0;   ///< downstream did not keep up: the oldest went
  std::uint64_t drop_malformed = 0;  ///< too long, or shorter than an RTP header
  std::uint64_t drop_flushed = 0;    ///< still queued when the element stopped
  std::uint64_t queued = 0;
};

/**
 * The way from the receive thread (datagrams) and the network thread (events) to the streaming
 * thread. Bounded: what downstream does not take in time is dropped, the oldest first, and counted.
 */
class Intake {
 public:
  /** What `pop` took: an event, or the datagrams that were there, or neither with a flow. */
  struct Taken {
    GstFlowReturn flow = GST_FLOW_OK;
    Ref<GstBufferList> buffers;
    Ref<GstEvent> event;
  };

  /** `element` gives the running time; it outlives the intake. */
  explicit Intake(GstElement *element) : element_(element) {}

  /** Receive thread. False: nobody wants them now, they are counted as dropped. */
  bool push_media(SessionId session, std::span<const Datagram> datagrams);
  /** Any thread; ordered with the datagrams. */
  void push_event(Ref<GstEvent> event);
  /** What is queued is still delivered, then `pop` returns `flow`. The first call counts. */
  void finish(GstFlowReturn flow);
  /** The next buffer is the first after a loss of the connection. */
  void mark_discont();

  /** Streaming thread; waits. FLUSHING between set_flushing(true) and (false). */
  Taken pop();

  void set_flushing(bool flushing);
  void set_playing(bool playing);
  void set_paused(bool paused);
  bool paused() const;
  /** A new stream: nothing queued, everything zero. */
  void reset();
  /** The stream is over: what is queued is counted as flushed. */
  void clear();
  IntakeStats stats() const;

 private:
  using Item = std::variant<Ref<GstBuffer>, Ref<GstEvent>>;

  Ref<GstBuffer> make_buffer(SessionId session, const Datagram &datagram, GstClockTime now) const;
  bool drop_oldest_locked();
  bool waits_locked() const;

  GstElement *const element_;
  mutable std::mutex mutex_;  // guards everything below; never held across a call into GStreamer
                              // that takes a lock of its own
  std::condition_variable ready_;
  std::deque<Item> queue_;
  IntakeStats stats_;
  GstFlowReturn outcome_ = GST_FLOW_OK;
  bool flushing_ = false;
  bool playing_ = false;
  bool paused_ = false;
  bool discont_ = true;
};

}  // namespace dv::voice
