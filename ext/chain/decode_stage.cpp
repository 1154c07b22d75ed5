// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/chain/decode_stage.hpp"

#include <algorithm>
#include <utility>

#include "ext/wire/rtp.hpp"

namespace dv::chain {
namespace {

constexpr std::uint32_t kOpusStep = 120;  // 2.5 ms, the unit that libopus can conceal in

std::uint64_t to_samples(Time time) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(time.count(), 0)) * 48 / 1000000;
}

}  // namespace

void DecodeStage::lost(std::uint64_t first, std::uint64_t count) {
  if (missing_.count != 0 && missing_.first + missing_.count != first) settle();
  if (missing_.count == 0) missing_.first = first;
  missing_.count += count;
}

void DecodeStage::settle() {
  if (missing_.count != 0)
    shared_.sink.lost(names_.session, names_.ssrc, missing_.first, missing_.count, 0);
  missing_ = {};
}

bool DecodeStage::packet(const Packet &packet, std::uint64_t number, bool restart) {
  if (restart) {
    settle();
    if (place_.decoder) place_.decoder->reset();
    any_ = false;
  }
  // A successor of a lost worker is being brought up to date: what it misses was told before.
  if (packet.prime) missing_ = {};
  if (packet.content == Content::missing) {
    // What is behind it is not known yet, and may carry a copy.
    lost(number, 1);
    return true;
  }
  if (missing_.count != 0) conceal(packet);
  if (packet.content == Content::nothing) return true;

  if (!place_.decoder) place_.decoder = shared_.decoders.get();
  place_.budget.use(place_);
  auto pcm = place_.decoder->decode(packet.payload(), shared_.room);
  const bool good = pcm.has_value();
  if (!good) pcm = place_.decoder->conceal(packet.samples, shared_.room);
  any_ = true;
  last_end_ = packet.rtp_time + packet.samples;
  last_samples_ = packet.samples;
  if (packet.prime) {
    sent_ = true;
    last_sent_ = number;
  } else if (pcm) {
    const unsigned flags = (restart ? kFrameRestart : 0) |
                           (packet.silence && good ? kFrameSilence : 0) |
                           (good ? 0 : kFrameConcealed);
    emit(*pcm, static_cast<std::uint8_t>(flags), number, packet.rtp_time, packet.samples,
         packet.arrival);
  }
  return good;
}

/** By RTP time where it divides well; a pause in the gap makes it look longer than it was. */
std::uint32_t DecodeStage::missing_duration(const Packet &next) const {
  const std::int64_t span = distance32(last_end_, next.rtp_time);
  const auto count = static_cast<std::int64_t>(std::min<std::uint64_t>(missing_.count, 65536));
  if (span <= 0 || span % count != 0) return last_samples_;
  const std::int64_t each = span / count;
  if (each % kOpusStep != 0 || each > kMaxOpusSamples || each > 2 * std::int64_t{last_samples_})
    return last_samples_;
  return static_cast<std::uint32_t>(each);
}

void DecodeStage::conceal(const Packet &next) {
  if (!any_ || !place_.decoder) return settle();  // nothing to go on from
  const ChainConfig &config = shared_.config;
  const bool next_is_audio = next.content == Content::audio;
  const std::uint32_t duration = next_is_audio ? missing_duration(next) : last_samples_;
  const bool by_fec = config.fec && next_is_audio && next.has_fec && duration != 0;
  const std::uint64_t rest = missing_.count - (by_fec ? 1 : 0);
  const std::uint64_t limit =
      config.plc && duration != 0 ? to_samples(config.plc_limit) / duration : 0;
  make_up(next, std::min(rest, limit), by_fec, duration);
}

void DecodeStage::make_up(const Packet &next, std::uint64_t by_decoder, bool by_fec,
                          std::uint32_t duration) {
  const Missing missing = std::exchange(missing_, Missing{});
  shared_.sink.lost(names_.session, names_.ssrc, missing.first, missing.count,
                    by_decoder + (by_fec ? 1 : 0));
  for (std::uint64_t i = 0; i < by_decoder; ++i) {
    if (const auto pcm = place_.decoder->conceal(duration, shared_.room))
      emit(*pcm, kFrameConcealed, missing.first + i, last_end_, duration, next.arrival);
    last_end_ += duration;
  }
  if (!by_fec) return;
  if (const auto pcm = place_.decoder->decode_fec(next.payload(), duration, shared_.room))
    emit(*pcm, kFrameConcealed, missing.first + missing.count - 1, next.rtp_time - duration,
         duration, next.arrival);
}

void DecodeStage::emit(ByteView pcm, std::uint8_t flags, std::uint64_t number,
                       std::uint32_t rtp_time, std::uint32_t samples, std::int64_t arrival) {
  // Numbers below do not come any more; without order nobody can know.
  if (ordered_ && (!sent_ || number != last_sent_ + 1))
    flags = static_cast<std::uint8_t>(flags | kFrameAfterGap);
  sent_ = true;
  last_sent_ = number;
  FrameOut frame;
  frame.kind = FrameKind::pcm;
  frame.flags = flags;
  frame.session = names_.session;
  frame.ssrc = names_.ssrc;
  frame.user = names_.user;
  frame.extended_seq = number;
  frame.rtp_time = rtp_time;
  frame.samples = samples;
  frame.arrival = arrival;
  frame.data = pcm;
  shared_.sink.frame(frame);
}

}  // namespace dv::chain
