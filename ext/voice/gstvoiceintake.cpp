// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/voice/gstvoiceintake.hpp"

#include <algorithm>
#include <utility>

#include "gst/glue/frame_meta.hpp"

namespace dv::voice {
namespace {

// Six seconds of fifty speakers.
constexpr std::uint64_t kMaxQueued = 16384;
constexpr std::size_t kRtpHeader = 12;
// A list is one call per element downstream; longer ones only delay their first buffer.
constexpr std::size_t kMaxList = 256;

bool acceptable(const Datagram &datagram) {
  return !datagram.truncated && datagram.data.size() >= kRtpHeader && (datagram.data[0] >> 6) == 2;
}

}  // namespace

Ref<GstBuffer> Intake::make_buffer(SessionId session, const Datagram &datagram,
                                   GstClockTime now) const {
  Ref<GstBuffer> buffer(gst_buffer_new_allocate(nullptr, datagram.data.size(), nullptr));
  gst_buffer_fill(buffer.get(), 0, datagram.data.data(), datagram.data.size());
  const auto age = static_cast<GstClockTime>(datagram.age.count());
  const GstClockTime arrival = now > age ? now - age : 0;
  GST_BUFFER_PTS(buffer.get()) = arrival;
  GST_BUFFER_DTS(buffer.get()) = arrival;
  dv_buffer_add_session_meta(buffer.get(), session);
  return buffer;
}

bool Intake::push_media(SessionId session, std::span<const Datagram> datagrams) {
  // First of all: whatever comes before the stamp would count as network delay.
  const GstClockTime now = gst_element_get_current_running_time(element_);
  bool wanted = false;
  std::uint64_t bytes = 0;
  for (const Datagram &datagram : datagrams) bytes += datagram.data.size();
  {
    std::lock_guard lock(mutex_);
    stats_.received += datagrams.size();
    stats_.bytes += bytes;
    if (paused_) {
      stats_.drop_paused += datagrams.size();
    } else if (!playing_ || outcome_ != GST_FLOW_OK || !GST_CLOCK_TIME_IS_VALID(now)) {
      stats_.drop_not_playing += datagrams.size();
    } else {
      wanted = true;
      // Until they are queued, so that the account closes at every moment.
      stats_.queued += datagrams.size();
    }
  }
  if (!wanted) return false;
  std::vector<Ref<GstBuffer>> buffers;
  buffers.reserve(datagrams.size());
  for (const Datagram &datagram : datagrams) {
    if (acceptable(datagram)) buffers.push_back(make_buffer(session, datagram, now));
  }
  std::lock_guard lock(mutex_);
  const std::uint64_t malformed = datagrams.size() - buffers.size();
  stats_.queued -= malformed;
  stats_.drop_malformed += malformed;
  for (auto &buffer : buffers) {
    if (std::exchange(discont_, false)) GST_BUFFER_FLAG_SET(buffer.get(), GST_BUFFER_FLAG_DISCONT);
    queue_.emplace_back(std::move(buffer));
  }
  while (stats_.queued > kMaxQueued && drop_oldest_locked()) {
  }
  ready_.notify_one();
  return true;
}

bool Intake::drop_oldest_locked() {
  const auto oldest = std::find_if(queue_.begin(), queue_.end(), [](const Item &item) {
    return std::holds_alternative<Ref<GstBuffer>>(item);
  });
  if (oldest == queue_.end()) return false;
  queue_.erase(oldest);
  --stats_.queued;
  ++stats_.drop_overflow;
  discont_ = true;
  return true;
}

void Intake::push_event(Ref<GstEvent> event) {
  std::lock_guard lock(mutex_);
  queue_.emplace_back(std::move(event));
  ready_.notify_one();
}

void Intake::finish(GstFlowReturn flow) {
  std::lock_guard lock(mutex_);
  if (outcome_ == GST_FLOW_OK) outcome_ = flow;
  ready_.notify_one();
}

void Intake::mark_discont() {
  std::lock_guard lock(mutex_);
  discont_ = true;
}

bool Intake::waits_locked() const {
  return !flushing_ && queue_.empty() && outcome_ == GST_FLOW_OK;
}

Intake::Taken Intake::pop() {
  Taken taken;
  std::unique_lock lock(mutex_);
  ready_.wait(lock, [this] { return !waits_locked(); });
  if (flushing_) {
    taken.flow = GST_FLOW_FLUSHING;
    return taken;
  }
  if (queue_.empty()) {
    taken.flow = outcome_;
    return taken;
  }
  if (auto *event = std::get_if<Ref<GstEvent>>(&queue_.front())) {
    taken.event = std::move(*event);
    queue_.pop_front();
    return taken;
  }
  taken.buffers.reset(
      gst_buffer_list_new_sized(static_cast<guint>(std::min(queue_.size(), kMaxList))));
  for (std::size_t n = 0; n < kMaxList && !queue_.empty(); ++n) {
    auto *buffer = std::get_if<Ref<GstBuffer>>(&queue_.front());
    if (buffer == nullptr) break;
    gst_buffer_list_add(taken.buffers.get(), buffer->release());
    queue_.pop_front();
    --stats_.queued;
    ++stats_.delivered;
  }
  return taken;
}

void Intake::set_flushing(bool flushing) {
  std::lock_guard lock(mutex_);
  flushing_ = flushing;
  ready_.notify_one();
}

void Intake::set_playing(bool playing) {
  std::lock_guard lock(mutex_);
  playing_ = playing;
}

void Intake::set_paused(bool paused) {
  std::lock_guard lock(mutex_);
  if (paused_ != paused) discont_ = true;
  paused_ = paused;
}

bool Intake::paused() const {
  std::lock_guard lock(mutex_);
  return paused_;
}

void Intake::reset() {
  std::deque<Item> old;
  std::lock_guard lock(mutex_);
  old.swap(queue_);
  stats_ = {};
  outcome_ = GST_FLOW_OK;
  discont_ = true;
}

void Intake::clear() {
  std::deque<Item> old;
  std::lock_guard lock(mutex_);
  old.swap(queue_);
  stats_.drop_flushed += stats_.queued;
  stats_.queued = 0;
}

IntakeStats Intake::stats() const {
  std::lock_guard lock(mutex_);
  return stats_;
}

}  // namespace dv::voice
