// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "gst/glue/pad_queue.hpp"
#include "gst/glue/ref.hpp"
#include "gst/reorder/reorder_input.hpp"
#include "gst/reorder/rtp_timeline.hpp"
#include "gst/reorder/sequence_rules.hpp"

namespace dv {

/** What travels through the sequence rules. */
struct ReorderItem {
  Ref<GstBuffer> buffer;
  bool concealed = false;
  bool silence = false;
};

struct ReorderCounters {
  SequenceCounters rules;
  std::uint64_t concealed = 0;  ///< of those in: made up by who was before us
  std::uint64_t overflow = 0;   ///< of those out: dropped since the branch did not keep up
  std::uint64_t unlinked = 0;   ///< of those out: nobody took them
  std::uint64_t pushed = 0;     ///< of those out: taken by the branch

  void add(const ReorderCounters &other);
  void write(GstStructure *s) const;
};

/**
 * One SSRC: its rules, its timeline, the queue of its pad, which owns a reference. Everything is
 * guarded by the lock of the Reorderer, except the queue (own lock) and the atomics.
 */
struct ReorderStream {
  ReorderStream(const SequenceConfig &rules_config, const TimelineConfig &timeline_config)
      : rules(rules_config), timeline(timeline_config) {}

  std::uint32_t session = 0;
  std::uint32_t ssrc = 0;
  std::uint8_t payload_type = 0;  ///< of its first packet
  std::atomic<UserId> user{0};
  bool frames_name_user = false;  ///< in their meta; otherwise the source info does alone
  std::string cname, name;

  SequenceBuffer<ReorderItem> rules;
  RtpTimeline timeline;
  struct Waiting {
    ReorderItem item;
    bool discont = false;
    std::uint64_t lost = 0, lost_samples = 0, lost_first = 0;
  };
  std::deque<Waiting> waiting;  ///< aligned with what the timeline has pending
  Waiting lost;                 ///< declared lost, to be told with the next frame

  Time deadline = kNever;  ///< as it is in the Reorderer's order of deadlines
  Time last_packet{};
  bool leaving = false;  ///< said to be gone; ends when it was quiet for a while
  bool ended = false;    ///< EOS is queued
  std::uint32_t last_rtp = 0;
  Time media_time{};  ///< made-up arrival for input without any time
  bool has_media_time = false;

  PadQueue queue;
  GstPad *pad = nullptr;                ///< while the element has it
  bool negotiated = false;              ///< whoever empties the queue
  std::atomic<bool> delivering{false};  ///< a thread empties the queue of a pad without a task
  std::atomic<bool> announced{false}, removed{false};
  std::atomic<int> flow{GST_FLOW_OK};
  std::uint64_t concealed = 0;
  std::atomic<std::uint64_t> overflow{0}, unlinked{0}, pushed{0};

  ReorderCounters counters() const;
};
using StreamRef = std::shared_ptr<ReorderStream>;

}  // namespace dv
