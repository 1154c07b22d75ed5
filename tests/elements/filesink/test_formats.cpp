// SPDX-License-Identifier: LGPL-2.1-or-later
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numbers>

#include "sink_bench.hpp"

// Last: it defines `fail` as a macro.
#include <gst/check/gstcheck.h>

using namespace bench;

namespace {

constexpr guint64 kAnn = 111111111111111111u;
constexpr GstClockTime kStep = 20 * GST_MSECOND;

std::string quoted(const std::string &text) { return "\"" + text + "\""; }

/** 20 ms of a 1 kHz tone, in phase over frames. */
GstBuffer *tone() {
  std::vector<gint16> samples;
  for (guint i = 0; i < kFrame; ++i) {
    const double x = std::sin(2 * std::numbers::pi * 1000 * i / 48000);
    samples.insert(samples.end(), 2, static_cast<gint16>(std::lround(x * 12000)));
  }
  return gst_buffer_new_memdup(samples.data(), samples.size() * 2);
}

std::size_t onset(const Wav &wav) {
  for (std::size_t i = 0; i < wav.samples.size(); ++i) {
    if (std::abs(wav.samples[i]) > 2000) return i / 2;
  }
  return wav.frames();
}

double level(const Wav &wav, std::size_t at, std::size_t frames) {
  double sum = 0;
  for (std::size_t i = at * 2; i < (at + frames) * 2 && i < wav.samples.size(); ++i) {
    sum += wav.samples[i] * static_cast<double>(wav.samples[i]);
  }
  return std::sqrt(sum / static_cast<double>(frames * 2));
}

/** A second of silence, a second of tone, a second of silence, half a second of tone. */
void tones(Bench &bench) {
  fail_unless(bench.start());
  for (guint64 i = 50; i < 100; ++i) bench.push(kAnn, 1, i, i * kStep, tone());
  for (guint64 i = 150; i < 175; ++i) bench.push(kAnn, 1, i, i * kStep, tone());
  fail_unless(bench.end());
}

void check_tones(const Wav &wav, std::size_t tolerance, std::size_t longer) {
  // Times of arrival are estimates; 20 ms is what they may be off.
  tolerance += kFrame;
  fail_unless(wav.frames() + kFrame >= 168000 && wav.frames() <= 168000 + kFrame + longer,
              "%zu frames", wav.frames());
  const std::size_t first = onset(wav);
  fail_unless(first + tolerance > 48000 && first < 48000 + tolerance, "onset at %zu", first);
  fail_unless(level(wav, 0, 47000) < 50);
  fail_unless(level(wav, 50000, 44000) > 6000);
  fail_unless(level(wav, 98000, 44000) < 50);
  fail_unless(level(wav, 146000, 20000) > 6000);
}

}  // namespace

GST_START_TEST(mp3_plays_at_the_right_time) {
  const std::string dir = make_dir();
  Bench bench("location=" + quoted(dir + "/%u.mp3"));
  tones(bench);
  fail_unless_equals_string(bench.find("discordfilesink-track-closed")->format.c_str(), "mp3");
  check_tones(decode(dir + "/111111111111111111.mp3"), 100, 2400);
  fail_unless_equals_int(list(dir).size(), 1);
  remove_dir(dir);
}
GST_END_TEST

GST_START_TEST(flac_holds_the_very_samples) {
  const std::string dir = make_dir();
  Bench bench("location=" + quoted(dir + "/%u.%x") + " format=flac");
  fail_unless(bench.start());
  for (guint64 i = 50; i < 100; ++i) bench.speak(kAnn, 1, i, i * kStep);
  fail_unless(bench.end());
  const Wav wav = decode(dir + "/111111111111111111.flac");
  const std::int64_t at = find_noise(wav, kAnn, 48000, 48000);
  fail_unless(at >= 0);
  fail_unless_equals_uint64(wav.frames(), static_cast<std::size_t>(at) + 48000);
  fail_unless(is_silent(wav, 0, static_cast<std::size_t>(at)));
  remove_dir(dir);
}
GST_END_TEST

GST_START_TEST(opus_made_from_pcm_has_the_right_length) {
  const std::string dir = make_dir();
  Bench bench("location=" + quoted(dir + "/%u.opus"));
  tones(bench);
  check_tones(decode(dir + "/111111111111111111.opus"), 400, 0);
  remove_dir(dir);
}
GST_END_TEST

GST_START_TEST(opus_packets_pass_untouched_with_silence_and_losses_between) {
  const auto packets = opus_packets(50);
  const std::string dir = make_dir();
  Bench bench("format=opus location=" + quoted(dir + "/%u.opus"), Bench::Input::opus);
  fail_unless(bench.start());
  for (guint64 i = 0; i < 50; ++i) {
    if (i == 20 || i == 21) continue;
    bench.push(kAnn, 1, 50 + i, GST_SECOND + i * kStep,
               gst_buffer_new_memdup(packets[i].data(), packets[i].size()), i == 22 ? 4u : 0u);
  }
  fail_unless(bench.end());
  const std::string path = dir + "/111111111111111111.opus";
  const Wav wav = decode(path);
  fail_unless(wav.frames() + kFrame >= 96000 && wav.frames() <= 96000 + kFrame);
  fail_unless(level(wav, 0, 47000) < 10);
  fail_unless(level(wav, 50000, 10000) > 5000);
  fail_unless(level(wav, 80000, 15000) > 5000);
  const dv::Bytes file = read_bytes(path);
  for (guint i = 0; i < 50; ++i) {
    const bool there =
        std::search(file.begin(), file.end(), packets[i].begin(), packets[i].end()) != file.end();
    fail_unless(there == (i != 20 && i != 21), "packet %u", i);
  }
  remove_dir(dir);
}
GST_END_TEST

GST_START_TEST(opus_packets_are_decoded_for_other_formats) {
  const auto packets = opus_packets(50);
  const std::string dir = make_dir();
  Bench bench("location=" + quoted(dir + "/%u.wav"), Bench::Input::opus);
  fail_unless(bench.start());
  for (guint64 i = 0; i < 50; ++i) {
    bench.push(kAnn, 1, 50 + i, GST_SECOND + i * kStep,
               gst_buffer_new_memdup(packets[i].data(), packets[i].size()));
  }
  fail_unless(bench.end());
  const Wav wav = read_wav(dir + "/111111111111111111.wav");
  fail_unless(wav.frames() + kFrame >= 96000 && wav.frames() <= 96000 + kFrame);
  fail_unless(is_silent(wav, 0, 47000));
  fail_unless(level(wav, 50000, 45000) > 5000);
  remove_dir(dir);
}
GST_END_TEST

GST_START_TEST(a_profile_decides_when_set) {
  const std::string dir = make_dir();
  Bench bench("location=" + quoted(dir + "/%u.%x") + " profile=\"video/x-matroska:audio/x-flac\"");
  tones(bench);
  fail_unless_equals_int(list(dir).size(), 1);
  const Wav wav = decode(dir + "/" + list(dir)[0]);
  check_tones(wav, 10, 0);
  remove_dir(dir);
}
GST_END_TEST

GST_START_TEST(parts_follow_each_other_without_a_gap) {
  const char *formats[] = {"wav", "flac", "opus"};
  const std::string format = formats[__i__];
  const std::string dir = make_dir();
  Bench bench("max-file-time=1000000000 location=" + quoted(dir + "/%u-%p." + format));
  fail_unless(bench.start());
  for (guint64 i = 0; i < 110; ++i) bench.speak(kAnn, 1, i, 5 * GST_MSECOND + i * kStep);
  for (guint64 i = 120; i < 130; ++i) bench.speak(2, 2, i, 5 * GST_MSECOND + i * kStep);
  fail_unless(bench.end());
  fail_unless_equals_int(list(dir).size(), 4);
  const std::string ann = dir + "/111111111111111111-";
  Wav all{48000, 2, {}};
  std::size_t last = 0;
  for (const char *part : {"1", "2", "3"}) {
    const Wav wav = decode(ann + part + "." + format);
    if (part[0] != '3') fail_unless_equals_uint64(wav.frames(), 48000);
    last = wav.frames();
    all.samples.insert(all.samples.end(), wav.samples.begin(), wav.samples.end());
  }
  if (format != "opus") fail_unless(find_noise(all, kAnn, 240, 110 * kFrame) >= 0);
  fail_unless_equals_uint64(decode(dir + "/2-3." + format).frames(), last);
  fail_unless_equals_int(bench.count("discordfilesink-track-opened"), 4);
  fail_unless_equals_int(bench.count("discordfilesink-track-closed"), 4);
  const Message *closed = bench.find("discordfilesink-track-closed", kAnn);
  fail_unless_equals_string(closed->reason.c_str(), "split");
  fail_unless_equals_uint64(closed->duration, GST_SECOND);
  remove_dir(dir);
}
GST_END_TEST

GST_START_TEST(many_speakers_in_every_format) {
  const std::string dir = make_dir();
  for (const char *format : {"wav", "mp3", "flac", "opus"}) {
    Bench bench(std::string("format=") + format + " location=" + quoted(dir + "/%u.%x"));
    fail_unless(bench.start());
    for (guint64 i = 0; i < 20; ++i) {
      for (guint32 user = 1; user <= 25; ++user) bench.speak(user, user, i, i * kStep);
    }
    fail_unless(bench.end());
    fail_unless_equals_int(bench.count("discordfilesink-track-closed"), 25);
    fail_unless_equals_uint64(bench.stat("samples"), 25 * 20 * kFrame);
  }
  fail_unless_equals_int(list(dir).size(), 100);
  remove_dir(dir);
}
GST_END_TEST

GST_START_TEST(stopping_at_any_moment_is_no_error) {
  const std::string dir = make_dir();
  const char *formats[] = {"wav", "mp3", "flac", "opus"};
  for (int i = 0; i < 24; ++i) {
    Bench bench(std::string("durability=power format=") + formats[i % 4] +
                " location=" + quoted(dir + "/%u.%x"));
    fail_unless(bench.start());
    for (guint32 user = 1; user <= 3; ++user) bench.speak(user, user, 0, 0);
    if (i % 3 == 1) bench.wait_written(1);
    bench.unwind();
    fail_unless_equals_int(bench.count("error"), 0);
    fail_unless_equals_int(bench.count("warning"), 0);
    fail_unless_equals_int(bench.count("discordfilesink-track-opened"),
                           bench.count("discordfilesink-track-closed"));
  }
  for (const auto &file : list(dir)) fail_if(file.ends_with(".part"), "%s", file.c_str());
  remove_dir(dir);
}
GST_END_TEST

GST_START_TEST(a_full_disk_is_one_error_and_what_was_written_is_readable) {
  const int format = __i__;
  const char *formats[] = {"wav", "mp3", "flac", "opus"};
  const std::string dir = make_dir();
  // A limit on the size of files stands in for the full disk: the same failure of write(2).
  signal(SIGXFSZ, SIG_IGN);
  Bench bench(std::string("format=") + formats[format] + " location=" + quoted(dir + "/%u.%x"));
  fail_unless(bench.start());
  const rlimit limit{30000, RLIM_INFINITY};
  fail_unless_equals_int(setrlimit(RLIMIT_FSIZE, &limit), 0);
  GstFlowReturn flow = GST_FLOW_OK;
  for (guint64 i = 0; i < 5000 && flow == GST_FLOW_OK; ++i) {
    flow = bench.speak(kAnn, 1, i, i * kStep);
  }
  fail_unless_equals_int(flow, GST_FLOW_ERROR);
  fail_unless(bench.wait_for("error"));
  const Message *error = bench.find("error");
  fail_unless(error->text.find(dir) != std::string::npos);
  bench.stop();
  fail_unless_equals_int(bench.count("error"), 1);
  const auto files = list(dir);
  fail_unless_equals_int(files.size(), 1);
  fail_unless(files[0].find(".part") == std::string::npos, "%s", files[0].c_str());
  const Wav wav = decode(dir + "/" + files[0]);
  fail_unless(wav.frames() > 5000, "%zu frames", wav.frames());
  remove_dir(dir);
}
GST_END_TEST

static Suite *formats_suite() {
  Suite *suite = suite_create("discordfilesink formats");
  TCase *formats = tcase_create("formats");
  suite_add_tcase(suite, formats);
  tcase_add_test(formats, mp3_plays_at_the_right_time);
  tcase_add_test(formats, flac_holds_the_very_samples);
  tcase_add_test(formats, opus_made_from_pcm_has_the_right_length);
  tcase_add_test(formats, opus_packets_pass_untouched_with_silence_and_losses_between);
  tcase_add_test(formats, opus_packets_are_decoded_for_other_formats);
  tcase_add_test(formats, a_profile_decides_when_set);
  tcase_add_loop_test(formats, parts_follow_each_other_without_a_gap, 0, 3);
  tcase_add_test(formats, many_speakers_in_every_format);
  tcase_add_test(formats, stopping_at_any_moment_is_no_error);
  tcase_add_loop_test(formats, a_full_disk_is_one_error_and_what_was_written_is_readable, 0, 4);
  return suite;
}

GST_CHECK_MAIN(formats)
