// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <opus.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <vector>

#include "ext/wire/bytes.hpp"

namespace dv::test {

/** Endless Opus packets of a voice-like tone; the same seed gives the same packets. */
class OpusSource {
 public:
  struct Config {
    unsigned seed = 1;
    int samples = 960;  ///< per packet
    int bitrate = 32000;
    bool fec = true;
    bool voice = true;    ///< false: the CELT mode of music
    double loudness = 1;  ///< above about 2.5 the input clips
  };

  OpusSource() : OpusSource(Config{}) {}
  explicit OpusSource(const Config &config) : config_(config) {
    int error = 0;
    encoder_.reset(opus_encoder_create(
        48000, 2, config.voice ? OPUS_APPLICATION_VOIP : OPUS_APPLICATION_RESTRICTED_LOWDELAY,
        &error));
    opus_encoder_ctl(encoder_.get(), OPUS_SET_BITRATE(config.bitrate));
    opus_encoder_ctl(encoder_.get(), OPUS_SET_INBAND_FEC(config.fec ? 1 : 0));
    opus_encoder_ctl(encoder_.get(), OPUS_SET_PACKET_LOSS_PERC(config.fec ? 20 : 0));
    if (config.voice) opus_encoder_ctl(encoder_.get(), OPUS_SET_SIGNAL(OPUS_SIGNAL_VOICE));
  }

  Bytes next() {
    std::vector<opus_int16> pcm(static_cast<std::size_t>(config_.samples) * 2);
    for (int i = 0; i < config_.samples; ++i) {
      const double t = static_cast<double>(at_++) / 48000;
      const double pitch = 110 + 13.0 * config_.seed + 20 * std::sin(2 * 3.14159265 * 3 * t);
      double v = 0;
      for (int harmonic = 1; harmonic <= 6; ++harmonic)
        v += std::sin(2 * 3.14159265 * pitch * harmonic * t) / harmonic;
      v *= 6000 * (0.6 + 0.4 * std::sin(2 * 3.14159265 * 4 * t));
      v *= config_.loudness;
      pcm[static_cast<std::size_t>(2 * i)] = limited(v);
      pcm[static_cast<std::size_t>(2 * i + 1)] = limited(v * 0.7);
    }
    Bytes packet(1500);
    const int size = opus_encode(encoder_.get(), pcm.data(), config_.samples, packet.data(),
                                 static_cast<opus_int32>(packet.size()));
    packet.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return packet;
  }

 private:
  struct Destroy {
    void operator()(OpusEncoder *encoder) const { opus_encoder_destroy(encoder); }
  };
  static opus_int16 limited(double v) {
    return static_cast<opus_int16>(std::clamp(v, -32768.0, 32767.0));
  }

  Config config_;
  std::unique_ptr<OpusEncoder, Destroy> encoder_;
  std::uint64_t at_ = 0;
};

}  // namespace dv::test
