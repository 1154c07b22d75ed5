// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ext/wire/bytes.hpp"

namespace dv::server {

/** A stretch of talk: packets `first` .. `first + count` that belong together. */
struct Spurt {
  std::uint32_t first = 0;
  std::uint32_t count = 0;
  std::uint32_t start = 0;  ///< of the first packet, in 48 kHz samples from the start of the loop
};

/**
 * What one virtual speaker says in a loop: some spurts of real Opus speech with pauses between
 * them, spoken by espeak-ng, each speaker with another voice, pitch and text.
 */
struct Speech {
  std::string wav;            ///< 48 kHz S16 mono; pauses included: one turn of the loop
  std::uint32_t samples = 0;  ///< length of the loop
  std::uint32_t frame_samples = 960;
  std::vector<Bytes> packets;
  std::vector<Spurt> spurts;
};

/**
 * Speech number `index` in Opus packets of `frame_ms` (20, 40 or 60), 64 kbit/s with in-band FEC.
 * Made on first use and kept in `directory`; several processes may ask at once. Nothing if
 * espeak-ng is missing.
 */
std::shared_ptr<const Speech> load_speech(const std::string &directory, unsigned index,
                                          unsigned frame_ms = 20);

/** The speech that a virtual speaker gets. */
unsigned speech_index(std::uint64_t user);

/** Number of different speeches; the index is taken modulo this. */
unsigned speech_variety();

}  // namespace dv::server
