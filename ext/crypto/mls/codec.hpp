// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <variant>

#include "ext/wire/bytes.hpp"

namespace dv::mls {

/** Why something was refused: fixed text, never derived from the input. */
struct Error {
  const char *what = "";
};

/** A value, or the reason why there is none. */
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : v_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : v_(std::in_place_index<1>, error) {}

  bool ok() const { return v_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T &operator*() { return *std::get_if<0>(&v_); }
  const T &operator*() const { return *std::get_if<0>(&v_); }
  T *operator->() { return std::get_if<0>(&v_); }
  const T *operator->() const { return std::get_if<0>(&v_); }
  Error error() const { return *std::get_if<1>(&v_); }

 private:
  std::variant<T, Error> v_;
};

/** Success, or the reason against it. Converts to true on success. */
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Error error) : what_(error.what) {}
  bool ok() const { return what_ == nullptr; }
  explicit operator bool() const { return ok(); }
  Error error() const { return {what_}; }

 private:
  const char *what_ = nullptr;
};

/** No message of a call comes near this; it bounds what one message can make us hold. */
inline constexpr std::size_t kMaxMessage = 2u << 20;
inline constexpr std::size_t kMaxExtensions = 32;
inline constexpr std::size_t kMaxCapabilities = 256;

/** The length header of a `<V>` vector (RFC 9420, 2.1.2), which must be minimal. */
inline std::uint32_t read_vec_length(Reader &r) {
  const std::uint8_t first = r.u8();
  const std::uint32_t low = first & 0x3fu;
  switch (first >> 6) {
    case 0:
      return low;
    case 1: {
      const std::uint32_t n = low << 8 | r.u8();
      if (n < 64) r.fail();
      return n;
    }
    case 2: {
      std::uint32_t n = low << 24 | std::uint32_t{r.u8()} << 16;
      n |= r.u16();
      if (n < 16384) r.fail();
      return n;
    }
    default:
      r.fail();
      return 0;
  }
}

/** The content of a `<V>` vector as a view into the input; empty after a failure. */
inline ByteView read_vec(Reader &r) {
  const std::uint32_t n = read_vec_length(r);
  if (!r.ok()) return {};
  return r.take(n);
}

inline Bytes read_vec_bytes(Reader &r) {
  const ByteView v = read_vec(r);
  return Bytes(v.begin(), v.end());
}

/** The caller keeps `n` below 2^30. */
inline void write_vec_length(Writer &w, std::size_t n) {
  if (n < 64) {
    w.u8(static_cast<std::uint8_t>(n));
  } else if (n < 16384) {
    w.u16(static_cast<std::uint16_t>(0x4000u | n));
  } else {
    w.u32(static_cast<std::uint32_t>(0x80000000u | n));
  }
}

inline void write_vec(Writer &w, ByteView content) {
  write_vec_length(w, content.size());
  w.put(content);
}

/** `optional<T>`'s presence byte. */
inline bool read_present(Reader &r) {
  const std::uint8_t b = r.u8();
  if (b > 1) r.fail();
  return b == 1;
}

/** Encodes a whole structure on its own. */
template <class T>
Bytes encode(const T &value) {
  Writer w;
  write(w, value);
  return w.release();
}

/** Reads a structure that must fill the view exactly. */
template <class T>
bool decode(ByteView bytes, T &value) {
  if (bytes.size() > kMaxMessage) return false;
  Reader r(bytes);
  return read(r, value) && r.at_end();
}

/** Reads a `<V>` vector of structures, of which there may be at most `most`. */
template <class List>
bool read_list(Reader &r, List &list, std::size_t most) {
  Reader items(read_vec(r));
  while (r.ok() && !items.at_end()) {
    if (list.size() == most || !read(items, list.emplace_back())) r.fail();
  }
  return r.ok();
}

template <class List>
void write_list(Writer &w, const List &list) {
  Writer items;
  for (const auto &item : list) write(items, item);
  write_vec(w, items.bytes());
}

}  // namespace dv::mls
