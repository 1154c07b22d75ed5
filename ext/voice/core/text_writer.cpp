// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/voice/core/text_writer.hpp"

#include <algorithm>

namespace dv::voice {

void TextWriter::append(std::string_view text) {
  if (out_.size() + text.size() > out_.capacity()) {
    Bytes bigger;
    bigger.reserve(std::max(out_.capacity() * 2, out_.size() + text.size()));
    bigger.insert(bigger.end(), out_.begin(), out_.end());
    wipe_bytes(out_);
    out_.swap(bigger);
  }
  out_.insert(out_.end(), text.begin(), text.end());
}

void TextWriter::escape(char c) {
  static constexpr char kHex[] = "0123456789abcdef";
  if (c == '"' || c == '\\') {
    const char pair[] = {'\\', c};
    append({pair, 2});
  } else if (static_cast<unsigned char>(c) < 0x20) {
    const char code[] = {'\\', 'u', '0', '0', kHex[(c >> 4) & 15], kHex[c & 15]};
    append({code, 6});
  } else {
    append({&c, 1});
  }
}

}  // namespace dv::voice
