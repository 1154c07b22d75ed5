// SPDX-License-Identifier: LGPL-2.1-or-later
#include <sys/stat.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "gst/glue/frame_meta.hpp"
#include "sink_bench.hpp"

// Last: it defines `fail` as a macro.
#include <gst/check/gstcheck.h>

using namespace bench;

namespace {
constexpr guint64 kAnn = 111111111111111111u, kBob = 222222222222222222u, kCid = 3;
constexpr GstClockTime kStep = 20 * GST_MSECOND;

/**
 * Checks that the file holds nothing but these stretches of the user's noise, whole and within 20
 * ms of their place, with silence around them.
 */
struct Said {
  std::size_t from, frames;
};
void check_said(const Wav &wav, guint64 user, const std::vector<Said> &said) {
  std::size_t done = 0;
  for (const auto &part : said) {
    const std::int64_t at = find_noise(wav, user, part.from, part.frames);
    fail_unless(at >= 0, "nothing at %zu", part.from);
    fail_unless(is_silent(wav, done, static_cast<std::size_t>(at) - done), "noise before %zu",
                part.from);
    done = static_cast<std::size_t>(at) + part.frames;
  }
  fail_unless(is_silent(wav, done, wav.frames() - done), "noise at the end");
}

bool about(std::size_t frames, std::size_t expected) {
  return frames + kFrame >= expected && frames <= expected + kFrame;
}

std::string quoted(const std::string &text) { return "\"" + text + "\""; }
}  // namespace

GST_START_TEST(samples_are_where_they_were_said_and_silence_is_around_them) {
  const std::string dir = make_dir();
  Bench bench("location=" + quoted(dir + "/%u.wav"));
  fail_unless(bench.start());
  for (guint64 i = 0; i < 10; ++i) bench.speak(kAnn, 1, i, GST_SECOND + i * kStep);
  for (guint64 i = 150; i < 160; ++i) bench.speak(kAnn, 1, i, GST_SECOND + i * kStep);
  fail_unless(bench.end());
  const std::string path = dir + "/111111111111111111.wav";
  const Wav wav = read_wav(path);
  fail_unless_equals_int(wav.rate, 48000);
  fail_unless_equals_int(wav.channels, 2);
  fail_unless(about(wav.frames(), 48000 + 160 * kFrame));
  check_said(wav, kAnn, {{48000, 10 * kFrame}, {48000 + 150 * kFrame, 10 * kFrame}});
  struct stat st {};
  fail_unless_equals_int(stat(path.c_str(), &st), 0);
  fail_unless_equals_int(st.st_mode & 0777, 0600);
  fail_unless_equals_int(list(dir).size(), 1);
  remove_dir(dir);
}
GST_END_TEST

GST_START_TEST(three_users_have_three_files_of_one_length) {
  const std::string dir = make_dir();
  Bench bench("location=" + quoted(dir + "/%u.wav"));
  fail_unless(bench.start());
  for (guint64 i = 0; i < 20; ++i) {
    bench.speak(kAnn, 1, i, i * kStep);
    if (i < 10) bench.speak(kBob, 2, i, i * kStep);
    if (i >= 5) bench.speak(kCid, 3, i, i * kStep);
  }
  fail_unless(bench.end());
  std::size_t length = 0;
  for (guint64 user : {kAnn, kBob, kCid}) {
    const std::string path = dir + "/" + std::to_string(user) + ".wav";
    const Wav wav = read_wav(path);
    const std::size_t from = user == kCid ? 5 : 0, to = user == kBob ? 10 : 20;
    fail_unless(about(wav.frames(), 20 * kFrame));
    if (length == 0) length = wav.frames();
    fail_unless_equals_uint64(wav.frames(), length);
    check_said(wav, user, {{from * kFrame, (to - from) * kFrame}});
    const Message *opened = bench.find("discordfilesink-track-opened", user);
    const Message *closed = bench.find("discordfilesink-track-closed", user);
    fail_unless(opened != nullptr && closed != nullptr);
    fail_unless_equals_string(closed->location.c_str(), path.c_str());
    fail_unless_equals_string(closed->reason.c_str(), "eos");
    fail_unless_equals_string(closed->format.c_str(), "wav");
    fail_unless_equals_uint64(closed->start, 0);
    fail_unless_equals_uint64(gst_util_uint64_scale_round(closed->duration, 48000, GST_SECOND),
                              length);
  }
  fail_unless_equals_int(bench.count("discordfilesink-track-closed"), 3);
  remove_dir(dir);
}
GST_END_TEST

GST_START_TEST(two_ssrcs_of_one_user_feed_one_file) {
  const std::string dir = make_dir();
  Bench bench("location=" + quoted(dir + "/%u.wav"));
  fail_unless(bench.start());
  for (guint64 i = 0; i < 10; ++i) bench.speak(kAnn, 1, i, i * kStep);
  for (guint64 i = 50; i < 60; ++i) bench.speak(kAnn, 99, i, i * kStep);
  fail_unless(bench.end());
  const Wav wav = read_wav(dir + "/111111111111111111.wav");
  fail_unless(about(wav.frames(), 60 * kFrame), "%zu frames", wav.frames());
  check_said(wav, kAnn, {{0, 10 * kFrame}, {50 * kFrame, 10 * kFrame}});
  fail_unless_equals_int(list(dir).size(), 1);
  remove_dir(dir);
}
GST_END_TEST

GST_START_TEST(files_start_with_their_speaker_when_told_to) {
  const std::string dir = make_dir();
  Bench bench("alignment=first-frame location=" + quoted(dir + "/%u.wav"));
  fail_unless(bench.start());
  for (guint64 i = 50; i < 60; ++i) bench.speak(kAnn, 1, i, i * kStep);
  fail_unless(bench.end());
  const Wav wav = read_wav(dir + "/111111111111111111.wav");
  fail_unless_equals_uint64(wav.frames(), 10 * kFrame);
  fail_unless(is_noise(wav, kAnn, 0, 10 * kFrame, 50 * kFrame));
  fail_unless(about(
      gst_util_uint64_scale(bench.find("discordfilesink-track-closed")->start, 48000, GST_SECOND),
      50 * kFrame));
  remove_dir(dir);
}
GST_END_TEST

GST_START_TEST(without_silence_speech_is_back_to_back) {
  const std::string dir = make_dir();
  Bench bench("silence=false location=" + quoted(dir + "/%u.wav"));
  fail_unless(bench.start());
  bench.speak(kAnn, 1, 50, 50 * kStep);
  bench.speak(kAnn, 1, 100, 100 * kStep);
  fail_unless(bench.end());
  const Wav wav = read_wav(dir + "/111111111111111111.wav");
  fail_unless_equals_uint64(wav.frames(), 2 * kFrame);
  fail_unless(is_noise(wav, kAnn, 0, kFrame, 50 * kFrame));
  fail_unless(is_noise(wav, kAnn, kFrame, kFrame, 100 * kFrame));
  remove_dir(dir);
}
GST_END_TEST

GST_START_TEST(hostile_names_stay_in_the_directory) {
  const std::string dir = make_dir();
  Bench bench("location=" + quoted(dir + "/%n.%x"));
  fail_unless(bench.start());
  const std::string names[] = {"../../x", "x", "", "a/b\nc", std::string(500, 'q'), "CON", "x"};
  guint64 user = 1;
  for (const auto &name : names) {
    bench.name(user, static_cast<guint32>(user), name);
    bench.speak(user, static_cast<guint32>(user), 0, 0);
    ++user;
  }
  fail_unless(bench.end());
  const auto files = list(dir);
  fail_unless_equals_int(files.size(), std::size(names));
  for (const auto &file : files) {
    fail_unless(file.ends_with(".wav") && file.find('/') == std::string::npos, "%s", file.c_str());
  }
  fail_unless(exists(dir + "/x.wav") && exists(dir + "/x-2.wav") && exists(dir + "/x-3.wav"));
  remove_dir(dir);
}
GST_END_TEST

GST_START_TEST(an_existing_file_is_left_alone) {
  const std::string dir = make_dir();
  for (int run = 0; run < 2; ++run) {
    Bench bench("location=" + quoted(dir + "/%u.wav"));
    fail_unless(bench.start());
    for (guint64 i = 0; i < (run == 0 ? 5u : 9u); ++i) bench.speak(kCid, 1, i, i * kStep);
    fail_unless(bench.end());
  }
  fail_unless(about(read_wav(dir + "/3.wav").frames(), 5 * kFrame));
  fail_unless(about(read_wav(dir + "/3-2.wav").frames(), 9 * kFrame));
  remove_dir(dir);
}
GST_END_TEST

GST_START_TEST(a_missing_directory_is_one_clear_error) {
  Bench bench("location=/nonexistent-directory/%u.wav");
  fail_if(bench.start());
  const Message *error = bench.find("error");
  fail_unless(error != nullptr);
  fail_unless_equals_int(error->code, GST_RESOURCE_ERROR_OPEN_WRITE);
  fail_unless(error->text.find("/nonexistent-directory") != std::string::npos);
  fail_unless_equals_int(bench.count("error"), 1);
}
GST_END_TEST

GST_START_TEST(a_bad_template_is_one_clear_error) {
  Bench bench("location=/tmp/%q.wav");
  fail_if(bench.start());
  fail_unless_equals_int(bench.find("error")->code, GST_RESOURCE_ERROR_SETTINGS);
}
GST_END_TEST

GST_START_TEST(one_file_that_fails_does_not_end_the_others) {
  const std::string dir = make_dir();
  fail_unless_equals_int(mkdir((dir + "/good").c_str(), 0700), 0);
  Bench bench("location=" + quoted(dir + "/%n/%u.wav"));
  fail_unless(bench.start());
  bench.name(kAnn, 1, "good");
  bench.name(kBob, 2, "bad");
  bench.speak(kAnn, 1, 0, 0);
  fail_unless(bench.wait_for("discordfilesink-track-opened"));
  bench.speak(kBob, 2, 0, 0);
  fail_unless(bench.wait_for("warning"));
  for (guint64 i = 1; i < 10; ++i) {
    fail_unless_equals_int(bench.speak(kAnn, 1, i, i * kStep), GST_FLOW_OK);
    fail_unless_equals_int(bench.speak(kBob, 2, i, i * kStep), GST_FLOW_OK);
  }
  fail_unless(bench.end());
  fail_unless_equals_int(bench.count("warning"), 1);
  fail_unless_equals_int(bench.count("error"), 0);
  fail_unless(bench.messages.front().name == "discordfilesink-track-opened");
  fail_unless(bench.find("warning")->text.find(dir + "/bad/") != std::string::npos);
  check_said(read_wav(dir + "/good/111111111111111111.wav"), kAnn, {{0, 10 * kFrame}});
  remove_dir(dir);
}
GST_END_TEST

GST_START_TEST(when_nothing_can_be_written_there_is_one_error) {
  const std::string dir = make_dir();
  Bench bench("location=" + quoted(dir + "/%n/%u.wav"));
  fail_unless(bench.start());
  bench.speak(kBob, 2, 0, 0);
  fail_unless(bench.wait_for("error"));
  fail_unless_equals_int(bench.find("error")->code, GST_RESOURCE_ERROR_OPEN_WRITE);
  remove_dir(dir);
}
GST_END_TEST

GST_START_TEST(stopping_without_eos_completes_the_files) {
  const std::string dir = make_dir();
  Bench bench("location=" + quoted(dir + "/%u.wav"));
  fail_unless(bench.start());
  for (guint64 i = 0; i < 10; ++i) bench.speak(kCid, 1, i, i * kStep);
  bench.wait_written(10 * kFrame);
  bench.stop();
  check_said(read_wav(dir + "/3.wav"), kCid, {{0, 10 * kFrame}});
  fail_unless_equals_uint64(bench.stat("samples"), 10 * kFrame);
  remove_dir(dir);
}
GST_END_TEST

GST_START_TEST(a_call_in_which_nobody_speaks_ends_too) {
  const std::string dir = make_dir();
  Bench bench("location=" + quoted(dir + "/%u.wav"));
  fail_unless(bench.start());
  fail_unless(bench.end());
  fail_unless_equals_int(list(dir).size(), 0);
  remove_dir(dir);
}
GST_END_TEST

GST_START_TEST(a_live_recording_lasts_until_it_is_ended) {
  const std::string dir = make_dir();
  Bench bench("location=" + quoted(dir + "/%u.wav"), Bench::Input::live);
  fail_unless(bench.start());
  bench.speak(kAnn, 1, 0, 0);
  for (guint64 i = 0; i < 10; ++i) bench.speak(kCid, 3, i, i * kStep);
  fail_unless(bench.end());
  const Wav ann = read_wav(dir + "/111111111111111111.wav"), cid = read_wav(dir + "/3.wav");
  fail_unless(ann.frames() >= 10 * kFrame);
  fail_unless_equals_uint64(ann.frames(), cid.frames());
  check_said(ann, kAnn, {{0, kFrame}});
  remove_dir(dir);
}
GST_END_TEST

static bool near(double a, double b) { return std::abs(a - b) < 0.02; }

static std::vector<nlohmann::json> index_lines(const std::string &path) {
  const dv::Bytes bytes = read_bytes(path);
  std::istringstream index(std::string(bytes.begin(), bytes.end()));
  std::vector<nlohmann::json> lines;
  for (std::string line; std::getline(index, line);) lines.push_back(nlohmann::json::parse(line));
  return lines;
}

GST_START_TEST(the_index_tells_who_spoke_when) {
  const std::string dir = make_dir();
  const std::string name = "Ann \"</script>\" \\ \n../x";
  {
    Bench bench("location=" + quoted(dir + "/%u.wav") +
                " index-location=" + quoted(dir + "/index.jsonl"));
    fail_unless(bench.start());
    bench.name(kAnn, 1, name);
    for (guint64 i = 50; i < 60; ++i) {
      const bool made_up = i == 53 || i == 54;
      bench.speak(kAnn, 1, i, i * kStep, made_up ? guint32{DV_FRAME_FLAG_CONCEALED} : 0u);
    }
    g_signal_emit_by_name(bench.sink(), "add-marker", "here");
    fail_unless(bench.end());
    fail_unless_equals_uint64(bench.stat("markers"), 1);
  }
  std::map<std::string, nlohmann::json> lines;
  for (const auto &line : index_lines(dir + "/index.jsonl")) lines[line["type"]] = line;
  for (const char *type : {"recording", "clock", "user", "joined", "ssrc", "anchor", "track-opened",
                           "spurt", "gap", "marker", "track-closed", "end"}) {
    fail_unless(lines.contains(type), "no line %s", type);
  }
  fail_unless(lines["user"]["name"] == name);
  fail_unless(lines["user"]["user"] == "111111111111111111");
  fail_unless(lines["ssrc"]["ssrc"] == 1);
  fail_unless(near(lines["spurt"]["start"], 1.0) && near(lines["spurt"]["length"], 0.2), "%s",
              lines["spurt"].dump().c_str());
  fail_unless(near(lines["gap"]["start"], 1.06) && near(lines["gap"]["length"], 0.04));
  fail_unless(lines["gap"]["reason"] == "concealed");
  fail_unless(lines["marker"]["text"] == "here");
  fail_unless(lines["track-closed"]["file"] == dir + "/111111111111111111.wav");
  fail_unless(lines["track-closed"]["samples"] == 10 * kFrame);
  fail_unless(near(lines["end"]["duration"], 1.2));
  const auto &anchor = lines["anchor"];
  fail_unless(anchor["user"] == "111111111111111111" && anchor["session"] == 1 &&
              anchor["ssrc"] == 1 && anchor["rtp"] == 50 * kFrame);
  fail_unless(near(anchor["at"], 1.0) && near(anchor["arrival"], 1.0));
  const auto &clock = lines["clock"];
  fail_unless(near(anchor["unix"].get<double>() - anchor["at"].get<double>(),
                   clock["unix"].get<double>() - clock["at"].get<double>()));
  remove_dir(dir);
}
GST_END_TEST

/** The message says of a track what its line in the index says, lengths in nanoseconds. */
static void check_quality(const std::vector<Message> &messages, const nlohmann::json &line) {
  const auto closed = std::find_if(messages.begin(), messages.end(), [&](const Message &m) {
    return m.name == "discordfilesink-track-closed" && std::to_string(m.user) == line["user"];
  });
  fail_unless(closed != messages.end() && closed->quality.size() == 6);
  for (const auto &[name, value] : closed->quality) {
    const double unit = name.ends_with("-length") ? 1e9 : 1;
    fail_unless(std::abs(static_cast<double>(value) / unit - line[name].get<double>()) < 1e-5, "%s",
                name.c_str());
  }
}

GST_START_TEST(the_figures_of_a_track_are_the_sums_of_its_lines) {
  const std::string dir = make_dir();
  std::vector<Message> messages;
  {
    Bench bench("location=" + quoted(dir + "/%u.wav") +
                " index-location=" + quoted(dir + "/index.jsonl"));
    fail_unless(bench.start());
    for (guint64 i = 0; i < 700; ++i) {
      if (i % 100 == 7 || i % 100 == 8 || (i > 300 && i < 400)) continue;
      const bool made_up = i % 50 == 20 || i % 50 == 21;
      bench.speak(kAnn, 1, i, i * kStep, made_up ? guint32{DV_FRAME_FLAG_CONCEALED} : 0u);
      if (i % 2 == 0) bench.speak(kBob, 2, i / 2, i * kStep);
    }
    fail_unless(bench.end());
    messages = bench.messages;
  }
  std::map<std::string, double> sums;
  std::map<std::string, std::size_t> gaps;
  std::size_t closed = 0;
  for (const auto &line : index_lines(dir + "/index.jsonl")) {
    const std::string type = line["type"];
    if (type != "spurt" && type != "gap" && type != "track-closed") continue;
    const std::string user = line["user"];
    if (type != "track-closed") {
      sums[user + (type == "gap" ? std::string(line["reason"]) : "speech")] +=
          line["length"].get<double>();
      if (type == "gap") ++gaps[user];
      continue;
    }
    ++closed;
    for (const char *kind : {"speech", "lost", "concealed"}) {
      const double told = line[std::string(kind) + "-length"], sum = sums[user + kind];
      fail_unless(std::abs(told - sum) < 1e-4, "%s %f, not %f", kind, told, sum);
    }
    fail_unless(line["gaps"] == gaps[user]);
    check_quality(messages, line);
  }
  fail_unless_equals_int(closed, 2);
  const std::string ann = std::to_string(kAnn);
  fail_unless(gaps[ann] > 15 && sums[ann + "lost"] > 0.2 && sums[ann + "concealed"] > 0.4);
  remove_dir(dir);
}
GST_END_TEST

GST_START_TEST(a_user_who_comes_back_goes_on_in_the_same_file) {
  const std::string dir = make_dir();
  Bench bench("location=" + quoted(dir + "/%u.wav"));
  fail_unless(bench.start());
  bench.name(kAnn, 1, "Ann");
  for (guint64 i = 0; i < 10; ++i) {
    bench.speak(kAnn, 1, i, i * kStep);
    bench.speak(kCid, 3, i, i * kStep);
  }
  bench.name(kAnn, 1, "Ann", false);
  bench.wait_written(20 * kFrame);
  bench.name(kAnn, 1, "Ann");
  for (guint64 i = 100; i < 110; ++i) bench.speak(kAnn, 1, i, i * kStep);
  fail_unless(bench.end());
  const Wav wav = read_wav(dir + "/111111111111111111.wav");
  check_said(wav, kAnn, {{0, 10 * kFrame}, {100 * kFrame, 10 * kFrame}});
  fail_unless_equals_int(list(dir).size(), 2);
  remove_dir(dir);
}
GST_END_TEST

GST_START_TEST(an_index_that_cannot_be_written_costs_the_index_alone) {
  const std::string dir = make_dir();
  Bench bench("index-location=/dev/full location=" + quoted(dir + "/%u.wav"));
  fail_unless(bench.start());
  bench.speak(kCid, 1, 0, 0);
  fail_unless(bench.end());
  fail_unless_equals_int(bench.count("warning"), 1);
  check_said(read_wav(dir + "/3.wav"), kCid, {{0, kFrame}});
  remove_dir(dir);
}
GST_END_TEST

GST_START_TEST(a_hundred_recordings_in_a_row) {
  const std::string dir = make_dir();
  Bench bench("overwrite=true location=" + quoted(dir + "/%u.wav"));
  std::size_t descriptors = 0;
  for (int i = 0; i < 100; ++i) {
    fail_unless(bench.start());
    if (i == 1) descriptors = list("/proc/self/fd").size();
    if (i > 1) fail_unless_equals_int(list("/proc/self/fd").size(), descriptors);
    bench.speak(kCid, 1, 0, 0);
    if (i % 2 == 0) {
      fail_unless(bench.end());
    } else {
      bench.wait_written(kFrame);
    }
    bench.stop();
    check_said(read_wav(dir + "/3.wav"), kCid, {{0, kFrame}});
  }
  fail_unless_equals_int(list(dir).size(), 1);
  remove_dir(dir);
}
GST_END_TEST

static Suite *filesink_suite() {
  Suite *suite = suite_create("discordfilesink");
  TCase *wav = tcase_create("wav");
  suite_add_tcase(suite, wav);
  tcase_add_test(wav, samples_are_where_they_were_said_and_silence_is_around_them);
  tcase_add_test(wav, three_users_have_three_files_of_one_length);
  tcase_add_test(wav, two_ssrcs_of_one_user_feed_one_file);
  tcase_add_test(wav, files_start_with_their_speaker_when_told_to);
  tcase_add_test(wav, without_silence_speech_is_back_to_back);
  tcase_add_test(wav, hostile_names_stay_in_the_directory);
  tcase_add_test(wav, an_existing_file_is_left_alone);
  tcase_add_test(wav, stopping_without_eos_completes_the_files);
  tcase_add_test(wav, a_call_in_which_nobody_speaks_ends_too);
  tcase_add_test(wav, a_live_recording_lasts_until_it_is_ended);
  tcase_add_test(wav, the_index_tells_who_spoke_when);
  tcase_add_test(wav, the_figures_of_a_track_are_the_sums_of_its_lines);
  tcase_add_test(wav, a_user_who_comes_back_goes_on_in_the_same_file);
  tcase_add_test(wav, an_index_that_cannot_be_written_costs_the_index_alone);
  tcase_add_test(wav, a_hundred_recordings_in_a_row);
  TCase *errors = tcase_create("errors");
  suite_add_tcase(suite, errors);
  tcase_add_test(errors, a_missing_directory_is_one_clear_error);
  tcase_add_test(errors, a_bad_template_is_one_clear_error);
  tcase_add_test(errors, one_file_that_fails_does_not_end_the_others);
  tcase_add_test(errors, when_nothing_can_be_written_there_is_one_error);
  return suite;
}

GST_CHECK_MAIN(filesink)
