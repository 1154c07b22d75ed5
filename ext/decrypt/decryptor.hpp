// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "ext/decrypt/decrypt_settings.hpp"
#include "ext/decrypt/output_queue.hpp"
#include "ext/decrypt/pool/engine.hpp"
#include "ext/decrypt/pool/stats_book.hpp"
#include "ext/decrypt/user_filter.hpp"
#include "gst/glue/ref.hpp"

GST_DEBUG_CATEGORY_EXTERN(discorddecrypt_debug);
#define GST_CAT_DEFAULT discorddecrypt_debug

namespace dv {

/**
 * What discorddecrypt does, without its GObject: datagrams in, results and events out.
 *
 * Threads: the streaming thread submits; the task of the source pad waits (for results of workers,
 * for a hole to run out, for keys) and pushes. In process both push, in order, each under the
 * stream lock of the sink pad; with workers only the task pushes. Results come from any thread.
 */
class Decryptor final : private EngineSink {
 public:
  Decryptor(GstElement *element, GstPad *sink, GstPad *src);
  ~Decryptor() override;

  // Application and state-change threads.
  /** READY -> PAUSED, before the pads are activated. False: an error was posted. */
  bool start(const DecryptSettings &settings);
  /** PAUSED -> READY, before the pads are deactivated: nothing waits any more. */
  void unblock();
  /** PAUSED -> READY, after it. */
  void stop();
  void reset_stats();
  GstStructure *stats() const;
  /** What the element adds to the latency of a live pipeline. */
  GstClockTime latency() const { return latency_.load(); }
  /** The application's `rtcp_src`, or null. */
  void set_rtcp_pad(GstPad *pad);

  // Streaming thread.
  GstFlowReturn chain(GstBuffer *buffer);
  GstFlowReturn chain_list(GstBufferList *list);
  /** Takes the event. */
  gboolean sink_event(GstEvent *event);
  /** Starts the task of the source pad: on activation, and again after a flush. */
  gboolean start_task();

  // Any thread.
  /** The task has something to look at. */
  void wake() { output_.wake(); }

 private:
  // EngineSink
  void frame(const FrameOut &frame) override;
  void verdict(SessionId session, Ssrc ssrc, std::uint64_t tag, Verdict verdict) override;
  void lost(SessionId session, Ssrc ssrc, std::uint64_t first_seq, std::uint64_t count,
            std::uint64_t concealed) override;
  void portion_end() override { output_.wake(); }
  void barrier(std::uint64_t id) override;
  void failed(const std::string &reason) override;
  void notice(const WorkerNotice &notice) override;

  bool in_process() const { return settings_.max_workers == 0; }
  /** One round of the task; false ends it. */
  bool loop();
  bool prepare();
  bool negotiate();
  bool make_engine();
  void read_upstream_latency();
  void take_datagram(GstBuffer *buffer);
  void submit();
  bool overloaded();
  bool set_filter();
  GstFlowReturn after_submit();
  void apply_keys();
  GstFlowReturn push_ready();
  void push_item(OutputItem &item, GstFlowReturn &flow);
  void push_frames(std::vector<Ref<GstBuffer>> &frames, GstFlowReturn &flow);
  void push_rtcp(Ref<GstBuffer> buffer);
  void start_rtcp_stream(GstPad *pad);
  void put(OutputItem item);
  void emit_event(GstEvent *event);
  void emit_after_barrier(GstEvent *event, bool drain, SessionId session, Ssrc ssrc);
  void drain_and_wait();
  void flush_start(GstEvent *event);
  void flush_stop(GstEvent *event);
  void renew_sticky(const std::vector<OutputItem> &dropped);
  void set_key_store(std::shared_ptr<KeyStore> store);
  bool handle_custom(GstEvent *event);
  bool post_failure();
  void post_notices();
  void end_engine();
  void share_engine();
  std::shared_ptr<Engine> shared_engine() const;
  void interrupt(bool on);
  void loop_in_process();
  void loop_workers();
  void note_wakeup();
  std::int64_t running_time_of(GstBuffer *buffer);

  GstElement *element_;
  GstPad *sink_;
  GstPad *src_;
  OutputQueue output_;             // filled by workers; in process only its wait is used
  std::vector<OutputItem> ready_;  // in process: filled and emptied under the sink's stream lock

  // Streaming thread, or the task under the sink pad's stream lock.
  DecryptSettings settings_;
  std::string worker_path_;
  std::shared_ptr<Engine> engine_;
  ChainConfig config_;
  GstSegment segment_;
  bool live_ = true;
  std::int64_t last_arrival_ = 0;
  Ref<GstCaps> caps_;
  std::vector<PacketIn> batch_;
  struct Mapped {
    GstBuffer *buffer;
    GstMapInfo info;
  };
  std::vector<Mapped> mapped_;
  std::uint64_t next_barrier_ = 1;

  std::atomic<GstFlowReturn> flow_{GST_FLOW_OK};
  std::atomic<GstClockTime> latency_{0};
  std::atomic<std::int64_t> wakeup_{kNever.count()};

  // Keys: queued by the publishing thread, applied by the streaming thread or the task,
  // whichever is first.
  std::mutex apply_mutex_;  // before the other one, and held across Engine::apply
  std::mutex keys_mutex_;
  std::vector<KeyUpdate> keys_;
  std::shared_ptr<KeyStore> store_;  // streaming thread
  KeyStore::Token store_token_ = 0;

  // Events that wait for a barrier, and who waits for one.
  std::mutex barriers_mutex_;
  std::condition_variable barriers_changed_;
  std::map<std::uint64_t, Ref<GstEvent>> barriers_;
  bool stopping_ = false;

  mutable std::mutex stats_mutex_;  // guards what follows
  StatsBook book_;
  UserFilter filter_;
  std::shared_ptr<KeyStore> told_store_;  // whose owner is told how opening goes
  std::string failure_;
  bool failure_posted_ = false;
  std::uint64_t workers_started_ = 0, restarts_ = 0;
  std::string confinement_;
  std::vector<WorkerNotice> notices_;

  mutable std::mutex shared_mutex_;
  std::shared_ptr<Engine> shared_engine_;  // for other threads

  std::mutex rtcp_mutex_;
  Ref<GstPad> rtcp_pad_;
  bool rtcp_started_ = false;
};

}  // namespace dv
