// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <span>

#include "tests/bench/rig.hpp"
#include "tests/bench/traffic.hpp"

namespace dv::bench {

/** What `packets` datagrams cost, those for warming up left out. */
struct Cost {
  double packets = 0;
  double wall_ns = 0;
  double host_ns = 0;     ///< CPU of this process
  double workers_ns = 0;  ///< CPU of the worker processes
  double cpu_us_per_packet() const { return (host_ns + workers_ns) / packets / 1000; }
  double packets_per_second() const { return packets / wall_ns * 1e9; }
};

/** Rounds in front that bring decoders and processes into being. */
inline constexpr std::size_t kWarmRounds = 12;

/** As fast as it goes, through the element. Ends the program if a packet is lost. */
Cost through_element(const Traffic &traffic, const RigConfig &config);
/** The same without the element. */
Cost through_bare_loop(const Traffic &traffic, bool decode);

}  // namespace dv::bench
