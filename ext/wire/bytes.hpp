// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace dv {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;

inline ByteView view(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t *>(text.data()), text.size()};
}

/** Unaligned big-endian loads and stores. The caller has checked the length. */
inline std::uint16_t load_be16(const std::uint8_t *p) {
  return static_cast<std::uint16_t>(p[0] << 8 | p[1]);
}
inline std::uint32_t load_be32(const std::uint8_t *p) {
  return std::uint32_t{p[0]} << 24 | std::uint32_t{p[1]} << 16 | std::uint32_t{p[2]} << 8 | p[3];
}
inline std::uint64_t load_be64(const std::uint8_t *p) {
  return std::uint64_t{load_be32(p)} << 32 | load_be32(p + 4);
}
inline void store_be16(std::uint8_t *p, std::uint16_t v) {
  p[0] = static_cast<std::uint8_t>(v >> 8);
  p[1] = static_cast<std::uint8_t>(v);
}
inline void store_be32(std::uint8_t *p, std::uint32_t v) {
  store_be16(p, static_cast<std::uint16_t>(v >> 16));
  store_be16(p + 2, static_cast<std::uint16_t>(v));
}
inline void store_be64(std::uint8_t *p, std::uint64_t v) {
  store_be32(p, static_cast<std::uint32_t>(v >> 32));
  store_be32(p + 4, static_cast<std::uint32_t>(v));
}

/**
 * Reads big-endian fields off the front of a view and can not over-read: the first read that does
 * not fit makes the reader fail for good, and every later read returns zero or an empty view.
 */
class Reader {
 public:
  explicit Reader(ByteView data) : rest_(data) {}

  bool ok() const { return ok_; }
  bool at_end() const { return ok_ && rest_.empty(); }
  std::size_t remaining() const { return rest_.size(); }
  void fail() {
    ok_ = false;
    rest_ = {};
  }

  ByteView take(std::size_t n) {
    if (n > rest_.size()) {
      fail();
      return {};
    }
    ByteView head = rest_.first(n);
    rest_ = rest_.subspan(n);
    return head;
  }
  std::uint8_t u8() {
    ByteView b = take(1);
    return b.empty() ? std::uint8_t{0} : b[0];
  }
  std::uint16_t u16() {
    ByteView b = take(2);
    return b.empty() ? std::uint16_t{0} : load_be16(b.data());
  }
  std::uint32_t u32() {
    ByteView b = take(4);
    return b.empty() ? 0 : load_be32(b.data());
  }
  std::uint64_t u64() {
    ByteView b = take(8);
    return b.empty() ? 0 : load_be64(b.data());
  }

 private:
  ByteView rest_;
  bool ok_ = true;
};

/** Appends big-endian fields to a growing buffer. */
class Writer {
 public:
  Writer &u8(std::uint8_t v) {
    out_.push_back(v);
    return *this;
  }
  Writer &u16(std::uint16_t v) {
    std::uint8_t b[2];
    store_be16(b, v);
    return put(b);
  }
  Writer &u32(std::uint32_t v) {
    std::uint8_t b[4];
    store_be32(b, v);
    return put(b);
  }
  Writer &u64(std::uint64_t v) {
    std::uint8_t b[8];
    store_be64(b, v);
    return put(b);
  }
  Writer &put(ByteView bytes) {
    out_.insert(out_.end(), bytes.begin(), bytes.end());
    return *this;
  }

  const Bytes &bytes() const { return out_; }
  Bytes release() { return std::move(out_); }

 private:
  Bytes out_;
};

}  // namespace dv
