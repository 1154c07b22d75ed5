// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/pbutils/encoding-profile.h>

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "gst/filesink/export/session.hpp"
#include "gst/filesink/recording_log.hpp"
#include "gst/filesink/stream_order.hpp"
#include "gst/filesink/track.hpp"

namespace dv {

enum class Durability : std::uint8_t { process, power };

struct RecordingConfig {
  std::string location;
  TrackFormat format = TrackFormat::wav;  ///< resolved, never `automatic`
  Ref<GObject> profile;                   ///< a GstEncodingProfile, for TrackFormat::profile
  std::string extension = "wav";
  bool silence = true;
  bool from_first = false;
  bool overwrite = false;
  Durability durability = Durability::process;
  Time max_queued = 20s;
  Time max_file_time{};        ///< length of a part; 0: one file per track
  std::string index_location;  ///< empty: none
  bool continues = true;       ///< go on with the recording that the index holds unfinished
  std::uint32_t exports = 0;   ///< exporter::Format flags: made from the index at the end
  Time wall_start{};           ///< since 1970, when the recording was started
};

struct RecordingCounters {
  std::uint64_t tracks = 0, open_tracks = 0, failed_tracks = 0, frames = 0, samples = 0,
                silence_samples = 0, overlaps = 0, overlap_samples = 0, bytes = 0,
                dropped_queue_full = 0, dropped_failed = 0, malformed = 0, markers = 0;
};

/** What a recording tells the element. Called from several threads, with no lock held. */
class RecordingListener {
 public:
  virtual ~RecordingListener() = default;
  virtual void on_track_opened(const TrackReport &report) = 0;
  virtual void on_track_closed(const TrackReport &report) = 0;
  virtual void on_warning(const FileError &error, const std::string &consequence) = 0;
  /** At most once: nothing can be recorded any more. */
  virtual void on_error(const FileError &error) = 0;
  /** Every file is complete. Once, after `finish`. */
  virtual void on_finished() = 0;
  /** Running time by the clock; nothing when not playing. */
  virtual std::optional<Time> now() = 0;
};

/** Whose frame it is. */
struct FrameSource {
  UserId user = 0;
  std::uint32_t session = 0;
  Ssrc ssrc = 0;
};

/**
 * All tracks of one recording: one per user, with one common zero and one common end. From start to
 * stop it runs a few threads, whatever the number of tracks.
 */
class Recording final : public TrackHost {
 public:
  Recording(GstBin *bin, RecordingListener &listener, RecordingConfig config);
  /** Completes all files as far as they go. Must not run in a pool thread. */
  ~Recording() override;

  /** False when nothing can be recorded any more; the error has then been reported. */
  bool push(const FrameSource &source, TrackFrame &&frame);
  /** Tells what goes in and comes out, so that a change of SSRC keeps its order. */
  StreamOrder &order() { return order_; }
  void set_name(UserId user, const std::string &name);
  void set_present(UserId user, bool present);
  /** Live: full queues drop instead of blocking, and silence grows with the clock. */
  void set_live(bool live) { live_ = live; }
  /** The clock runs from here: ties running time to the time of day. */
  void note_clock(Time running, Time since_1970);
  /** A note at a running time; without one, at the end of what was received. */
  void add_marker(std::optional<Time> at, const std::string &text);
  /** Time has come this far, although nobody speaks. */
  void advance(Time position);
  /** Fills all tracks up to the common end and completes them; `on_finished` follows. */
  void finish(const std::string &reason);
  /** `finish`, then waits until every file is complete. Never from a pool thread. */
  void stop();
  /** A buffer that was no whole frame. */
  void count_malformed();
  RecordingCounters counters() const;

 private:
  using Key = std::pair<bool, std::uint64_t>;  // user known, user or session and SSRC

  /** What this recording goes on with. Does not change once the threads run. */
  struct Origin {
    bool continued = false;
    Time start{};        ///< wall clock of the first run, for `%d`
    unsigned parts = 0;  ///< of earlier runs
  };

  void begin_index();
  void take_over(const exporter::Session &killed);
  unsigned number_for_locked(UserId user);
  std::shared_ptr<Track> track_for(const FrameSource &source);
  void note_binding(const FrameSource &source);
  void warn_once(const FileError &error, const std::string &consequence);
  /** The last line of the index, what is made from it, and `on_finished`. */
  void conclude(const std::string &reason, Time end);
  void keep();
  void sync_all();
  TrackTags tags_for(const TrackInfo &info) const;
  std::string name_of(UserId user) const;
  std::unique_ptr<TrackOutput> make_output(std::unique_ptr<OutputFile> file, const TrackInfo &info,
                                           const PcmFormat &pcm, bool opus, FileError &error);

  std::unique_ptr<TrackOutput> open_part(const TrackInfo &info, const PcmFormat &pcm, bool opus,
                                         unsigned part, FileError &error);
  void part_rolled(const TrackInfo &info, const PcmFormat &pcm, const SplitOutput::Part &closed,
                   const SplitOutput::Part &opened);

  std::unique_ptr<TrackOutput> open_output(const TrackInfo &info, const PcmFormat &pcm, bool opus,
                                           FileError &error) override;
  void track_opened(const TrackReport &report) override;
  void track_stretch(const TrackInfo &info, const Stretch &stretch) override;
  void track_failed(const TrackInfo &info, const FileError &error) override;
  void track_closed(const TrackReport &report) override;

  GstBin *bin_;
  RecordingListener &listener_;
  const RecordingConfig config_;
  RecordingLog log_;
  Origin origin_;
  StreamOrder order_;
  std::unique_ptr<StrandPool> pool_;
  std::atomic<bool> live_{false};

  mutable std::mutex mutex_;  // what follows; never held while calling a track's host or listener
  std::map<Key, std::shared_ptr<Track>> tracks_;
  std::map<UserId, unsigned> numbers_;  ///< of tracks, of this run and those before it
  unsigned last_number_ = 0;
  std::map<UserId, std::string> names_;
  std::map<UserId, bool> present_;
  std::map<std::pair<std::uint32_t, Ssrc>, UserId> bindings_;
  std::set<int> warned_;
  std::map<std::string, int> directories_;  ///< open descriptors, for syncfs
  std::string reason_;
  Time end_{};
  RecordingCounters counters_;
  std::size_t closed_ = 0;
  bool finishing_ = false, finished_ = false, failed_ = false, stopping_ = false;

  std::condition_variable keeper_wake_;
  std::thread keeper_;
};

}  // namespace dv
