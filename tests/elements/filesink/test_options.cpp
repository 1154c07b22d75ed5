// SPDX-License-Identifier: LGPL-2.1-or-later
#include <sys/stat.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "sink_bench.hpp"

// Last: it defines `fail` as a macro.
#include <gst/check/gstcheck.h>

using namespace bench;

namespace {

constexpr guint64 kAnn = 111111111111111111u;
constexpr GstClockTime kStep = 20 * GST_MSECOND;

std::string quoted(const std::string &text) { return "\"" + text + "\""; }

double level(const Wav &wav, std::size_t at, std::size_t frames) {
  double sum = 0;
  for (std::size_t i = at * 2; i < (at + frames) * 2 && i < wav.samples.size(); ++i) {
    sum += std::abs(static_cast<double>(wav.samples[i]));
  }
  return sum / static_cast<double>(frames * 2);
}

std::size_t lines_of(const std::string &index, const std::string &type) {
  const dv::Bytes bytes = read_bytes(index);
  std::istringstream text(std::string(bytes.begin(), bytes.end()));
  std::size_t count = 0;
  for (std::string line; std::getline(text, line);) {
    count += nlohmann::json::parse(line)["type"] == type;
  }
  return count;
}

void push_packets(Bench &bench, const std::vector<dv::Bytes> &packets) {
  for (guint64 i = 0; i < packets.size(); ++i) {
    bench.push(kAnn, 1, 50 + i, GST_SECOND + i * kStep,
               gst_buffer_new_memdup(packets[i].data(), packets[i].size()));
  }
}

}  // namespace

GST_START_TEST(several_formats_at_once_hold_the_same) {
  const std::string dir = make_dir();
  Bench bench("format=wav+flac+opus location=" + quoted(dir + "/%u.%x") +
              " index-location=" + quoted(dir + "/index.jsonl"));
  fail_unless(bench.start());
  for (guint64 i = 50; i < 100; ++i) {
    bench.speak(kAnn, 1, i, i * kStep);
    bench.speak(2, 2, i, i * kStep);
  }
  fail_unless(bench.end());
  fail_unless_equals_int(list(dir).size(), 7);
  const std::string ann = dir + "/111111111111111111.";
  const Wav wav = read_wav(ann + "wav"), flac = decode(ann + "flac"), opus = decode(ann + "opus");
  fail_unless(find_noise(wav, kAnn, 48000, 50 * kFrame) >= 0);
  fail_unless(wav.samples == flac.samples);
  fail_unless_equals_uint64(opus.frames(), wav.frames());
  fail_unless_equals_int(bench.count("discordfilesink-track-opened"), 6);
  fail_unless_equals_int(bench.count("discordfilesink-track-closed"), 6);
  fail_unless_equals_uint64(bench.stat("samples"), 2 * 50 * kFrame);
  fail_unless_equals_uint64(bench.stat("frames"), 100);
  fail_unless_equals_uint64(bench.stat("tracks"), 2);
  fail_unless_equals_int(lines_of(dir + "/index.jsonl", "track-closed"), 2);
  fail_unless_equals_int(lines_of(dir + "/index.jsonl", "copy-closed"), 4);
  fail_unless_equals_int(lines_of(dir + "/index.jsonl", "spurt"), 2);
  remove_dir(dir);
}
GST_END_TEST

GST_START_TEST(packets_are_kept_untouched_and_decoded_at_once) {
  const auto packets = opus_packets(50);
  const std::string dir = make_dir();
  Bench bench("format=opus+wav mix=true location=" + quoted(dir + "/%u.%x"), Bench::Input::opus);
  fail_unless(bench.start());
  push_packets(bench, packets);
  fail_unless(bench.end());
  fail_unless_equals_int(list(dir).size(), 3);
  const std::string ann = dir + "/111111111111111111.";
  const dv::Bytes file = read_bytes(ann + "opus");
  for (const auto &packet : packets) {
    fail_unless(std::search(file.begin(), file.end(), packet.begin(), packet.end()) != file.end());
  }
  const Wav wav = read_wav(ann + "wav");
  fail_unless(is_silent(wav, 0, 47000));
  fail_unless(level(wav, 50000, 45000) > 3000);
  fail_unless(read_wav(dir + "/mix.wav").samples == wav.samples);
  remove_dir(dir);
}
GST_END_TEST

static const char *const kForms[] = {"wav", "opus", "opus+wav"};

GST_START_TEST(anchors_are_those_of_packets_whatever_is_decoded) {
  const std::string dir = make_dir();
  Bench bench(std::string("format=") + kForms[__i__] + " location=" + quoted(dir + "/%u.%x") +
                  " index-location=" + quoted(dir + "/index.jsonl"),
              Bench::Input::opus);
  fail_unless(bench.start());
  push_packets(bench, opus_packets(75));
  fail_unless(bench.end());
  fail_unless_equals_int(lines_of(dir + "/index.jsonl", "anchor"), 1);
  remove_dir(dir);
}
GST_END_TEST

GST_START_TEST(the_mix_is_the_sum_of_the_tracks) {
  const char *format = __i__ == 0 ? "wav" : "flac";
  const std::string dir = make_dir();
  Bench bench(std::string("mix=true format=") + format + " location=" + quoted(dir + "/%u.%x") +
              " index-location=" + quoted(dir + "/index.jsonl"));
  fail_unless(bench.start());
  for (guint64 i = 0; i < 100; ++i) {
    for (guint32 user = 1; user <= 25; ++user) {
      if ((i + user) % 40 < 20) bench.speak(user, user, i, i * kStep);
    }
  }
  fail_unless(bench.end());
  std::vector<int> sum;
  for (int user = 1; user <= 25; ++user) {
    const Wav wav = decode(dir + "/" + std::to_string(user) + "." + format);
    sum.resize(std::max(sum.size(), wav.samples.size()));
    for (std::size_t i = 0; i < wav.samples.size(); ++i) sum[i] += wav.samples[i];
  }
  const Wav mix = read_wav(dir + "/mix.wav");
  fail_unless_equals_uint64(mix.samples.size(), sum.size());
  for (std::size_t i = 0; i < sum.size(); ++i) {
    fail_unless_equals_int(mix.samples[i], std::clamp(sum[i], -32768, 32767));
  }
  fail_unless_equals_int(lines_of(dir + "/index.jsonl", "mix-opened"), 1);
  fail_unless_equals_int(lines_of(dir + "/index.jsonl", "mix-closed"), 1);
  fail_unless_equals_int(bench.count("discordfilesink-track-closed"), 26);
  remove_dir(dir);
}
GST_END_TEST

GST_START_TEST(opus_alone_can_have_a_mix) {
  const std::string dir = make_dir();
  Bench bench("format=opus mix=true location=" + quoted(dir + "/%u.%x"), Bench::Input::opus);
  fail_unless(bench.start());
  push_packets(bench, opus_packets(50));
  fail_unless(bench.end());
  fail_unless_equals_int(list(dir).size(), 2);
  fail_unless(level(read_wav(dir + "/mix.wav"), 50000, 45000) > 3000);
  fail_unless_equals_uint64(bench.stat("frames"), 50);
  remove_dir(dir);
}
GST_END_TEST

GST_START_TEST(what_is_said_in_a_pause_is_not_recorded) {
  const bool cut = __i__ == 1;
  const std::string dir = make_dir();
  Bench bench(std::string("pause-timeline=") + (cut ? "cut" : "keep") + " location=" +
              quoted(dir + "/%u.wav") + " index-location=" + quoted(dir + "/index.jsonl"));
  fail_unless(bench.start());
  for (guint64 i = 0; i < 10; ++i) bench.speak(kAnn, 1, i, i * kStep);
  bench.wait_written(10 * kFrame);
  g_object_set(bench.sink(), "paused", TRUE, nullptr);
  for (guint64 i = 10; i < 30; ++i) bench.speak(kAnn, 1, i, i * kStep);
  while (bench.stat("dropped-paused") < 20) g_usleep(200);
  g_object_set(bench.sink(), "paused", FALSE, nullptr);
  for (guint64 i = 30; i < 40; ++i) bench.speak(kAnn, 1, i, i * kStep);
  fail_unless(bench.end());
  const Wav wav = read_wav(dir + "/111111111111111111.wav");
  fail_unless(is_noise(wav, kAnn, 0, 10 * kFrame, 0));
  // Times of arrival are estimates: 20 ms.
  const std::size_t expected = (cut ? 20 : 40) * kFrame;
  fail_unless(wav.frames() + kFrame >= expected && wav.frames() <= expected + kFrame, "%zu",
              wav.frames());
  fail_unless(is_noise(wav, kAnn, wav.frames() - 10 * kFrame, 10 * kFrame, 30 * kFrame));
  fail_unless(is_silent(wav, 10 * kFrame, wav.frames() - 20 * kFrame));
  fail_unless_equals_uint64(bench.stat("dropped-paused"), 20);
  fail_unless_equals_uint64(bench.stat("frames"), 40);
  fail_unless_equals_int(lines_of(dir + "/index.jsonl", "paused"), 1);
  fail_unless_equals_int(lines_of(dir + "/index.jsonl", "resumed"), 1);
  fail_unless_equals_int(lines_of(dir + "/index.jsonl", "gap"), 0);
  remove_dir(dir);
}
GST_END_TEST

GST_START_TEST(parts_by_size_follow_each_other_without_a_gap) {
  const std::string format = __i__ == 0 ? "wav" : "flac";
  const std::string dir = make_dir();
  Bench bench("max-file-size=120000 format=" + format + " location=" + quoted(dir + "/%u-%p.%x"));
  fail_unless(bench.start());
  for (guint64 i = 0; i < 300; ++i) bench.speak(kAnn, 1, i, i * kStep);
  fail_unless(bench.end());
  Wav all{48000, 2, {}};
  const std::size_t parts = list(dir).size();
  fail_unless(parts >= 3, "%zu parts", parts);
  for (std::size_t part = 1; part <= parts; ++part) {
    const Wav wav = decode(dir + "/111111111111111111-" + std::to_string(part) + "." + format);
    all.samples.insert(all.samples.end(), wav.samples.begin(), wav.samples.end());
  }
  fail_unless(is_noise(all, kAnn, 0, 300 * kFrame, 0));
  fail_unless_equals_int(bench.count("discordfilesink-track-closed"), parts);
  remove_dir(dir);
}
GST_END_TEST

GST_START_TEST(files_are_the_same_however_durable) {
  const std::string dir = make_dir();
  for (const char *durability : {"none", "process", "power"}) {
    Bench bench(std::string("format=wav+flac+mp3+opus durability=") + durability +
                " location=" + quoted(dir + "/" + durability + ".%x"));
    fail_unless(bench.start());
    for (guint64 i = 0; i < 200; ++i) bench.speak(kAnn, 1, i, i * kStep);
    fail_unless(bench.end());
    fail_unless_equals_int(bench.count("warning"), 0);
  }
  for (const char *format : {".wav", ".flac", ".mp3"}) {
    const dv::Bytes first = read_bytes(dir + "/process" + format);
    fail_unless(first.size() > 10000);
    fail_unless(read_bytes(dir + "/none" + format) == first, "%s", format);
    fail_unless(read_bytes(dir + "/power" + format) == first, "%s", format);
  }
  // Where its pages end depends on when the writer had caught up.
  const Wav first = decode(dir + "/process.opus");
  fail_unless(first.frames() >= 200 * kFrame - 312);
  for (const char *other : {"none", "power"}) {
    fail_unless(decode(dir + "/" + other + ".opus").samples == first.samples, "%s", other);
  }
  remove_dir(dir);
}
GST_END_TEST

namespace {

/** Memory of this process that no file backs, in bytes. */
std::size_t anonymous_memory() {
  const dv::Bytes bytes = read_bytes("/proc/self/status");
  const std::string text(bytes.begin(), bytes.end());
  return std::stoul(text.substr(text.find("RssAnon:") + 8)) * 1024;
}

/** A word, silence, a word; how much memory it took until all of the silence was there. */
std::size_t record_silence(const std::string &properties, Bench::Input input, GstClockTime length) {
  Bench bench(properties, input);
  const auto packet = opus_packets(1)[0];
  auto say = [&](GstClockTime at) {
    if (input != Bench::Input::opus) return bench.speak(kAnn, 1, at / kStep, at);
    return bench.push(kAnn, 1, at / kStep, at, gst_buffer_new_memdup(packet.data(), packet.size()));
  };
  fail_unless(bench.start());
  fail_unless_equals_int(say(0), GST_FLOW_OK);
  bench.wait_written(kFrame);
  const std::size_t before = anonymous_memory();
  fail_unless_equals_int(say(length), GST_FLOW_OK);
  while (bench.stat("samples") < 2 * kFrame) g_usleep(1000);
  const std::size_t after = anonymous_memory();
  fail_unless(bench.end());
  return after > before ? after - before : 0;
}

struct Quiet {
  const char *format;
  Bench::Input input;
  std::size_t most;  ///< bytes on the storage; 0: any
  bool slow;         ///< an encoder has to go through it
};
const Quiet kQuiet[] = {
    {"wav", Bench::Input::pcm, 1 << 20, false}, {"opus", Bench::Input::opus, 1 << 20, false},
    {"opus", Bench::Input::pcm, 1 << 20, true}, {"flac", Bench::Input::pcm, 0, true},
    {"mp3", Bench::Input::pcm, 0, true},
};

}  // namespace

GST_START_TEST(an_hour_of_silence_costs_less_than_a_mebibyte) {
  for (const Quiet &quiet : kQuiet) {
    if (quiet.slow && g_getenv("DV_LONG") == nullptr) continue;
    const std::string dir = make_dir();
    const std::string path = dir + "/a." + quiet.format;
    const std::string properties = "overwrite=true location=" + quoted(path);
    record_silence(properties, quiet.input, 10 * GST_SECOND);
    const std::size_t memory = record_silence(properties, quiet.input, 3600 * GST_SECOND);
    struct stat st {};
    fail_unless_equals_int(stat(path.c_str(), &st), 0);
    const auto stored = static_cast<std::size_t>(st.st_blocks) * 512;
    g_print("%s: memory %zu KiB, storage %zu KiB\n", quiet.format, memory >> 10, stored >> 10);
#ifndef __SANITIZE_ADDRESS__  // which keeps what was freed
    fail_unless(memory < 1 << 20, "%s: %zu bytes of memory", quiet.format, memory);
#endif
    if (quiet.most > 0) fail_unless(stored < quiet.most, "%s: %zu bytes", quiet.format, stored);
    remove_dir(dir);
  }
}
GST_END_TEST

GST_START_TEST(settings_that_contradict_each_other_are_one_clear_error) {
  const char *const cases[][2] = {
      {"format=wav+opus location=/tmp/%u.wav", "%x"},
      {"mix=true silence=false location=/tmp/%u.wav", "silence"},
      {"mix=true alignment=first-frame location=/tmp/%u.wav", "aligned"},
  };
  for (const auto &c : cases) {
    Bench bench(c[0]);
    fail_if(bench.start());
    fail_unless_equals_int(bench.count("error"), 1);
    fail_unless_equals_int(bench.find("error")->code, GST_RESOURCE_ERROR_SETTINGS);
    fail_unless(bench.find("error")->text.find(c[1]) != std::string::npos);
  }
}
GST_END_TEST

static Suite *options_suite() {
  Suite *suite = suite_create("discordfilesink options");
  TCase *options = tcase_create("options");
  suite_add_tcase(suite, options);
  tcase_add_test(options, several_formats_at_once_hold_the_same);
  tcase_add_test(options, packets_are_kept_untouched_and_decoded_at_once);
  tcase_add_loop_test(options, anchors_are_those_of_packets_whatever_is_decoded, 0, 3);
  tcase_add_loop_test(options, the_mix_is_the_sum_of_the_tracks, 0, 2);
  tcase_add_test(options, opus_alone_can_have_a_mix);
  tcase_add_loop_test(options, what_is_said_in_a_pause_is_not_recorded, 0, 2);
  tcase_add_loop_test(options, parts_by_size_follow_each_other_without_a_gap, 0, 2);
  tcase_add_test(options, files_are_the_same_however_durable);
  if (g_getenv("DV_LONG") != nullptr) tcase_set_timeout(options, 1200);
  tcase_add_test(options, an_hour_of_silence_costs_less_than_a_mebibyte);
  tcase_add_test(options, settings_that_contradict_each_other_are_one_clear_error);
  return suite;
}

GST_CHECK_MAIN(options)
