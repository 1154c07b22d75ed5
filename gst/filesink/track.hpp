// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "gst/filesink/loudness.hpp"
#include "gst/filesink/naming.hpp"
#include "gst/filesink/pcm_converter.hpp"
#include "gst/filesink/placement.hpp"
#include "gst/filesink/spurts.hpp"
#include "gst/filesink/strand_pool.hpp"
#include "gst/filesink/track_output.hpp"
#include "gst/glue/ref.hpp"

namespace dv {

struct FrameFacts {
  PcmFormat pcm;           ///< rate 48000 for Opus
  Time position = kNever;  ///< running time; kNever: directly behind the one before
  std::uint64_t samples = 0;
  std::uint64_t stream = 0;  ///< session and SSRC
  std::uint64_t seq = 0;
  bool opus = false;
  bool concealed = false, silence = false, after_gap = false, has_seq = false;
  bool decoded = false;    ///< here, from packets that may be recorded, too
  bool continues = false;  ///< without number: a decoder says that it follows the one before
};

/** One frame on its way into a file. */
struct TrackFrame : FrameFacts {
  Ref<GstBuffer> buffer;  ///< PCM, or a whole Opus packet

  TrackFrame share() const {
    TrackFrame out;
    static_cast<FrameFacts &>(out) = *this;
    out.buffer.reset(gst_buffer_ref(buffer.get()));
    return out;
  }
};

struct TrackInfo {
  unsigned number = 1;
  UserId user = 0;
  Ssrc ssrc = 0;
  std::string name;
  TrackFormat format = TrackFormat::wav;
  bool primary = true;  ///< its files are those of the index; other formats are copies
};

/** How a track went, for the bus and the index. */
struct TrackReport {
  TrackInfo info;
  std::string location;
  unsigned part = 1;
  Time start{}, end{};
  std::uint64_t bytes = 0;
  Placement::Counters placement;
  std::uint64_t concealed = 0, lost = 0, unusable = 0;
  Time speech_length{}, concealed_length{}, lost_length{};  ///< of the stretches told so far
  std::optional<double> loudness{};  ///< LUFS, known at the end, of PCM alone
  std::string reason;
};

class Track;

/** What a track asks of the recording. Called from pool threads, with no lock held. */
class TrackHost {
 public:
  virtual ~TrackHost() = default;
  /** Makes the file for PCM of this format, or for Opus packets. */
  virtual std::unique_ptr<TrackOutput> open_output(const TrackInfo &info, const PcmFormat &pcm,
                                                   bool opus, FileError &error) = 0;
  virtual void track_opened(const TrackReport &report) = 0;
  virtual void track_stretch(const TrackInfo &info, const Stretch &stretch) = 0;
  virtual void track_failed(const TrackInfo &info, const FileError &error) = 0;
  /** The last call of a track. */
  virtual void track_closed(const TrackReport &report) = 0;
};

/**
 * One user's file: a bounded queue that any thread fills, emptied by one pool thread at a time,
 * which places the frames and writes them.
 */
class Track final : public Strand, public std::enable_shared_from_this<Track> {
 public:
  struct Config {
    Placement::Config placement;
    Time max_queued = 20s;
    Time batch{};  ///< waits in the queue to be written at once: what a killed process loses
    std::optional<PcmFormat> pcm{};  ///< converts into this format; else that of the first frame
  };
  enum class Push : std::uint8_t { ok, full, failed };

  Track(TrackHost &host, StrandPool &pool, TrackInfo info, const Config &config);

  /** With `wait`, a full queue is waited for until `wake` is called. Takes the frame unless full.
   */
  Push push(TrackFrame &&frame, bool wait);
  /** What waits for more to be written with it is written now. */
  void hurry();
  /** Nothing will come before `position`: silence may be written up to there. */
  void advance(Time position);
  /** Fills up to `end`, completes the file, reports. Later frames are refused. */
  void finish(Time end, const std::string &reason);
  /** Ends waiting pushes. */
  void wake();

  bool failed() const;
  bool closed() const;
  const TrackInfo &info() const { return info_; }
  /** Grows while the track is written; a consistent copy. */
  TrackReport report() const;

  bool run() override;

 private:
  struct Advance {
    Time position;
  };
  struct Finish {
    Time end;
    std::string reason;
  };
  using Item = std::variant<TrackFrame, Advance, Finish>;

  void schedule_locked();
  /** Room in the queue, called with the lock. */
  bool room_locked() const;
  std::optional<Item> pop();
  // `prepare` says how much silence belongs before an item, `complete` does the rest.
  std::uint64_t prepare(TrackFrame &frame);
  std::uint64_t prepare(const Advance &advance);
  std::uint64_t prepare(const Finish &finish);
  void complete(const TrackFrame &frame);
  void complete(const Advance &) {}
  void complete(const Finish &finish);
  void fill_some();
  void settle();
  bool open(const TrackFrame &frame);
  /** Brings a frame into the format of the track; false when that is impossible. */
  bool adapt(TrackFrame &frame);
  void stretch(TrackFrame &frame, std::int64_t by);
  void note_stretches(const std::vector<Stretch> &stretches);
  void fail(const FileError &error);
  void update_report();

  TrackHost &host_;
  StrandPool &pool_;
  const TrackInfo info_;
  const Config config_;

  mutable std::mutex mutex_;  // what follows; taken before the pool's; never held while writing
                              // or calling the host
  std::condition_variable space_;
  std::deque<Item> queue_;
  Time queued_{};
  bool begun_ = false, scheduled_ = false, finishing_ = false, failed_ = false, closed_ = false, woken_ = false;
  bool catching_up_ = false;  ///< a long silence is being written: more may wait
  TrackReport report_;

  // Of the thread that runs the strand.
  std::unique_ptr<TrackOutput> output_;
  std::optional<Placement> placement_;
  std::optional<Item> held_;  ///< popped, waits for the silence before it
  std::uint64_t fill_left_ = 0;
  PcmFormat pcm_;
  bool opus_ = false;
  std::unique_ptr<PcmConverter> converter_;
  SpurtTracker spurts_;
  std::optional<LoudnessMeter> loudness_;
  std::uint64_t last_stream_ = 0, last_seq_ = 0;
  bool have_last_ = false, told_opened_ = false;
  bool unsettled_ = false;  ///< frames were written since `settle`
};

}  // namespace dv
