// SPDX-License-Identifier: LGPL-2.1-or-later
#include "crash_bench.hpp"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <sstream>
#include <utility>

// Last: it defines `fail` as a macro.
#include <gst/check/gstcheck.h>

using namespace bench;

namespace crash {
namespace {

std::vector<gchar *> argv_of(std::vector<std::string> &arguments) {
  std::vector<gchar *> argv;
  for (auto &argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  return argv;
}

/** Exit code of a program that is installed; 0 where it is not. */
int exit_code(std::vector<std::string> arguments) {
  gchar *program = g_find_program_in_path(arguments[0].c_str());
  if (program == nullptr) return 0;
  g_free(program);
  auto argv = argv_of(arguments);
  int status = 0;
  const auto flags = static_cast<GSpawnFlags>(G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL |
                                              G_SPAWN_STDERR_TO_DEV_NULL);
  fail_unless(g_spawn_sync(nullptr, argv.data(), nullptr, flags, nullptr, nullptr, nullptr, nullptr,
                           &status, nullptr));
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

bool is_long() { return g_getenv("DV_LONG") != nullptr; }

guint64 record_and_kill(std::vector<std::string> arguments, guint64 frames,
                        const std::function<void()> &crash) {
  arguments.insert(arguments.begin(), DV_KILL_RECORDER);
  const auto argv = argv_of(arguments);
  int out[2];
  fail_unless_equals_int(pipe(out), 0);
  const pid_t child = fork();
  if (child == 0) {
    // A test that is over must not leave one that records on.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(out[1], STDOUT_FILENO);
    close(out[0]);
    close(out[1]);
    execv(argv[0], argv.data());
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
      crash();
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

void record_more(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), DV_KILL_RECORDER);
  arguments.push_back(std::to_string(kMore));
  fail_unless_equals_int(exit_code(std::move(arguments)), 0);
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

std::size_t check_file(const std::string &path, const std::string &format, guint64 user,
                       bool strict) {
  const Wav wav = format == "wav" && strict ? read_wav(path) : decode(path);
  if (format == "wav" || format == "flac") {
    fail_unless(wav.frames() > kFrame && find_noise(wav, user, 0, wav.frames() - kFrame) >= 0,
                "%s does not hold what was said", path.c_str());
  }
  return wav.frames();
}

std::vector<nlohmann::json> index_of(const std::string &dir) {
  const dv::Bytes bytes = read_bytes(dir + "/index.jsonl");
  std::istringstream text(std::string(bytes.begin(), bytes.end()));
  std::vector<nlohmann::json> lines;
  for (std::string line; std::getline(text, line);) {
    // Where a crash has torn a line, the restart has closed it.
    if (nlohmann::json::accept(line)) lines.push_back(nlohmann::json::parse(line));
  }
  return lines;
}

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
  fail_unless_equals_int(closed, kUsers);
  fail_unless(lines.back()["type"] == "end");
  fail_unless_equals_int(list(dir).size(), 2 * kUsers + 1);
  for (const auto &name : list(dir)) fail_if(name.ends_with(".part"), "%s", name.c_str());
  for (guint64 user = 1; user <= kUsers; ++user) {
    const std::string path = dir + "/" + std::to_string(user) + "-2." + format;
    WorstLoss(0.25).add(path, kMore, check_file(path, format, user));
    if (is_long()) check_programs(path, format);
  }
}

void WorstLoss::add(const std::string &path, guint64 frames, std::size_t samples) {
  const double lost =
      (static_cast<double>(frames * kFrame) - static_cast<double>(samples)) / (50 * kFrame);
  worst_ = std::max(worst_, lost);
  fail_unless(lost <= limit_, "%s lacks %.3f s of %.2f", path.c_str(), lost,
              static_cast<double>(frames) / 50);
}

void WorstLoss::tell(const std::string &format, int crashes) const {
  std::printf("%s: %d crashes, at most %.3f s of a track lost\n", format.c_str(), crashes, worst_);
  std::fflush(stdout);
}

}  // namespace crash
