// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "ext/wire/ids.hpp"
#include "gst/glue/ref.hpp"

// Last: gst-check has a macro named like members of std.
#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>
#include <gst/check/gsttestclock.h>

namespace dvtest {

inline constexpr const char *kRtpCaps =
    "application/x-rtp,media=audio,clock-rate=48000,encoding-name=OPUS,payload=111";
inline constexpr const char *kRawCaps =
    "audio/x-raw(meta:RtpFrame),format=S16LE,layout=interleaved,rate=48000,channels=2";

/** 20 ms of Opus in RTP; the RTP time follows the number unless given. No time stamps. */
GstBuffer *rtp_packet(std::uint32_t ssrc, int seq, std::int64_t rtp_time = -1);
/** 20 ms of PCM with the facts of its packet. */
GstBuffer *raw_frame(std::uint32_t ssrc, std::uint64_t seq, GstClockTime arrival,
                     std::uint32_t flags = 0, std::uint32_t session = 1);

/** From now on pads have no threads of their own: a fixture of gst-check. */
void without_pad_threads();

/** An rtpjitterreorder in a harness, with a harness at each of its pads, on a test clock. */
class Bench {
 public:
  /** `properties` as for gst-launch, e.g. "latency=100 hold-first=false". */
  explicit Bench(const char *properties = "", const char *caps = kRtpCaps, bool live = true);
  ~Bench();
  Bench(const Bench &) = delete;
  Bench &operator=(const Bench &) = delete;

  GstHarness *in() { return in_; }
  GstElement *element() { return in_->element; }
  GstTestClock *clock() { return clock_; }
  /** Moves the clock there, stopping at each deadline on the way. */
  void at(unsigned ms);
  GstFlowReturn push(GstBuffer *buffer) { return gst_harness_push(in_, buffer); }
  GstFlowReturn push_at(unsigned ms, std::uint32_t ssrc, int seq, std::int64_t rtp_time = -1);
  void push_event(GstEvent *event) { fail_unless(gst_harness_push_event(in_, event)); }

  std::size_t pads();
  /** The harness at the pad of `ssrc`; waits until the pad is there. */
  GstHarness *out(std::uint32_t ssrc);
  /** What the pad of `ssrc` gave, up to and with the next `count` buffers. Waits for them. */
  std::string take(std::uint32_t ssrc, unsigned count);
  /** Waits until that many buffers in sum have come out of the pad. */
  void expect_received(std::uint32_t ssrc, unsigned count);
  /** Waits for the pad's EOS and gives what came before it and was not taken. */
  std::string take_until_eos(std::uint32_t ssrc);
  void expect_gone(std::uint32_t ssrc);
  guint64 stat(const char *name);

 private:
  static void on_pad_added(GstElement *, GstPad *pad, gpointer data);
  static void on_pad_removed(GstElement *, GstPad *pad, gpointer data);
  std::string describe(GstHarness *h);

  GstHarness *in_ = nullptr;
  GstTestClock *clock_ = nullptr;
  std::mutex mutex_;
  std::map<std::string, GstHarness *> outs_;
  std::vector<GstHarness *> all_;
};

/** Waits, with a generous limit, for something another thread brings about. */
template <class Condition>
void wait_for(Condition &&condition, const char *what) {
  for (int i = 0; i < 30000; ++i) {
    if (condition()) return;
    g_usleep(2000);
  }
  fail("waited in vain for %s", what);
}

}  // namespace dvtest

inline void expect(const std::string &got, const char *wanted) {
  fail_unless_equals_string(got.c_str(), wanted);
}

TCase *order_case();
TCase *pads_case();
TCase *time_case();
TCase *branches_case();
