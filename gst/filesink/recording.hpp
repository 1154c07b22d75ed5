// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "gst/filesink/anchors.hpp"
#include "gst/filesink/export/session.hpp"
#include "gst/filesink/flusher.hpp"
#include "gst/filesink/mix_file.hpp"
#include "gst/filesink/output_maker.hpp"
#include "gst/filesink/pauses.hpp"
#include "gst/filesink/recording_config.hpp"
#include "gst/filesink/recording_log.hpp"
#include "gst/filesink/roster.hpp"
#include "gst/filesink/stream_order.hpp"
#include "gst/filesink/track.hpp"

namespace dv {

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
  /** Time of day at running time 0, by both clocks as they are now; nothing when not playing. */
  virtual std::optional<Time> wall_zero() = 0;
};

/** A frame and who has sent it. */
struct SourcedFrame {
  FrameSource source;
  TrackFrame frame;
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
  StreamOrder<SourcedFrame> &order() { return order_; }
  /** A frame that was sent, in the order of its stream; times are running time. */
  void note_frame(Anchor frame, Time length, bool restart);
  void set_name(UserId user, const std::string &name);
  void set_present(const FrameSource &source, bool present);
  /** Live: full queues drop instead of blocking, and silence grows with the clock. */
  void set_live(bool live) { live_ = live; }
  /** The clock runs from here: ties running time to the time of day. */
  void note_clock(Time running, Time since_1970);
  /** While paused, nothing is recorded. From `now`, or where it is not live, the last frame. */
  void set_paused(bool paused, std::optional<Time> now);
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
  /** A user, or an SSRC of which none is known, and which of the formats. */
  struct Key {
    bool known = false;
    std::uint64_t id = 0;
    std::size_t kind = 0;
    auto operator<=>(const Key &) const = default;
  };

  void begin_index();
  void take_over(const exporter::Session &killed);
  std::shared_ptr<Track> track_for(const FrameSource &source, std::size_t kind,
                                   const PcmFormat &pcm);
  /** Puts a frame on the time line; false while paused. */
  bool place(TrackFrame &frame);
  Track::Push push_to(const FrameSource &source, std::size_t kind, TrackFrame &&frame);
  void note_binding(const FrameSource &source);
  void warn_once(const FileError &error, const std::string &consequence);
  /** The last line of the index, what is made from it, and `on_finished`. */
  void conclude(const std::string &reason, Time end);
  void keep();
  void check_flushed();
  void finish_mix(Time end);
  void part_rolled(const TrackReport &closed, const TrackReport &opened);

  std::unique_ptr<TrackOutput> open_output(const TrackInfo &info, const PcmFormat &pcm, bool opus,
                                           FileError &error) override;
  void track_opened(const TrackReport &report) override;
  void track_stretch(const TrackInfo &info, const Stretch &stretch) override;
  void track_failed(const TrackInfo &info, const FileError &error) override;
  void track_closed(const TrackReport &report) override;

  RecordingListener &listener_;
  const RecordingConfig config_;
  const std::vector<TrackFormat> kinds_;  ///< formats, and the mix
  Roster roster_;
  OutputMaker maker_;
  RecordingLog log_;
  MixFile mix_;
  std::shared_ptr<Flusher> flusher_;  ///< for Durability::power
  StreamOrder<SourcedFrame> order_;
  std::unique_ptr<StrandPool> pool_;
  std::atomic<bool> live_{false};

  mutable std::mutex mutex_;  // what follows; never held while calling a track's host or listener
  std::map<Key, std::shared_ptr<Track>> tracks_;
  std::set<int> warned_;
  Pauses pauses_;
  AnchorTracker anchors_;
  Time wall_zero_{};                  ///< time of day at running time 0
  std::optional<PcmFormat> mix_pcm_;  ///< of the first samples
  std::string reason_;
  Time pauses_at_{};  ///< running time of the last change
  Time received_{};   ///< running time
  Time end_{};        ///< on the time line
  RecordingCounters counters_;
  std::size_t closed_ = 0;
  bool finishing_ = false, finished_ = false, failed_ = false, stopping_ = false;

  std::condition_variable keeper_wake_;
  std::thread keeper_;
};

}  // namespace dv
