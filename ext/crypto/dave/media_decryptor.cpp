// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/crypto/dave/media_decryptor.hpp"

#include <algorithm>

namespace dv::dave {
namespace {

FrameVerdict verdict_of(RatchetResult result) {
  switch (result) {
    case RatchetResult::ok:
      return FrameVerdict::opened;
    case RatchetResult::replay:
      return FrameVerdict::replay;
    case RatchetResult::generation:
      return FrameVerdict::generation;
    case RatchetResult::authentication:
      break;
  }
  return FrameVerdict::authentication;
}

FrameResult copy_plain(ByteView frame, std::span<std::uint8_t> out, FrameVerdict verdict) {
  if (frame.size() > out.size()) return {FrameVerdict::authentication, 0};
  std::copy(frame.begin(), frame.end(), out.begin());
  return {verdict, frame.size()};
}

}  // namespace

void FrameDecryptor::end_in_time(Time now) {
  const Time until = now + kTransitionOverlap;
  for (Epoch &epoch : epochs_) epoch.until = until;
}

void FrameDecryptor::retire(Time now) {
  expire(now);
  end_in_time(now);
  plain_until_ = std::min(plain_until_, now + kTransitionOverlap);
}

void FrameDecryptor::add_ratchet(ByteView base_secret, Time now) {
  retire(now);
  epochs_.insert(epochs_.begin(), {ReceiveRatchet(base_secret, now, before_first_), kNever});
  if (epochs_.size() > kMaxRatchets) epochs_.pop_back();
}

void FrameDecryptor::allow_plain(Time now) {
  expire(now);
  end_in_time(now);
  plain_until_ = kNever;
}

void FrameDecryptor::expire(Time now) {
  while (!epochs_.empty() && now > epochs_.back().until) epochs_.pop_back();
}

Time FrameDecryptor::next_expiry() const {
  if (epochs_.empty() || epochs_.back().until == kNever) return kNever;
  return epochs_.back().until + Time{1};
}

bool FrameDecryptor::has_ratchet(Time now) const {
  return !epochs_.empty() && now <= epochs_.front().until;
}

FrameResult FrameDecryptor::open(ByteView frame, Time now, std::span<std::uint8_t> out) {
  if (is_injected_silence(frame)) return copy_plain(frame, out, FrameVerdict::silence);
  const auto parsed = parse_frame(frame);
  if (!parsed)
    return plain_allowed(now) ? copy_plain(frame, out, FrameVerdict::passed)
                              : FrameResult{FrameVerdict::not_encrypted, 0};
  expire(now);
  // Random media look like this once in some hundred thousand frames. Audio is never sealed with
  // ranges, so those with ranges are no frames of a call that is about to be encrypted.
  if (epochs_.empty() && !parsed->ranges.empty() && plain_allowed(now))
    return copy_plain(frame, out, FrameVerdict::passed);
  if (parsed->refused) return {FrameVerdict::authentication, 0};
  FrameResult first{FrameVerdict::no_key, 0};
  for (Epoch &epoch : epochs_) {
    const RatchetOpened opened = epoch.ratchet.open(*parsed, now, out);
    if (opened.result == RatchetResult::ok) return {FrameVerdict::opened, opened.size};
    // What the newest ratchet says is told: the older ones are the less likely to be meant.
    if (first.verdict == FrameVerdict::no_key) first.verdict = verdict_of(opened.result);
  }
  return first;
}

}  // namespace dv::dave
