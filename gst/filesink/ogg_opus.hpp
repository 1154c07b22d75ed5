// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>

#include "ext/wire/bytes.hpp"
#include "gst/filesink/wav_header.hpp"

namespace dv {

struct OpusHead {
  std::uint8_t channels = 2;
  std::uint16_t pre_skip = 0;
  std::uint32_t input_rate = 48000;
};

/**
 * Opus packets to an Ogg stream (RFC 3533, RFC 7845). The packet that would complete a page stays
 * back until the next, so that the last page can always be marked as the end.
 */
class OggOpusWriter {
 public:
  OggOpusWriter(std::uint32_t serial, const OpusHead &head) : serial_(serial), head_(head) {}

  /** The two header pages. */
  Bytes headers(const TrackTags &tags);
  /**
   * Adds a packet and returns the pages that are complete by it. A page holds at most
   * `page_samples` (48 kHz): what a crash may cost. The first one holds what is needed to hear
   * anything: a stream without samples cannot be opened by most players.
   */
  Bytes add(ByteView packet, std::uint32_t samples, std::uint32_t page_samples);
  /** A page of what waits, but for the newest packet; nothing when that is all there is. */
  Bytes flush();
  /** The last page; the decoded stream ends after `total_samples`, or with the last packet if that
   * is earlier. */
  Bytes finish(std::uint64_t total_samples);

  /** Samples of all packets so far, without the ones to skip. */
  std::uint64_t samples() const {
    return granule_ > head_.pre_skip ? granule_ - head_.pre_skip : 0;
  }

 private:
  Bytes page(std::uint8_t flags, std::uint64_t granule);
  void put_packet(ByteView packet);

  std::uint32_t serial_;
  OpusHead head_;
  std::uint32_t page_number_ = 0;
  std::uint64_t granule_ = 0;
  std::uint32_t pending_samples_ = 0, newest_samples_ = 0;
  std::size_t newest_ = 0;  ///< bytes of the newest packet
  Bytes lacing_, body_;
};

}  // namespace dv
