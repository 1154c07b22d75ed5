// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace dv::bench {

/** There is nothing to measure. Exit code 2. */
[[noreturn]] void broken(const std::string &what);

/** CLOCK_MONOTONIC, nanoseconds. */
std::int64_t wall_ns();
/** User and system time of this process, all threads, nanoseconds. */
std::int64_t own_cpu_ns();
/** The same of the calling thread. */
std::int64_t thread_cpu_ns();
/** The same of another process; 0 if it is gone. */
std::int64_t cpu_ns_of(std::int64_t pid);
std::int64_t cpu_ns_of(const std::vector<std::int64_t> &pids);
/** Proportional set size, KiB; shared pages count in parts. 0 if it is gone. */
double pss_kib(std::int64_t pid);
double pss_kib(const std::vector<std::int64_t> &pids);
/** MiB that may be allocated without swapping. */
std::uint64_t available_mib();

/** Repeated measurements of one thing. */
struct Series {
  std::vector<double> values;
  void add(double value) { values.push_back(value); }
  /** `part` 0.5: the median. 0 without values. */
  double quantile(double part) const;
  double median() const { return quantile(0.5); }
  double min() const { return quantile(0); }
  double max() const { return quantile(1); }
};

/** What is found out, for the screen and as one flat JSON object. */
class Report {
 public:
  void figure(const std::string &key, double value);
  /** Median, and the spread as KEY_min and KEY_max. */
  void figure(const std::string &key, const Series &series);
  /** False: the file can not be written. */
  bool write_json(const std::string &path) const;

 private:
  std::vector<std::pair<std::string, double>> figures_;
};

struct Settings {
  bool quick = false;
  bool smoke = false;
  std::string json;
  std::string speech_dir;
  std::vector<std::string> only;  ///< sections to run; empty: all
  int repeats() const { return quick ? 3 : 5; }
};

}  // namespace dv::bench
