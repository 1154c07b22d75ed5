// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/filesink/anchors.hpp"

#include "gst/filesink/placement.hpp"

namespace dv {
namespace {
constexpr std::uint32_t kRtpRate = 48000;
}

bool AnchorTracker::has_moved(const Stream &stream, const Anchor &frame) const {
  // Signed: RTP time wraps, and may step back.
  const Time passed = time_of(static_cast<std::int32_t>(frame.rtp - stream.rtp), kRtpRate);
  const auto differs = [&](Time now, Time then) {
    return std::chrono::abs(now - then - passed) > limits_.moved;
  };
  return differs(frame.at, stream.at) || differs(frame.wall, stream.wall);
}

bool AnchorTracker::wants(const Anchor &frame, Time length, bool restart) {
  const std::pair key{frame.session, frame.ssrc};
  auto it = streams_.find(key);
  const bool fresh = it == streams_.end();
  if (fresh) {
    // Every stream that anybody on the network makes up would stay.
    if (streams_.size() >= limits_.streams) return false;
    it = streams_.emplace(key, Stream{}).first;
  }
  Stream &stream = it->second;
  if (!fresh) {
    stream.speech += length;
    stream.restarted = stream.restarted || restart;
    if (frame.at - stream.at < limits_.apart) return false;
    const bool due = stream.restarted || stream.speech >= limits_.speech;
    if (!due && !has_moved(stream, frame)) return false;
  }
  stream = {frame.rtp, frame.at, frame.wall, {}, false};
  return true;
}

}  // namespace dv
