// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "gst/glue/ref.hpp"
#include "tests/bench/traffic.hpp"

namespace dv::bench {

struct RigConfig {
  bool live = false;
  bool decode = true;
  unsigned workers = 0;
  int latency_ms = -1;  ///< -1: the element's default
  std::string pool = "bench";
  std::string record_to;  ///< template of WAV files behind it; empty: frames are only counted
};

/**
 * discorddecrypt as the plugin has it, between a pad that pushes datagrams and one that counts what
 * comes out.
 */
class Rig {
 public:
  Rig(const RigConfig &config, const Traffic &traffic);
  ~Rig();
  Rig(const Rig &) = delete;
  Rig &operator=(const Rig &) = delete;

  /** When each frame came out is written down: `due[stream][packet]`, nanoseconds; 0: never. */
  void record_times(std::size_t streams, std::size_t rounds);
  const std::vector<std::int64_t> &times() const {
    return times_;
  }  ///< [packet * streams + stream]

  /** One receive call: a buffer list, stamped `pts`. */
  void push(std::span<const Bytes> datagrams, GstClockTime pts);
  /** The whole of `datagrams` in lists of 32 or of `at_once`, each round 20 ms behind the one
   * before; a list of several rounds has the time of the first. */
  void push_rounds(std::span<const Bytes> datagrams, std::size_t at_once = 32);
  void eos_and_wait();  ///< with files: until they are complete
  bool wait_frames(std::uint64_t frames, double seconds) const;

  std::uint64_t frames() const { return frames_; }  ///< real ones, without concealment
  std::uint64_t concealed() const { return concealed_; }
  std::int64_t first_frame_ns() const { return first_frame_; }  ///< wall_ns(); 0: none yet
  std::uint64_t count(const char *name) const;
  std::string stats_text() const;
  std::vector<std::int64_t> workers() const;

 private:
  static GstFlowReturn take_buffer(GstPad *pad, GstObject *, GstBuffer *buffer);
  static GstFlowReturn take_list(GstPad *pad, GstObject *, GstBufferList *list);
  static gboolean take_event(GstPad *pad, GstObject *, GstEvent *event);
  static gboolean answer_query(GstPad *pad, GstObject *parent, GstQuery *query);
  void add_recorder(const std::string &location);
  void note(GstBuffer *buffer, std::int64_t now);
  Ref<GstStructure> stats() const;

  SessionId session_;
  std::size_t streams_;
  bool live_;
  std::shared_ptr<KeyStore> store_ = std::make_shared<KeyStore>();
  Ref<GstElement> element_, recorder_;
  Ref<GstBus> bus_;  // the recorder's
  Ref<GstPad> feed_, drain_, onward_;
  std::uint64_t pushed_ = 0;

  std::atomic<std::uint64_t> frames_{0}, concealed_{0};
  std::atomic<std::int64_t> first_frame_{0};
  std::vector<std::int64_t> times_;  // by the thread that pushes; read behind EOS
  std::size_t recorded_streams_ = 0;
  mutable std::mutex mutex_;
  std::condition_variable ended_;
  bool eos_ = false;
};

}  // namespace dv::bench
