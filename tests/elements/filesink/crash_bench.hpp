// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "sink_bench.hpp"

/** What the tests share that end a recorder without warning (kill_recorder.cpp). */
namespace crash {

constexpr const char *kFormats[] = {"wav", "mp3", "flac", "opus"};
constexpr guint64 kUsers = 3;   ///< that the recorder records
constexpr guint64 kFirst = 10;  ///< frames until a track must be there
constexpr guint64 kMore = 20;   ///< frames that a restarted recorder adds

/** Many crashes, and every file opened by every program. */
bool is_long();

/**
 * Runs the recorder with these arguments until it has said that at least `frames` are recorded,
 * then calls `crash`, which may let something happen to the storage, and kills it. What it said
 * last.
 */
guint64 record_and_kill(
    std::vector<std::string> arguments, guint64 frames, const std::function<void()> &crash = [] {});

/** Runs the recorder with these arguments for `kMore` frames. */
void record_more(std::vector<std::string> arguments);

/** Has the file opened by whatever can open one of its format. */
void check_programs(const std::string &path, const std::string &format);

/**
 * Decodes a user's file, and checks that it holds what was said; how many samples that are.
 * `strict`: the header of WAV may promise no more than there is, either, with which players do
 * cope.
 */
std::size_t check_file(const std::string &path, const std::string &format, guint64 user,
                       bool strict = !is_long());

std::vector<nlohmann::json> index_of(const std::string &dir);

/** What a restarted recorder has made of it: the same tracks, in more files, and one end. */
void check_continued(const std::string &dir, const std::string &format);

/** The greatest loss of a test, which it tells at its end. */
class WorstLoss {
 public:
  explicit WorstLoss(double limit) : limit_(limit) {}
  /** Fails when the file lacks more than the limit of what was recorded. */
  void add(const std::string &path, guint64 frames, std::size_t samples);
  void tell(const std::string &format, int crashes) const;

 private:
  const double limit_;  // seconds
  double worst_ = 0;
};

}  // namespace crash
