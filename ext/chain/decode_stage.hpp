// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <memory>

#include "ext/chain/decoder_budget.hpp"
#include "ext/chain/opus_decoder.hpp"
#include "ext/chain/packet.hpp"
#include "ext/chain/receive_chain.hpp"

namespace dv::chain {

/** Facts that every frame of a stream carries. */
struct StreamNames {
  SessionId session = 0;
  Ssrc ssrc = 0;
  UserId user = 0;
};

/** What all streams of a chain share while they decode. */
struct DecodeShared {
  const ChainConfig &config;
  ChainSink &sink;
  DecoderPool decoders;
  Bytes room;  ///< PCM of the call at hand
};

/**
 * The last stage of a stream: packets in order become PCM, numbers that are missing are concealed
 * when the packet behind them is there, since it may carry a copy of the last of them.
 */
class DecodeStage {
 public:
  DecodeStage(DecodeShared &shared, StreamNames names, bool ordered)
      : shared_(shared), names_(names), ordered_(ordered), place_(shared.decoders.budget()) {}
  ~DecodeStage() { shared_.decoders.put(std::move(place_.decoder)); }
  DecodeStage(const DecodeStage &) = delete;
  DecodeStage &operator=(const DecodeStage &) = delete;

  void set_user(UserId user) { names_.user = user; }
  /** `count` numbers from `first` on do not come any more. Contiguous calls add up. */
  void lost(std::uint64_t first, std::uint64_t count);
  /** The next packet in order. False: libopus refused it. */
  bool packet(const Packet &packet, std::uint64_t number, bool restart);
  /** No packet follows for now: what is missing is told without being made up. */
  void settle();

 private:
  struct Missing {
    std::uint64_t first = 0;
    std::uint64_t count = 0;
  };

  void conceal(const Packet &next);
  std::uint32_t missing_duration(const Packet &next) const;
  void make_up(const Packet &next, std::uint64_t by_decoder, bool by_fec, std::uint32_t duration);
  void emit(ByteView pcm, std::uint8_t flags, std::uint64_t number, std::uint32_t rtp_time,
            std::uint32_t samples, std::int64_t arrival);

  DecodeShared &shared_;
  StreamNames names_;
  const bool ordered_;          // numbers arrive ascending, gaps are final
  DecoderBudget::Place place_;  // empty until there is something to decode, or silent for long
  Missing missing_;
  bool any_ = false;            // something was decoded: the three below are valid
  std::uint32_t last_end_ = 0;  // RTP time behind the last frame
  std::uint32_t last_samples_ = 0;
  bool sent_ = false;  // last_sent_ is valid
  std::uint64_t last_sent_ = 0;
};

}  // namespace dv::chain
