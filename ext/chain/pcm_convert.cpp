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
  const __m128 sign = _mm_set1_ps(-0.0f);
  __m128 most = _mm_setzero_ps();
  for (; i + 4 <= count; i += 4) most = _mm_max_ps(_mm_andnot_ps(sign, _mm_loadu_ps(in + i)), most);
  if (_mm_movemask_ps(_mm_cmpgt_ps(most, _mm_set1_ps(1.0f))) != 0) return false;
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
