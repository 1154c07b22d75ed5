// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <chrono>
#include <cstdint>

namespace dv {

/** A Discord snowflake; 0 means "not known". */
using UserId = std::uint64_t;
using GuildId = std::uint64_t;
using ChannelId = std::uint64_t;

/** RTP synchronisation source (RFC 3550, section 3). Unique within one voice session only. */
using Ssrc = std::uint32_t;

/** One voice session = one transport key agreement. Drawn from a process-wide counter, never 0. */
using SessionId = std::uint32_t;

/** Monotonic time, in nanoseconds since an arbitrary start. Always passed in, never asked for. */
using Time = std::chrono::nanoseconds;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

inline constexpr Time kNever = Time::max();

}  // namespace dv
