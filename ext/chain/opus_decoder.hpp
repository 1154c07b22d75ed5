// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "ext/chain/receive_chain.hpp"
#include "ext/wire/opus_packet.hpp"

struct OpusDecoder;

namespace dv::chain {

/** A decoder of libopus for one stream. */
class Decoder {
 public:
  explicit Decoder(const ChainConfig &config);

  /**
   * Decodes one packet. The result is valid until the next call of any decoder with the same
   * `room`. nullopt: libopus refuses the packet.
   */
  std::optional<ByteView> decode(ByteView packet, Bytes &room);
  /** The `samples` (48 kHz) before `packet`, from the copy in it. */
  std::optional<ByteView> decode_fec(ByteView packet, std::uint32_t samples, Bytes &room);
  /** `samples` (48 kHz) of what probably went on. */
  std::optional<ByteView> conceal(std::uint32_t samples, Bytes &room);
  void reset();
  bool ok() const { return decoder_ != nullptr; }

 private:
  struct Destroy {
    void operator()(OpusDecoder *decoder) const;
  };
  std::optional<ByteView> run(ByteView packet, int frame_size, bool fec, Bytes &room);
  void soft_clip(float *pcm, int samples);

  std::unique_ptr<OpusDecoder, Destroy> decoder_;
  SampleFormat format_;
  float clip_memory_[2] = {0, 0};
  unsigned channels_;
  std::uint32_t divisor_;  // 48 kHz samples per sample
};

}  // namespace dv::chain
