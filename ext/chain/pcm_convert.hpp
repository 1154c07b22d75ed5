// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstddef>
#include <cstdint>

namespace dv::chain {

/** Whether all samples are within -1 .. 1. */
bool within_full_scale(const float *in, std::size_t count);

/** 16-bit samples as libopus makes them: scaled, limited, rounded half to even. */
void to_s16(const float *in, std::int16_t *out, std::size_t count);

}  // namespace dv::chain
