// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "tests/bench/measure.hpp"
#include "tests/bench/traffic.hpp"

namespace dv::bench {

/** Made once: encoding takes longer than some of what is measured. */
struct Materials {
  Material speech, music;
};

// Each prints its part of the table and adds its figures.
void measure_opening(const Settings &settings, const Materials &materials, Report &report);
void measure_decoding(const Settings &settings, const Materials &materials, Report &report);
void measure_live(const Settings &settings, const Materials &materials, Report &report);
void measure_first_frame(const Settings &settings, const Materials &materials, Report &report);
void measure_memory(const Settings &settings, const Materials &materials, Report &report);
void measure_bad_packets(const Settings &settings, const Materials &materials, Report &report);

/** No figures: only whether every packet is accounted for. Exit code. */
int smoke();

}  // namespace dv::bench
