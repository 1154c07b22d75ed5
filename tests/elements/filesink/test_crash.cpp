// SPDX-License-Identifier: LGPL-2.1-or-later
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>

#include "sink_bench.hpp"

// Last: it defines `fail` as a macro.
#include <gst/check/gstcheck.h>

using namespace bench;

namespace {

constexpr int kKills = 5;
constexpr guint kQuarter = 12000;  // samples

std::string text_of(const dv::Bytes &bytes) { return {bytes.begin(), bytes.end()}; }

/** Runs the recorder, kills it once it has said at least `frames`; what it said last. */
guint64 record_and_kill(const char *format, const std::string &dir, guint64 frames) {
  int out[2];
  fail_unless_equals_int(pipe(out), 0);
  const pid_t child = fork();
  if (child == 0) {
    dup2(out[1], STDOUT_FILENO);
    close(out[0]);
    close(out[1]);
    execl(DV_KILL_RECORDER, DV_KILL_RECORDER, format, dir.c_str(), nullptr);
    _exit(127);
  }
  close(out[1]);
  FILE *lines = fdopen(out[0], "r");
  guint64 said = 0;
  char line[64];
  bool killed = false;
  while (std::fgets(line, sizeof line, lines) != nullptr) {
    said = g_ascii_strtoull(line, nullptr, 10);
    if (!killed && said >= frames) {
      kill(child, SIGKILL);
      killed = true;
    }
  }
  fclose(lines);
  int status = 0;
  waitpid(child, &status, 0);
  fail_unless(killed && WIFSIGNALED(status), "the recorder ended by itself");
  return said;
}

}  // namespace

GST_START_TEST(kill_9_costs_a_quarter_of_a_second_at_most) {
  const char *formats[] = {"wav", "mp3", "flac", "opus"};
  const char *format = formats[__i__];
  std::mt19937 random(static_cast<unsigned>(7 + __i__));
  for (int kill = 0; kill < kKills; ++kill) {
    const std::string dir = make_dir();
    const guint64 frames = record_and_kill(format, dir, 5 + random() % 200);
    for (guint64 user = 1; user <= 3; ++user) {
      const std::string path = dir + "/" + std::to_string(user) + "." + format + ".part";
      const Wav wav = __i__ == 0 ? read_wav(path) : decode(path);
      fail_unless(wav.frames() + kQuarter >= frames * kFrame, "%s: %zu of %u", format, wav.frames(),
                  static_cast<guint>(frames * kFrame));
      if (__i__ == 0 || __i__ == 2)
        fail_unless(find_noise(wav, user, 0, wav.frames() - kFrame) >= 0);
    }
    std::istringstream index(text_of(read_bytes(dir + "/index.jsonl")));
    int lines = 0;
    for (std::string line; std::getline(index, line); ++lines) {
      fail_unless(nlohmann::json::accept(line), "%s", line.c_str());
    }
    fail_unless(lines >= 7);
    remove_dir(dir);
  }
}
GST_END_TEST

static Suite *crash_suite() {
  Suite *suite = suite_create("discordfilesink crash");
  TCase *crash = tcase_create("crash");
  suite_add_tcase(suite, crash);
  tcase_add_loop_test(crash, kill_9_costs_a_quarter_of_a_second_at_most, 0, 4);
  return suite;
}

GST_CHECK_MAIN(crash)
