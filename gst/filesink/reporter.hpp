// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

#include <atomic>

#include "gst/filesink/recording.hpp"

namespace dv {

/** What a recording tells, as messages of the element. Lives as long as the element. */
class Reporter final : public RecordingListener {
 public:
  explicit Reporter(GstElement *element) : element_(element) {}
  void on_track_opened(const TrackReport &report) override;
  void on_track_closed(const TrackReport &report) override;
  void on_warning(const FileError &error, const std::string &consequence) override;
  void on_error(const FileError &error) override;
  void on_finished() override;
  std::optional<Time> now() override;
  std::optional<Time> wall_zero() override;

  /** Running time means something. */
  void set_playing(bool playing) { playing_ = playing; }
  /** Called when every file is complete. Set before the first recording. */
  void set_finished(void (*finished)(GstElement *)) { finished_ = finished; }
  /** Counters of the last recording, kept for `stats` until the next. */
  void set_last(const RecordingCounters &counters);
  RecordingCounters last() const;

 private:
  GstElement *element_;
  mutable std::mutex mutex_;  // last_ alone
  RecordingCounters last_;
  std::atomic<bool> playing_{false};
  void (*finished_)(GstElement *) = nullptr;
};

/** The structure behind the property `stats`, transfer full. */
GstStructure *stats_structure(const RecordingCounters &counters);

}  // namespace dv
