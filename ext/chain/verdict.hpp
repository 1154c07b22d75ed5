// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace dv {

/**
 * What became of one received datagram. Each datagram gets exactly one verdict, sooner or later, so
 * that `received = delivered + sum of the others` closes at every drain.
 */
enum class Verdict : std::uint8_t {
  delivered,           ///< its audio (or RTCP) was handed on
  padding_only,        ///< authentic, but carried no audio
  malformed,           ///< no RTP/RTCP, or lengths that do not fit
  not_audio,           ///< another payload type than 120, or an SSRC known to be video or RTX
  no_transport_key,    ///< the session's key never came
  transport_auth,      ///< transport tag does not match: forged or damaged
  unknown_user,        ///< nobody was named for the SSRC in time
  not_entitled,        ///< sealed before this member was welcomed
  no_dave_key,         ///< the sender's DAVE key never came
  dave_not_encrypted,  ///< plain frame where E2EE is required
  dave_auth,           ///< DAVE tag does not match
  dave_replay,         ///< DAVE nonce seen before, or too old
  dave_generation,     ///< DAVE generation out of bounds
  duplicate,           ///< sequence number was delivered already
  late,                ///< came after its hole was given up
  bad_opus,            ///< authentic, but not an Opus packet
  waiting_overflow,    ///< the bounded store of packets waiting for keys was full
  overload,            ///< shed because the machine did not keep up
  worker_lost,         ///< killed two workers in a row, replaced by concealment
  flushed,             ///< dropped by a flush or stop
  filtered,            ///< excluded by the application
  count_,
};

inline constexpr std::size_t kVerdicts = static_cast<std::size_t>(Verdict::count_);

/** Kebab-case, as used in `stats`: "delivered", "drop-late", ... */
const char *stats_name(Verdict verdict);

struct Account {
  std::uint64_t received = 0;
  std::array<std::uint64_t, kVerdicts> by{};

  std::uint64_t &operator[](Verdict v) { return by[static_cast<std::size_t>(v)]; }
  std::uint64_t operator[](Verdict v) const { return by[static_cast<std::size_t>(v)]; }
  /** Received, and still without verdict. */
  std::uint64_t pending() const {
    std::uint64_t sum = 0;
    for (auto n : by) sum += n;
    return received - sum;
  }
};

}  // namespace dv
