// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/reorder/reorderer.hpp"

#include <algorithm>

namespace dv {
namespace {

// Hostile input can name as many SSRCs as it likes.
constexpr std::size_t kMaxStreams = 4096;
constexpr std::size_t kMaxInfos = 8192;
constexpr Time kDoubtWait = 60ms;
// In latencies. On networks that delay everything alike nothing waits that long.
constexpr int kAnchorWait = 3;
constexpr Time kLongestStep = std::chrono::hours(1);

UserId user_of(const SourceInfo &info) { return g_ascii_strtoull(info.cname.c_str(), nullptr, 10); }

GstClockTime to_gst(Time t) { return static_cast<GstClockTime>(std::max(t, Time{}).count()); }

}  // namespace

void Reorderer::reset_stats() {
  std::lock_guard lock(mutex_);
  retired_ = {};
  malformed_ = refused_ = 0;
}

void Reorderer::start(const ReorderSettings &settings) {
  stop();
  std::lock_guard lock(mutex_);
  settings_ = settings;
  gst_segment_init(&segment_, GST_FORMAT_TIME);
  time_ = {};
  shift_.reset();
  live_ = flushing_ = stop_ = false;
  timer_ = std::thread([this] { timer_loop(); });
}

void Reorderer::stop() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
    reschedule();
  }
  wake_.notify_all();
  if (timer_.joinable()) timer_.join();
  std::lock_guard lock(mutex_);
  for (auto &stream : all_) stream->queue.set_flushing(true);
  streams_.clear();
  deadlines_.clear();
  infos_.clear();
  caps_.reset();
  clock_.reset();
  for (auto &stream : all_) retired_.add(stream->counters());
  all_.clear();
}

void Reorderer::set_clock(GstClock *clock, GstClockTime base_time) {
  {
    std::lock_guard lock(mutex_);
    clock_.reset(clock ? GST_CLOCK(gst_object_ref(clock)) : nullptr);
    base_time_ = base_time;
    shift_.reset();
    if (waiting_on_) gst_clock_id_unschedule(waiting_on_);
  }
  wake_.notify_all();
}

void Reorderer::set_latency(std::uint32_t latency_ms) {
  std::lock_guard lock(mutex_);
  settings_.latency_ms = latency_ms;
  for (auto &[key, stream] : streams_) stream->rules.set_latency(latency_ms * Time{1ms});
}

void Reorderer::set_caps(GstCaps *caps) {
  std::lock_guard lock(mutex_);
  if (caps_ && gst_caps_is_equal(caps_.get(), caps)) return;
  // What is held belongs to the old caps.
  if (caps_) {
    for (auto &[key, stream] : streams_) {
      drain(*stream);
      note_deadline(*stream);
    }
  }
  caps_.reset(gst_caps_ref(caps));
  format_ = input_format(caps);
  for (auto &[key, stream] : streams_) {
    Ref<GstCaps> out(output_caps(caps, stream->ssrc, stream->payload_type));
    put(*stream, GST_MINI_OBJECT_CAST(gst_event_new_caps(out.get())));
  }
}

void Reorderer::set_segment(const GstSegment &segment) {
  std::lock_guard lock(mutex_);
  segment_ = segment;
}
void Reorderer::set_live(bool live) {
  std::lock_guard lock(mutex_);
  live_ = live;
}
bool Reorderer::live() const {
  std::lock_guard lock(mutex_);
  return live_;
}
bool Reorderer::raw() const {
  std::lock_guard lock(mutex_);
  return format_.raw;
}

// --- time ---

/** Running time by the clock, while there is one. */
std::optional<Time> Reorderer::clock_now() const {
  if (!clock_) return std::nullopt;
  const GstClockTime now = gst_clock_get_time(clock_.get());
  if (!GST_CLOCK_TIME_IS_VALID(now)) return std::nullopt;
  return Time{static_cast<std::int64_t>(now) - static_cast<std::int64_t>(base_time_)};
}

/** When the frame came: as stamped, else by the clock, else as its RTP time has it. */
Time Reorderer::arrival_of(ReorderStream &stream, const InputFrame &frame) {
  if (frame.arrival) return *frame.arrival;
  if (live_) {
    if (auto now = clock_now()) return *now;
    return time_;
  }
  if (!stream.has_media_time) {
    stream.has_media_time = true;
    stream.media_time = time_;
  } else {
    const auto delta = static_cast<std::int32_t>(frame.rtp_time - stream.last_rtp);
    const std::int64_t rate = std::max<std::uint32_t>(format_.clock_rate, 1);
    const Time step{std::int64_t{delta} * 1'000'000'000 / rate};
    if (step < kLongestStep && step > -kLongestStep) {
      stream.media_time = std::max(Time{}, stream.media_time + step);
    }
  }
  stream.last_rtp = frame.rtp_time;
  return stream.media_time;
}

/**
 * Keeps the distance between the clock and the time of the arrivals. Live input that was stamped by
 * us is on the clock; time stamps of others may be behind it by their latency; what is not live may
 * run ahead as it likes.
 */
void Reorderer::note_time(const InputFrame &frame, Time arrival) {
  time_ = std::max(time_, arrival);
  const auto clock = clock_now();
  if (!clock) return;
  if (!live_) {
    shift_ = time_ - *clock;
  } else if (frame.arrival_is_exact || !frame.arrival) {
    shift_ = Time{};
  } else {
    shift_ = std::min(Time{}, std::max(shift_.value_or(Time::min()), arrival - *clock));
  }
}

Time Reorderer::now() const {
  const auto clock = clock_now();
  return clock && shift_ ? std::max(time_, *clock + *shift_) : time_;
}

// --- frames ---

TimelineConfig Reorderer::timeline_config() const {
  const Time latency = settings_.latency_ms * Time{1ms};
  TimelineConfig config;
  config.clock_rate = format_.clock_rate;
  if (live_ && settings_.hold_first && settings_.rules == SequenceRuleSet::patient) {
    config.anchor_wait = kAnchorWait * latency;
  }
  // What comes in order already is not held by the rules; but its delays are as unknown.
  if (format_.raw && live_) {
    config.first_wait = settings_.hold_first ? latency : Time{};
    config.doubt_wait = std::min(latency, kDoubtWait);
  }
  return config;
}

StreamRef Reorderer::find_or_open(const InputFrame &frame, Result &result) {
  const Key key{frame.session, frame.ssrc};
  if (auto found = streams_.find(key); found != streams_.end()) {
    const StreamRef known = found->second;
    const bool another = frame.user && known->user && frame.user != known->user;
    if (!known->ended && !another) return known;
    if (!known->ended) end_stream(*known);
    // The input goes on after its EOS; the pad does not.
    streams_.erase(key);
  }
  if (streams_.size() >= kMaxStreams || all_.size() >= 2 * kMaxStreams) return nullptr;
  SequenceConfig rules;
  rules.rules = settings_.rules;
  rules.latency = settings_.latency_ms * Time{1ms};
  rules.max_dropout = settings_.max_dropout;
  rules.max_misorder = settings_.max_misorder;
  rules.hold_first = settings_.hold_first;
  auto stream = std::make_shared<ReorderStream>(rules, timeline_config());
  stream->session = frame.session;
  stream->ssrc = frame.ssrc;
  stream->payload_type = frame.payload_type;
  stream->user = frame.user;
  if (auto info = infos_.find(key); info != infos_.end()) {
    const UserId user = user_of(info->second);
    if (!frame.user) stream->user = user;
    if (user == 0 || stream->user == user) {
      stream->cname = info->second.cname;
      stream->name = info->second.name;
    }
  }
  stream->queue.set_flushing(flushing_);
  streams_.emplace(key, stream);
  all_.push_back(stream);
  result.opened.push_back(stream);
  return stream;
}

Reorderer::Result Reorderer::receive(std::vector<Ref<GstBuffer>> buffers) {
  Result result;
  Delivery delivery(*this);
  for (auto &buffer : buffers) {
    auto frame = read_frame(buffer.get(), format_, segment_);
    if (!frame) {
      ++malformed_;
      continue;
    }
    StreamRef stream = find_or_open(*frame, result);
    if (!stream) {
      ++refused_;
      continue;
    }
    const Time arrival = arrival_of(*stream, *frame);
    note_time(*frame, arrival);
    admit(*stream, *frame, std::move(buffer), arrival);
    if (std::find(result.touched.begin(), result.touched.end(), stream) == result.touched.end()) {
      result.touched.push_back(std::move(stream));
    }
  }
  const Time time = now();
  for (auto &stream : result.touched) {
    pump(*stream, time, false);
    note_deadline(*stream);
  }
  if (!live_) advance(time);
  reschedule();
  return result;
}

void Reorderer::admit(ReorderStream &stream, const InputFrame &frame, Ref<GstBuffer> buffer,
                      Time arrival) {
  stream.last_packet = std::max(stream.last_packet, arrival);
  if (frame.user) stream.user = frame.user;
  if (frame.user) stream.frames_name_user = true;
  if (frame.concealed) ++stream.concealed;
  std::uint8_t flags = kSequencePlain;
  if (frame.after_gap) flags |= kSequenceFinal;
  if (frame.restart) flags |= kSequenceRestart;
  stream.rules.push({std::move(buffer), frame.concealed, frame.silence}, frame.seq, frame.rtp_time,
                    frame.samples, arrival, actions_, flags);
  sort_actions(stream, now());
}

/** Hands what the rules decided to the timeline. */
void Reorderer::sort_actions(ReorderStream &stream, Time now) {
  using Kind = SequenceAction<ReorderItem>::Kind;
  for (auto &action : actions_) {
    if (action.kind == Kind::lost) {
      if (stream.lost.lost == 0) stream.lost.lost_first = action.extended_seq;
      stream.lost.lost += action.count;
      stream.lost.lost_samples += action.lost_samples;
    }
    if (action.kind != Kind::deliver) continue;
    TimelineFrame frame;
    frame.extended_seq = action.extended_seq;
    frame.rtp_time = action.rtp_time;
    frame.samples = action.samples;
    frame.arrival = action.arrival;
    frame.restart = action.restart;
    frame.concealed = action.item.concealed;
    frame.silence = action.item.silence;
    stream.timeline.push(frame, now);
    ReorderStream::Waiting waiting = std::exchange(stream.lost, {});
    waiting.item = std::move(action.item);
    waiting.discont = action.discont;
    stream.waiting.push_back(std::move(waiting));
  }
  actions_.clear();
}

void Reorderer::pump(ReorderStream &stream, Time now, bool final) {
  for (;;) {
    const Time before = stream.timeline.end();
    const auto place = stream.timeline.pop(now, final);
    if (!place) return;
    ReorderStream::Waiting waiting = std::move(stream.waiting.front());
    stream.waiting.pop_front();
    emit(stream, std::move(waiting), *place, before);
  }
}

void Reorderer::emit(ReorderStream &stream, ReorderStream::Waiting waiting,
                     const TimelinePlace &place, Time before) {
  if (waiting.lost > 0) emit_lost(stream, waiting, before, place.pts);
  GstBuffer *buffer = gst_buffer_make_writable(waiting.item.buffer.release());
  GST_BUFFER_PTS(buffer) = to_gst(place.pts);
  GST_BUFFER_DTS(buffer) = GST_CLOCK_TIME_NONE;
  GST_BUFFER_DURATION(buffer) =
      place.duration > Time{} ? to_gst(place.duration) : GST_CLOCK_TIME_NONE;
  GST_BUFFER_FLAG_UNSET(buffer, GST_BUFFER_FLAG_DISCONT | GST_BUFFER_FLAG_RESYNC);
  if (waiting.discont) GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DISCONT);
  if (place.anchored) GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_RESYNC);
  put(stream, GST_MINI_OBJECT_CAST(buffer));
}

/** Tells of a loss once: depayloaders know the first event, everybody the second. */
void Reorderer::emit_lost(ReorderStream &stream, const ReorderStream::Waiting &waiting, Time begin,
                          Time end) {
  const std::int64_t rate = std::max<std::uint32_t>(format_.clock_rate, 1);
  const auto samples =
      static_cast<std::int64_t>(std::min<std::uint64_t>(waiting.lost_samples, G_MAXINT32));
  Time duration{samples * 1'000'000'000 / rate};
  if (duration == Time{} || begin + duration > end) duration = std::max(Time{}, end - begin);
  if (!format_.raw) {
    GstStructure *s = gst_structure_new(
        "GstRTPPacketLost", "ssrc", G_TYPE_UINT, stream.ssrc, "seqnum", G_TYPE_UINT,
        static_cast<guint>(waiting.lost_first & 0xffff), "count", G_TYPE_UINT64, waiting.lost,
        "timestamp", G_TYPE_UINT64, to_gst(begin), "duration", G_TYPE_UINT64, to_gst(duration),
        "retry", G_TYPE_UINT, 0u, nullptr);
    put(stream, GST_MINI_OBJECT_CAST(gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM, s)));
  }
  put(stream, GST_MINI_OBJECT_CAST(gst_event_new_gap(to_gst(begin), to_gst(duration))));
}

void Reorderer::put(ReorderStream &stream, GstMiniObject *item) {
  stream.overflow += stream.queue.push(PadItem(item), live_ ? settings_.max_size_buffers : 0);
  if (settings_.pad_threads || stream.pad == nullptr) return;
  if (!fed_.empty() && fed_.back().get() == stream.pad) return;
  fed_.emplace_back(GST_PAD(gst_object_ref(stream.pad)));
}

/** Releases the lock. */
void Reorderer::deliver_fed(std::unique_lock<std::mutex> &lock) {
  const std::vector<Ref<GstPad>> fed = std::exchange(fed_, {});
  lock.unlock();
  for (const auto &pad : fed) deliver_(pad.get());
}

void Reorderer::remember_pad(ReorderStream &stream, GstPad *pad) {
  std::lock_guard lock(mutex_);
  stream.pad = pad;
}

void Reorderer::drain(ReorderStream &stream) {
  stream.rules.drain(now(), actions_);
  sort_actions(stream, now());
  pump(stream, now(), true);
}

/** Its pad gets EOS and goes; a later frame of the SSRC opens another. */
void Reorderer::end_stream(ReorderStream &stream) {
  drain(stream);
  stream.ended = stream.leaving = true;
  put(stream, GST_MINI_OBJECT_CAST(gst_event_new_eos()));
  note_deadline(stream);
  streams_.erase({stream.session, stream.ssrc});
}

// --- control ---

void Reorderer::source_info(const SourceInfo &info) {
  Delivery delivery(*this);
  const Key key{info.session, info.ssrc};
  if (!infos_.contains(key) && infos_.size() >= kMaxInfos) infos_.erase(infos_.begin());
  infos_[key] = info;
  auto found = streams_.find(key);
  if (found == streams_.end()) return;
  ReorderStream &stream = *found->second;
  const UserId user = user_of(info);
  const bool another = stream.user && user && stream.user != user;
  if (another && !stream.frames_name_user) {
    end_stream(stream);
    reschedule();
    return;
  }
  // Frames that name their speaker may still follow; the first one of the other ends the stream.
  stream.leaving = another || !info.present;
  if (stream.leaving) stream.last_packet = std::max(stream.last_packet, time_);
  if (!another && !info.cname.empty()) {
    stream.cname = info.cname;
    stream.name = info.name;
    if (user) stream.user = user;
    if (auto tags = tags_for(stream)) {
      put(stream, GST_MINI_OBJECT_CAST(gst_event_new_tag(tags.release())));
    }
  }
  note_deadline(stream);
  reschedule();
}

void Reorderer::clear_ssrc(std::uint32_t ssrc) {
  Delivery delivery(*this);
  for (auto &stream : std::vector<StreamRef>(all_)) {
    if (stream->ssrc == ssrc && !stream->ended) end_stream(*stream);
  }
  reschedule();
}

void Reorderer::broadcast(GstEvent *event) {
  Delivery delivery(*this);
  for (auto &[key, stream] : streams_) put(*stream, GST_MINI_OBJECT_CAST(gst_event_ref(event)));
}

void Reorderer::finish() {
  Delivery delivery(*this);
  for (auto &[key, stream] : streams_) {
    drain(*stream);
    if (std::exchange(stream->ended, true)) continue;
    note_deadline(*stream);
    put(*stream, GST_MINI_OBJECT_CAST(gst_event_new_eos()));
  }
  reschedule();
}

void Reorderer::flush_start() {
  std::lock_guard lock(mutex_);
  flushing_ = true;
  for (auto &stream : all_) stream->queue.set_flushing(true);
}

void Reorderer::flush_stop() {
  std::lock_guard lock(mutex_);
  flushing_ = false;
  time_ = {};
  shift_.reset();
  gst_segment_init(&segment_, GST_FORMAT_TIME);
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  for (auto &stream : all_) {
    stream->rules.reset();
    // What had left the rules is lost to the flush as well.
    stream->overflow += stream->waiting.size() + stream->queue.clear();
    stream->waiting.clear();
    stream->lost = {};
    stream->timeline = RtpTimeline(timeline_config());
    stream->has_media_time = false;
    stream->last_packet = {};
    stream->flow = GST_FLOW_OK;
    stream->ended = stream->ended && stream->leaving;
    stream->queue.push(PadItem(GST_MINI_OBJECT_CAST(gst_event_new_segment(&segment))));
    stream->queue.set_flushing(false);
    note_deadline(*stream);
  }
  reschedule();
}

// --- for the pads ---

Ref<GstCaps> Reorderer::caps_for(const ReorderStream &stream) const {
  std::lock_guard lock(mutex_);
  return Ref<GstCaps>(caps_ ? output_caps(caps_.get(), stream.ssrc, stream.payload_type) : nullptr);
}

Ref<GstTagList> Reorderer::tags_for(const ReorderStream &stream) const {
  if (stream.cname.empty() && stream.name.empty()) return nullptr;
  Ref<GstTagList> tags(gst_tag_list_new_empty());
  gst_tag_list_set_scope(tags.get(), GST_TAG_SCOPE_STREAM);
  if (!stream.name.empty()) {
    Ref<gchar> name(
        g_utf8_make_valid(stream.name.c_str(), static_cast<gssize>(stream.name.size())));
    gst_tag_list_add(tags.get(), GST_TAG_MERGE_REPLACE, GST_TAG_TITLE, name.get(), nullptr);
  }
  if (!stream.cname.empty()) {
    const std::string comment = "cname=" + stream.cname;
    gst_tag_list_add(tags.get(), GST_TAG_MERGE_REPLACE, GST_TAG_EXTENDED_COMMENT, comment.c_str(),
                     nullptr);
  }
  return tags;
}

bool Reorderer::may_remove(const ReorderStream &stream) const {
  std::lock_guard lock(mutex_);
  return stream.leaving && stream.ended;
}

void Reorderer::forget_pad(const ReorderStream &stream) {
  std::lock_guard lock(mutex_);
  auto found = std::find_if(all_.begin(), all_.end(),
                            [&](const StreamRef &s) { return s.get() == &stream; });
  if (found == all_.end()) return;
  (*found)->pad = nullptr;
  retired_.add(stream.counters());
  all_.erase(found);
}

GstFlowReturn Reorderer::flow() const {
  std::lock_guard lock(mutex_);
  if (flushing_) return GST_FLOW_FLUSHING;
  bool any = false, all_eos = true;
  int worst = GST_FLOW_EOS;
  for (const auto &[key, stream] : streams_) {
    const int flow = stream->flow;
    // A pad that nobody linked, or that is being shut down, is nobody's failure.
    if (flow > GST_FLOW_EOS) return GST_FLOW_OK;
    any = true;
    all_eos = all_eos && flow == GST_FLOW_EOS;
    worst = std::min(worst, flow);
  }
  return any ? static_cast<GstFlowReturn>(all_eos ? GST_FLOW_EOS : worst) : GST_FLOW_OK;
}

GstStructure *Reorderer::stats() const {
  GstStructure *s = gst_structure_new_empty("application/x-rtpjitterreorder-stats");
  GValue list = G_VALUE_INIT;
  g_value_init(&list, GST_TYPE_ARRAY);
  std::lock_guard lock(mutex_);
  ReorderCounters sum = retired_;
  std::uint64_t held = 0;
  for (const auto &stream : all_) {
    const ReorderCounters counters = stream->counters();
    sum.add(counters);
    held += stream->rules.held();
    GstStructure *one =
        gst_structure_new("application/x-rtpjitterreorder-stream", "ssrc", G_TYPE_UINT,
                          stream->ssrc, "session", G_TYPE_UINT, stream->session, "user-id",
                          G_TYPE_UINT64, static_cast<guint64>(stream->user), nullptr);
    counters.write(one);
    GValue value = G_VALUE_INIT;
    g_value_init(&value, GST_TYPE_STRUCTURE);
    g_value_take_boxed(&value, one);
    gst_value_array_append_and_take_value(&list, &value);
  }
  sum.write(s);
  gst_structure_set(s, "malformed", G_TYPE_UINT64, malformed_, "refused", G_TYPE_UINT64, refused_,
                    "held", G_TYPE_UINT64, held, nullptr);
  gst_structure_take_value(s, "streams", &list);
  return s;
}

}  // namespace dv
