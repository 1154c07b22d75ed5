// SPDX-License-Identifier: LGPL-2.1-or-later
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>

#include "sink_bench.hpp"

// Last: it defines `fail` as a macro.
#include <gst/check/gstcheck.h>

using namespace bench;

namespace {

constexpr guint kQuarter = 12000;  // samples
constexpr guint64 kMore = 20;      // frames after the restart

/** The long form kills each format 200 times and has every file opened by every program. */
bool is_long() { return g_getenv("DV_LONG") != nullptr; }
int kills() { return is_long() ? 200 : 4; }

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

/** Exit code of a program that is installed; 0 where it is not. */
int exit_code(std::vector<std::string> arguments) {
  gchar *program = g_find_program_in_path(arguments[0].c_str());
  if (program == nullptr) return 0;
  g_free(program);
  std::vector<gchar *> argv;
  for (auto &argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  int status = 0;
  const auto flags = static_cast<GSpawnFlags>(G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL |
                                              G_SPAWN_STDERR_TO_DEV_NULL);
  fail_unless(g_spawn_sync(nullptr, argv.data(), nullptr, flags, nullptr, nullptr, nullptr, nullptr,
                           &status, nullptr));
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void check_programs(const std::string &path, const std::string &format) {
  std::vector<std::vector<std::string>> all = {
      {"ffmpeg", "-v", "error", "-nostdin", "-i", path, "-f", "null", "-"}};
  if (format == "flac") all.push_back({"flac", "-t", "-s", path});
  if (format == "opus") {
    // A stream without an end mark is a warning and an exit code to opusinfo; nothing else may be.
    all.push_back({"sh", "-c",
                   "command -v opusinfo || exit 0; said=$(opusinfo $0); echo \"$said\" | grep -q "
                   "'Playback length' && ! echo \"$said\" | grep WARNING | grep -qv EOS",
                   path});
  }
  if (format != "opus") all.push_back({"sox", "-t", format, path, "-n", "stat"});
  for (const auto &arguments : all) {
    const int code = exit_code(arguments);
    fail_unless(code == 0, "%s says %d of %s", arguments[0].c_str(), code, path.c_str());
  }
}

const char *const kFormats[] = {"wav", "mp3", "flac", "opus"};

void check_file(const std::string &path, const std::string &format, guint64 user, guint64 frames) {
  const Wav wav = format == "wav" && !is_long() ? read_wav(path) : decode(path);
  fail_unless(wav.frames() + kQuarter >= frames * kFrame, "%s: %zu of %u", path.c_str(),
              wav.frames(), static_cast<guint>(frames * kFrame));
  if (format == "wav" || format == "flac") {
    fail_unless(find_noise(wav, user, 0, wav.frames() - kFrame) >= 0);
  }
}

std::vector<nlohmann::json> index_of(const std::string &dir) {
  std::istringstream text(text_of(read_bytes(dir + "/index.jsonl")));
  std::vector<nlohmann::json> lines;
  for (std::string line; std::getline(text, line);) {
    // Where a kill has torn a line, the restart has closed it.
    if (nlohmann::json::accept(line)) lines.push_back(nlohmann::json::parse(line));
  }
  return lines;
}

/** What the restarted recorder has made of it: the same tracks, in more files, and one end. */
void check_continued(const std::string &dir, const std::string &format) {
  int closed = 0;
  std::map<std::string, int> tracks;
  const auto lines = index_of(dir);
  for (const auto &line : lines) {
    if (line["type"] == "track-opened") {
      const auto [track, fresh] = tracks.try_emplace(line["user"], line["track"]);
      fail_unless(fresh || line["track"] == track->second);
    }
    closed += line["type"] == "track-closed" && line["reason"] == "interrupted";
  }
  fail_unless_equals_int(closed, 3);
  fail_unless(lines.back()["type"] == "end");
  fail_unless_equals_int(list(dir).size(), 7);
  for (const auto &name : list(dir)) fail_if(name.ends_with(".part"), "%s", name.c_str());
  for (guint64 user = 1; user <= 3; ++user) {
    const std::string path = dir + "/" + std::to_string(user) + "-2." + format;
    check_file(path, format, user, kMore);
    if (is_long()) check_programs(path, format);
  }
}

}  // namespace

GST_START_TEST(kill_9_costs_a_quarter_of_a_second_at_most_and_a_restart_goes_on) {
  const std::string format = kFormats[__i__];
  std::mt19937 random(static_cast<unsigned>(7 + __i__));
  for (int kill = 0; kill < kills(); ++kill) {
    const std::string dir = make_dir();
    const guint64 frames = record_and_kill(format.c_str(), dir, 5 + random() % 200);
    for (guint64 user = 1; user <= 3; ++user) {
      const std::string path = dir + "/" + std::to_string(user) + "." + format;
      check_file(path + ".part", format, user, frames);
      if (is_long() || static_cast<int>(user) == 1 + kill % 3) {
        check_programs(path + ".part", format);
      }
    }
    fail_unless(index_of(dir).size() >= 7);
    fail_unless_equals_int(exit_code({DV_KILL_RECORDER, format, dir, std::to_string(kMore)}), 0);
    check_continued(dir, format);
    remove_dir(dir);
  }
}
GST_END_TEST

static Suite *crash_suite() {
  Suite *suite = suite_create("discordfilesink crash");
  TCase *crash = tcase_create("crash");
  suite_add_tcase(suite, crash);
  if (is_long()) tcase_set_timeout(crash, 3600);
  tcase_add_loop_test(crash, kill_9_costs_a_quarter_of_a_second_at_most_and_a_restart_goes_on, 0,
                      4);
  return suite;
}

GST_CHECK_MAIN(crash)
