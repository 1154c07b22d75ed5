// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "ext/crypto/key_store.hpp"
#include "ext/crypto/transport.hpp"
#include "ext/wire/bytes.hpp"

namespace dv::bench {

inline constexpr Ssrc kFirstSsrc = 100;
inline constexpr UserId kFirstUser = 700;
inline constexpr std::uint16_t kFirstSeq = 1000;
/** Duration of a packet. */
inline constexpr std::int64_t kPacketNs = 20000000;

/** Opus packets of several speakers, who begin anew when they have said all. */
struct Material {
  std::string name;
  std::vector<std::vector<Bytes>> voices;
};

/** Spoken by espeak-ng, 64 kbit/s; a voice-like tone where that is missing. */
Material make_speech(const std::string &directory);
/** The same bit rate without a program's help, and few packets: for the smoke test. */
Material make_tone();
/** A chord over noise, stereo, 128 kbit/s, in CELT. */
Material make_music();

/** One session: datagram `i` is packet `i / streams` of stream `i % streams`. */
struct Traffic {
  SessionId session = 1;
  TransportMode mode = TransportMode::aes256_gcm_rtpsize;
  bool dave = true;
  std::size_t streams = 0;
  Bytes transport_key;
  std::vector<KeyUpdate> keys;  ///< in the order in which they must be published
  std::vector<Bytes> datagrams;
};

struct TrafficSpec {
  std::size_t streams = 25;
  std::size_t rounds = 100;  ///< packets of each stream
  TransportMode mode = TransportMode::aes256_gcm_rtpsize;
  bool dave = true;
  Ssrc first_ssrc = kFirstSsrc;
};
Traffic make_traffic(const Material &material, const TrafficSpec &spec);

/**
 * As many datagrams as `good` has that no key opens: a third altered in the ciphertext, a third of
 * strange SSRCs, a third cut short or of random bytes.
 */
std::vector<Bytes> make_bad(const Traffic &good);

}  // namespace dv::bench
