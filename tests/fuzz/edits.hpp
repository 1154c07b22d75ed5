// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "ext/wire/bytes.hpp"

namespace dv::fuzz {

/**
 * Changes a valid message the way the input says: 4 bytes for each change (kind, offset, value).
 * That way mutations get past signatures, which are made anew over the changed content.
 */
inline Bytes edited(const Bytes &valid, Reader &input, unsigned most = 12) {
  Bytes out = valid;
  for (unsigned i = 0; i < most && input.remaining() >= 4 && !out.empty(); ++i) {
    const std::uint8_t kind = input.u8();
    const std::size_t at = input.u16() % out.size();
    const std::uint8_t value = input.u8();
    const auto place = out.begin() + static_cast<std::ptrdiff_t>(at);
    switch (kind % 6) {
      case 0:
        return out;
      case 1:
        out[at] ^= value;
        break;
      case 2:
        out[at] = value;
        break;
      case 3:
        out.insert(place, value);
        break;
      case 4:
        out.erase(place);
        break;
      default:
        out.resize(at);
        break;
    }
  }
  return out;
}

}  // namespace dv::fuzz
