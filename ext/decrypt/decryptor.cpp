// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/decrypt/decryptor.hpp"

#include "ext/decrypt/pool/local_engine.hpp"
#include "ext/decrypt/pool/locate_worker.hpp"
#include "ext/decrypt/pool/worker_pool.hpp"
#include "gst/glue/frame_meta.hpp"

namespace dv {
namespace {

// What one element may have waiting for its task. Beyond it recorded input waits and live input,
// after a short wait, loses packets.
constexpr std::size_t kMaxQueued = 4096;
constexpr auto kLivePatience = 5ms;
// A task that wakes so late was not running, and neither was the thread that receives.
constexpr auto kStall = 10ms;

GstCaps *preferred_caps(GstPad *src, bool decode) {
  Ref<GstCaps> ours(gst_pad_get_pad_template_caps(src));
  Ref<GstCaps> kind(gst_caps_new_empty());
  for (guint i = 0; i < gst_caps_get_size(ours.get()); ++i) {
    GstStructure *s = gst_caps_get_structure(ours.get(), i);
    if (gst_structure_has_name(s, "audio/x-raw") != decode) continue;
    GstCapsFeatures *features = gst_caps_features_copy(gst_caps_get_features(ours.get(), i));
    gst_caps_append_structure_full(kind.get(), gst_structure_copy(s), features);
  }
  Ref<GstCaps> allowed(gst_pad_peer_query_caps(src, kind.get()));
  Ref<GstCaps> both(gst_caps_intersect_full(allowed.get(), kind.get(), GST_CAPS_INTERSECT_FIRST));
  if (gst_caps_is_empty(both.get())) return nullptr;
  Ref<GstCaps> one(gst_caps_make_writable(gst_caps_truncate(both.release())));
  if (decode) {
    GstStructure *s = gst_caps_get_structure(one.get(), 0);
    gst_structure_fixate_field_string(s, "format", "S16LE");
    gst_structure_fixate_field_nearest_int(s, "rate", 48000);
    gst_structure_fixate_field_nearest_int(s, "channels", 2);
  }
  return gst_caps_fixate(one.release());
}

PoolConfig pool_config(const DecryptSettings &s, const std::string &path) {
  PoolConfig c;
  c.worker_path = path;
  c.max_workers = s.max_workers;
  c.idle_timeout = s.idle_timeout_ms * 1ms;
  c.reply_timeout = s.reply_timeout_ms * 1ms;
  c.max_batch = std::chrono::microseconds(s.max_batch_us);
  c.sandbox = static_cast<worker::Sandbox>(s.sandbox);
  return c;
}

}  // namespace

Decryptor::Decryptor(GstElement *element, GstPad *sink, GstPad *src)
    : element_(element), sink_(sink), src_(src) {
  gst_segment_init(&segment_, GST_FORMAT_TIME);
}

Decryptor::~Decryptor() { stop(); }

bool Decryptor::start(const DecryptSettings &settings) {
  settings_ = settings;
  gst_segment_init(&segment_, GST_FORMAT_TIME);
  flow_ = GST_FLOW_OK;
  last_arrival_ = 0;
  {
    std::lock_guard lock(stats_mutex_);
    failure_.clear();
    failure_posted_ = false;
  }
  {
    std::lock_guard lock(barriers_mutex_);
    stopping_ = false;
  }
  if (!set_filter()) return false;
  output_.set_flushing(false);
  if (!in_process()) {
    const WorkerLocation worker = locate_worker();
    worker_path_ = worker.path;
    if (worker.path.empty()) {
      GST_ELEMENT_ERROR(element_, RESOURCE, NOT_FOUND, ("%s", worker.error.c_str()), (nullptr));
      return false;
    }
  }
  Time added = settings.decode ? Time(settings.latency_ms * 1ms) : Time(0);
  // Gathered on the way there, and on the way back.
  if (!in_process()) added += 2 * std::chrono::microseconds(settings.max_batch_us);
  latency_ = static_cast<GstClockTime>(added.count());
  return true;
}

bool Decryptor::set_filter() {
  auto allowed = parse_user_ids(settings_.allow_users);
  auto denied = parse_user_ids(settings_.deny_users);
  if (!allowed || !denied) {
    GST_ELEMENT_ERROR(element_, RESOURCE, SETTINGS,
                      ("%s must be user ids (numbers) separated by commas, not \"%s\".",
                       allowed ? "deny-users" : "allow-users",
                       (allowed ? settings_.deny_users : settings_.allow_users).c_str()),
                      (nullptr));
    return false;
  }
  std::lock_guard lock(stats_mutex_);
  filter_.set_users(std::move(*allowed), std::move(*denied));
  return true;
}

void Decryptor::unblock() {
  {
    std::lock_guard lock(barriers_mutex_);
    stopping_ = true;
  }
  barriers_changed_.notify_all();
  interrupt(true);
  output_.set_flushing(true);
}

std::shared_ptr<Engine> Decryptor::shared_engine() const {
  std::lock_guard lock(shared_mutex_);
  return shared_engine_;
}

void Decryptor::share_engine() {
  std::lock_guard lock(shared_mutex_);
  shared_engine_ = engine_;
}

void Decryptor::interrupt(bool on) {
  if (const auto engine = shared_engine()) engine->interrupt(on);
}

void Decryptor::stop() {
  set_key_store(nullptr);
  end_engine();
  output_.clear();
  ready_.clear();
  caps_.reset();
  {
    std::lock_guard lock(barriers_mutex_);
    barriers_.clear();
  }
  std::lock_guard lock(rtcp_mutex_);
  rtcp_started_ = false;
}

void Decryptor::end_engine() {
  if (!engine_) return;
  engine_->flush();
  {
    std::lock_guard lock(shared_mutex_);
    shared_engine_.reset();
  }
  engine_.reset();
  wakeup_ = kNever.count();
}

bool Decryptor::negotiate() {
  Ref<GstCaps> caps(preferred_caps(src_, settings_.decode));
  if (!caps) {
    GST_WARNING_OBJECT(element_, "downstream takes none of our formats");
    return false;
  }
  if (caps_ && gst_caps_is_equal(caps_.get(), caps.get())) return true;
  if (engine_) {
    drain_and_wait();
    end_engine();
  }
  config_ = ChainConfig{};
  config_.decode = settings_.decode;
  config_.latency = settings_.latency_ms * 1ms;
  config_.fec = settings_.fec;
  config_.plc = settings_.plc;
  if (settings_.decode) {
    const GstStructure *s = gst_caps_get_structure(caps.get(), 0);
    gint rate = 48000, channels = 2;
    gst_structure_get_int(s, "rate", &rate);
    gst_structure_get_int(s, "channels", &channels);
    const bool floats = g_strcmp0(gst_structure_get_string(s, "format"), "F32LE") == 0;
    config_.format = floats ? SampleFormat::f32 : SampleFormat::s16;
    config_.rate = static_cast<std::uint32_t>(rate);
    config_.channels = static_cast<std::uint8_t>(channels);
  }
  emit_event(gst_event_new_caps(caps.get()));
  caps_ = std::move(caps);
  return true;
}

void Decryptor::read_upstream_latency() {
  Ref<GstQuery> query(gst_query_new_latency());
  gboolean live = TRUE;
  if (gst_pad_peer_query(sink_, query.get())) {
    gst_query_parse_latency(query.get(), &live, nullptr, nullptr);
  }
  live_ = live;
}

bool Decryptor::make_engine() {
  read_upstream_latency();
  EngineSink &sink = *this;
  if (in_process()) {
    engine_ = std::make_shared<LocalEngine>(config_, live_, sink);
  } else {
    engine_ = WorkerPool::open(settings_.pool, pool_config(settings_, worker_path_), config_, live_,
                               sink);
  }
  share_engine();
  // What is in force is replayed to a new engine.
  auto store = store_;
  set_key_store(nullptr);
  set_key_store(store);
  return true;
}

bool Decryptor::prepare() {
  if (gst_pad_check_reconfigure(src_) || !caps_) {
    if (!negotiate()) {
      gst_pad_mark_reconfigure(src_);
      return false;
    }
  }
  return engine_ != nullptr || make_engine();
}

std::int64_t Decryptor::running_time_of(GstBuffer *buffer) {
  const GstClockTime pts = GST_BUFFER_PTS(buffer);
  if (GST_CLOCK_TIME_IS_VALID(pts) && segment_.format == GST_FORMAT_TIME) {
    guint64 running = 0;
    const int sign = gst_segment_to_running_time_full(&segment_, GST_FORMAT_TIME, pts, &running);
    last_arrival_ = sign > 0 ? static_cast<std::int64_t>(running) : 0;
  } else {
    const GstClockTime now = gst_element_get_current_running_time(element_);
    if (GST_CLOCK_TIME_IS_VALID(now)) last_arrival_ = static_cast<std::int64_t>(now);
  }
  return last_arrival_;
}

void Decryptor::take_datagram(GstBuffer *buffer) {
  Mapped mapped{buffer, {}};
  PacketIn packet;
  const DvSessionMeta *meta = dv_buffer_get_session_meta(buffer);
  packet.session = meta != nullptr ? meta->session : 0;
  packet.arrival = running_time_of(buffer);
  if (gst_buffer_map(buffer, &mapped.info, GST_MAP_READ)) {
    packet.data = {mapped.info.data, mapped.info.size};
    mapped_.push_back(mapped);
  }
  {
    std::lock_guard lock(stats_mutex_);
    packet.tag = book_.received(packet.session, packet.data);
    const Ssrc ssrc = looks_like_rtcp(packet.data) ? 0 : claimed_ssrc(packet.data);
    if (const UserId user = filter_.refused(packet.session, ssrc)) {
      book_.user(packet.session, ssrc, user);
      book_.verdict(packet.tag, Verdict::filtered);
      return;
    }
  }
  batch_.push_back(packet);
}

// Live, and downstream takes nothing any more: what comes in now would only wait for ever.
bool Decryptor::overloaded() {
  if (in_process() || !live_ || output_.size() < kMaxQueued) return false;
  if (output_.wait_room(kMaxQueued, OutputQueue::Clock::now() + kLivePatience)) return false;
  {
    std::lock_guard lock(barriers_mutex_);
    if (stopping_) return false;
  }
  for (const PacketIn &p : batch_) verdict(p.session, 0, p.tag, Verdict::overload);
  notice({WorkerNotice::Kind::overload, 0, ""});
  return true;
}

void Decryptor::submit() {
  apply_keys();
  if (!overloaded()) engine_->submit(batch_);
  for (auto &m : mapped_) gst_buffer_unmap(m.buffer, &m.info);
  mapped_.clear();
  batch_.clear();
}

GstFlowReturn Decryptor::after_submit() {
  if (post_failure()) return GST_FLOW_ERROR;
  if (in_process()) {
    note_wakeup();
    return push_ready();
  }
  if (!live_) output_.wait_room(kMaxQueued, OutputQueue::Clock::time_point::max());
  return flow_;
}

GstFlowReturn Decryptor::chain(GstBuffer *raw) {
  Ref<GstBuffer> buffer(raw);
  if (const GstFlowReturn flow = flow_; flow != GST_FLOW_OK) return flow;
  if (!prepare()) return GST_FLOW_NOT_NEGOTIATED;
  take_datagram(buffer.get());
  submit();
  return after_submit();
}

GstFlowReturn Decryptor::chain_list(GstBufferList *raw) {
  Ref<GstBufferList> list(raw);
  if (const GstFlowReturn flow = flow_; flow != GST_FLOW_OK) return flow;
  if (!prepare()) return GST_FLOW_NOT_NEGOTIATED;
  const guint n = gst_buffer_list_length(list.get());
  for (guint i = 0; i < n; ++i) take_datagram(gst_buffer_list_get(list.get(), i));
  submit();
  return after_submit();
}

void Decryptor::apply_keys() {
  // From taking them to handing them on nobody may overtake.
  std::lock_guard order(apply_mutex_);
  const auto engine = shared_engine();
  if (!engine) return;
  std::vector<KeyUpdate> keys;
  {
    std::lock_guard lock(keys_mutex_);
    keys.swap(keys_);
  }
  for (KeyUpdate &update : keys) {
    {
      std::lock_guard lock(stats_mutex_);
      filter_.apply(update);
    }
    engine->apply(update);
  }
}

void Decryptor::set_key_store(std::shared_ptr<KeyStore> store) {
  if (store_) store_->unsubscribe(store_token_);
  store_ = std::move(store);
  {
    std::lock_guard lock(keys_mutex_);
    keys_.clear();
  }
  {
    std::lock_guard lock(stats_mutex_);
    told_store_ = store_;
  }
  if (!store_) return;
  store_->progress().watch();
  store_token_ = store_->subscribe([this](const KeyUpdate &update) {
    {
      std::lock_guard lock(keys_mutex_);
      keys_.push_back(clone(update));
    }
    // Packets may be waiting for it that no later packet would release.
    output_.wake();
  });
}

void Decryptor::note_wakeup() {
  const std::int64_t next = engine_ ? engine_->next_wakeup().count() : kNever.count();
  if (wakeup_.exchange(next) > next) output_.wake();
}

bool Decryptor::loop() {
  if (in_process()) {
    loop_in_process();
  } else {
    loop_workers();
  }
  post_notices();
  post_failure();
  std::lock_guard lock(barriers_mutex_);
  return !stopping_;
}

void Decryptor::loop_in_process() {
  const Time due(wakeup_.load());
  const OutputQueue::Clock::time_point when(due == kNever ? OutputQueue::Clock::duration::max()
                                                          : due);
  output_.wait(when);
  const auto now = OutputQueue::Clock::now();
  if (due != kNever && now > when + kStall) output_.wait(now + kStall);
  GST_PAD_STREAM_LOCK(sink_);
  if (engine_ && !GST_PAD_IS_FLUSHING(sink_)) {
    apply_keys();
    engine_->advance();
    note_wakeup();
    const GstFlowReturn flow = push_ready();
    if (flow != GST_FLOW_OK) flow_ = flow;
  }
  GST_PAD_STREAM_UNLOCK(sink_);
}

void Decryptor::loop_workers() {
  output_.wait(OutputQueue::Clock::time_point::max());
  apply_keys();
  const GstFlowReturn flow = push_ready();
  if (flow != GST_FLOW_OK) flow_ = flow;
}

}  // namespace dv
