// SPDX-License-Identifier: LGPL-2.1-or-later
#include <cstdlib>
#include <vector>

#include "sink_bench.hpp"

// Last: it defines `fail` as a macro.
#include <gst/check/gstcheck.h>

using namespace bench;

// Somebody who never pauses, by a clock that is wrong: where in the file what they say ends up.

namespace {

constexpr guint64 kAnn = 111111111111111111u;
constexpr gint16 kHum = 1, kClick = 12345;
constexpr double kDrifts[] = {200e-6, -200e-6};

std::string path_in(const std::string &dir) { return dir + "/111111111111111111.wav"; }

/** When the sender's frame of 20 ms is sent. */
GstClockTime sent(guint64 frame, double drift) {
  return static_cast<GstClockTime>(static_cast<double>(frame * 20 * GST_MSECOND) / (1 + drift));
}

/** Within 20 ms of that time, and nothing torn or lost on the way. */
void check_end(Bench &bench, std::size_t at, GstClockTime time, guint64 rate) {
  const guint64 truth = gst_util_uint64_scale_round(time, rate, GST_SECOND);
  const auto off = static_cast<std::int64_t>(at) - static_cast<std::int64_t>(truth);
  fail_unless(std::abs(off) < static_cast<std::int64_t>(rate / 50), "off by %ld samples",
              long{off});
  fail_unless(bench.stat("silence-samples") < rate / 100, "torn");
  fail_unless_equals_uint64(bench.stat("overlaps"), 0);
  fail_unless(bench.stat("drift-samples") > 0);
}

}  // namespace

GST_START_TEST(after_an_hour_a_click_is_where_it_was_made) {
  const double drift = kDrifts[__i__];
  const std::string dir = make_dir();
  Bench bench("durability=none location=\"" + dir + "/%u.wav\"");
  bench.pcm = "rate=8000,channels=1";
  fail_unless(bench.start());
  const guint64 last = 3600 * 50;
  std::vector<gint16> samples(160, kHum);
  for (guint64 i = 0; i <= last; ++i) {
    if (i == last) samples[0] = kClick;
    bench.push(kAnn, 1, i, sent(i, drift),
               gst_buffer_new_memdup(samples.data(), samples.size() * sizeof samples[0]));
  }
  fail_unless(bench.end());
  const Wav wav = read_wav(path_in(dir));
  std::size_t at = wav.frames() - 1;
  while (at > 0 && wav.samples[at] != kClick) --at;
  check_end(bench, at, sent(last, drift), wav.rate);
  remove_dir(dir);
}
GST_END_TEST

GST_START_TEST(what_is_decoded_here_ends_where_it_was_said) {
  const double drift = kDrifts[__i__];
  const std::string dir = make_dir();
  Bench bench("durability=none location=\"" + dir + "/%u.wav\"", Bench::Input::opus);
  fail_unless(bench.start());
  const auto packets = opus_packets(50);
  const guint64 frames = 150 * 50;
  for (guint64 i = 0; i < frames; ++i) {
    const auto &packet = packets[i % packets.size()];
    bench.push(kAnn, 1, i, sent(i, drift), gst_buffer_new_memdup(packet.data(), packet.size()));
  }
  fail_unless(bench.end());
  const Wav wav = read_wav(path_in(dir));
  check_end(bench, wav.frames(), sent(frames, drift), wav.rate);
  remove_dir(dir);
}
GST_END_TEST

static Suite *drift_suite() {
  Suite *suite = suite_create("discordfilesink drift");
  TCase *drift = tcase_create("drift");
  tcase_set_timeout(drift, 120);
  suite_add_tcase(suite, drift);
  tcase_add_loop_test(drift, after_an_hour_a_click_is_where_it_was_made, 0, 2);
  tcase_add_loop_test(drift, what_is_decoded_here_ends_where_it_was_said, 0, 2);
  return suite;
}

GST_CHECK_MAIN(drift)
