// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstddef>
#include <cstdint>

#include "ext/wire/bytes.hpp"

namespace dv {

/**
 * The one type that holds key material and credentials. It wipes its memory when it is destroyed,
 * overwritten or moved from, compares in constant time, and has no way to be printed: there is no
 * stream operator and no conversion to a string. Copying is explicit by `clone()`.
 */
class Secret {
 public:
  Secret() = default;
  explicit Secret(ByteView bytes);
  /** Takes the bytes and wipes what was given. */
  static Secret take(Bytes &&bytes);
  static Secret from_text(std::string_view text) { return Secret(dv::view(text)); }

  Secret(const Secret &) = delete;
  Secret &operator=(const Secret &) = delete;
  Secret(Secret &&other) noexcept;
  Secret &operator=(Secret &&other) noexcept;
  ~Secret();

  Secret clone() const { return Secret(view()); }
  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }
  ByteView view() const { return {data_, size_}; }
  /** For credentials that must go into a protocol message; the message is then secret too. */
  std::string_view text() const { return {reinterpret_cast<const char *>(data_), size_}; }
  /** Writable access, for key derivation straight into the secret. */
  static Secret zeros(std::size_t size);
  std::span<std::uint8_t> writable() { return {data_, size_}; }

  friend bool operator==(const Secret &a, const Secret &b);

 private:
  void wipe() noexcept;

  std::uint8_t *data_ = nullptr;
  std::size_t size_ = 0;
};

/** Overwrites memory in a way that the compiler can not leave out. */
void wipe_memory(void *data, std::size_t size) noexcept;
inline void wipe_bytes(Bytes &bytes) noexcept {
  wipe_memory(bytes.data(), bytes.size());
  bytes.clear();
}

}  // namespace dv
