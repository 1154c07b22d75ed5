// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <dirent.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/elements/decrypt/fixture.hpp"

namespace dv::test {

/** The same test at full size: minutes, and figures of this machine on the screen. */
inline bool long_form() { return std::getenv("DV_LONG") != nullptr; }

inline std::vector<pid_t> worker_pids(Bench &bench) {
  std::vector<pid_t> pids;
  auto all = bench.stats();
  const GValue *list = gst_structure_get_value(all.get(), "worker-pids");
  for (guint i = 0; i < gst_value_array_get_size(list); ++i) {
    pids.push_back(static_cast<pid_t>(g_value_get_int64(gst_value_array_get_value(list, i))));
  }
  return pids;
}

/** Waits for an error on the bus; its text. */
inline std::string error_of(Bench &bench) {
  Ref<GstMessage> message(
      gst_bus_timed_pop_filtered(bench.bus.get(), 60 * GST_SECOND, GST_MESSAGE_ERROR));
  fail_unless(message != nullptr, "no error");
  GError *raw = nullptr;
  gst_message_parse_error(message.get(), &raw, nullptr);
  Ref<GError> error(raw);
  return error->message;
}

inline std::string file_text(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

/** Children of `parent` that are workers, zombies included. */
inline std::vector<pid_t> children_of(pid_t parent) {
  std::vector<pid_t> found;
  DIR *proc = opendir("/proc");
  while (const dirent *entry = readdir(proc)) {
    const pid_t pid = static_cast<pid_t>(std::atoi(entry->d_name));
    if (pid <= 0) continue;
    const std::string stat = file_text("/proc/" + std::to_string(pid) + "/stat");
    const auto close = stat.rfind(')');
    if (close == std::string::npos || stat.find("(gst-discord-work") == std::string::npos) continue;
    char state = 0;
    int ppid = 0;
    if (std::sscanf(stat.c_str() + close + 1, " %c %d", &state, &ppid) == 2 && ppid == parent) {
      found.push_back(pid);
    }
  }
  closedir(proc);
  return found;
}

inline std::size_t entries_of(const char *directory) {
  std::size_t n = 0;
  DIR *dir = opendir(directory);
  while (readdir(dir) != nullptr) ++n;
  closedir(dir);
  return n;
}
inline std::size_t open_descriptors() { return entries_of("/proc/self/fd"); }
inline std::size_t threads() { return entries_of("/proc/self/task"); }
/** Shared memory of ours that is mapped. */
inline std::size_t mapped_regions() {
  const std::string maps = file_text("/proc/self/maps");
  std::size_t n = 0;
  for (std::size_t at = 0; (at = maps.find("memfd:discord", at)) != std::string::npos; ++at) ++n;
  return n;
}

inline bool gone(pid_t pid) {
  const std::string stat = file_text("/proc/" + std::to_string(pid) + "/stat");
  return stat.empty() || stat.find(") Z") != std::string::npos;
}

inline int pidfd_open_of(pid_t pid) { return static_cast<int>(syscall(SYS_pidfd_open, pid, 0)); }

}  // namespace dv::test
