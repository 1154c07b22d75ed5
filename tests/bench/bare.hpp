// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <opus.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "ext/crypto/dave/media_ratchet.hpp"
#include "ext/crypto/transport.hpp"
#include "tests/bench/traffic.hpp"

namespace dv::bench {

/**
 * The same packets through the libraries and nothing else: transport opened, end-to-end frame
 * opened, `opus_decode`; contexts kept; no thought about order, loss, accounts or hostile input.
 */
class BareLoop {
 public:
  BareLoop(const Traffic &traffic, bool decode);
  /** Datagrams `first` .. `end` of the traffic. */
  void run(std::size_t first, std::size_t end);
  void run() { run(0, traffic_.datagrams.size()); }
  std::uint64_t samples() const { return samples_; }

 private:
  using Decoder = std::unique_ptr<OpusDecoder, decltype(&opus_decoder_destroy)>;
  const Traffic &traffic_;
  bool decode_;
  TransportCipher cipher_;
  std::vector<dave::KeyChain> chains_;
  std::vector<Decoder> decoders_;
  Bytes plain_, media_;
  std::vector<opus_int16> pcm_;
  std::uint64_t samples_ = 0;
};

/** The receive chain alone, without an element around it; CPU time of `traffic` in nanoseconds. */
std::int64_t chain_cpu_ns(const Traffic &traffic, bool decode);

/**
 * Opens what both layers of `traffic` would hold: nanoseconds a packet for two calls of the library
 * per packet, and for TransportCipher and FrameDecryptor.
 */
struct OpenCost {
  double calls = 0;
  double ours = 0;
};
OpenCost open_cost(const Traffic &traffic);

}  // namespace dv::bench
