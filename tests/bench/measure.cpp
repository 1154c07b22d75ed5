// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/bench/measure.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <sstream>

namespace dv::bench {
namespace {

std::int64_t read_clock(clockid_t clock) {
  timespec t{};
  clock_gettime(clock, &t);
  return std::int64_t{t.tv_sec} * 1000000000 + t.tv_nsec;
}

std::string proc_path(std::int64_t pid, const char *file) {
  return "/proc/" + std::to_string(pid) + "/" + file;
}

std::int64_t ticks_to_ns(std::int64_t ticks) { return ticks * (1000000000 / sysconf(_SC_CLK_TCK)); }

std::int64_t cpu_from_stat(std::int64_t pid) {
  std::ifstream in(proc_path(pid, "stat"));
  std::string line;
  if (!std::getline(in, line)) return 0;
  // The name of the program may hold anything; fields are counted from behind it.
  std::istringstream rest(line.substr(line.rfind(')') + 1));
  std::string skipped;
  for (int i = 0; i < 11; ++i) rest >> skipped;
  std::int64_t user = 0, system = 0;
  rest >> user >> system;
  return ticks_to_ns(user + system);
}

double kib_after(std::ifstream &in, const std::string &name) {
  for (std::string word; in >> word;) {
    double kib = 0;
    if (word == name && in >> kib) return kib;
  }
  return 0;
}

}  // namespace

void broken(const std::string &what) {
  std::fprintf(stderr, "bench: %s\n", what.c_str());
  std::exit(2);
}

std::int64_t wall_ns() { return read_clock(CLOCK_MONOTONIC); }
std::int64_t own_cpu_ns() { return read_clock(CLOCK_PROCESS_CPUTIME_ID); }
std::int64_t thread_cpu_ns() { return read_clock(CLOCK_THREAD_CPUTIME_ID); }

std::int64_t cpu_ns_of(std::int64_t pid) {
  // Nanoseconds, of a process with one thread as workers are; `stat` counts in hundredths.
  std::ifstream in(proc_path(pid, "schedstat"));
  std::int64_t ns = 0;
  if (in >> ns && ns > 0) return ns;
  return cpu_from_stat(pid);
}

std::int64_t cpu_ns_of(const std::vector<std::int64_t> &pids) {
  std::int64_t sum = 0;
  for (const auto pid : pids) sum += cpu_ns_of(pid);
  return sum;
}

double pss_kib(std::int64_t pid) {
  std::ifstream in(proc_path(pid, "smaps_rollup"));
  return kib_after(in, "Pss:");
}

double pss_kib(const std::vector<std::int64_t> &pids) {
  double sum = 0;
  for (const auto pid : pids) sum += pss_kib(pid);
  return sum;
}

std::uint64_t available_mib() {
  std::ifstream in("/proc/meminfo");
  return static_cast<std::uint64_t>(kib_after(in, "MemAvailable:") / 1024);
}

double Series::quantile(double part) const {
  if (values.empty()) return 0;
  auto sorted = values;
  std::sort(sorted.begin(), sorted.end());
  const double at = part * static_cast<double>(sorted.size() - 1);
  return sorted[static_cast<std::size_t>(at + 0.5)];
}

void Report::figure(const std::string &key, double value) { figures_.emplace_back(key, value); }

void Report::figure(const std::string &key, const Series &series) {
  figure(key, series.median());
  figure(key + "_min", series.min());
  figure(key + "_max", series.max());
}

bool Report::write_json(const std::string &path) const {
  std::ofstream out(path);
  out << "{";
  const char *separator = "\n";
  for (const auto &[key, value] : figures_) {
    char number[64];
    std::snprintf(number, sizeof number, "%.6g", value);
    out << separator << "  \"" << key << "\": " << number;
    separator = ",\n";
  }
  out << "\n}\n";
  out.close();
  return static_cast<bool>(out);
}

}  // namespace dv::bench
