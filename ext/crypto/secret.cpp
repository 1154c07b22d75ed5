// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/crypto/secret.hpp"

#include <sodium.h>

#include <algorithm>
#include <utility>

namespace dv {

void wipe_memory(void *data, std::size_t size) noexcept {
  if (size != 0) sodium_memzero(data, size);
}

Secret Secret::zeros(std::size_t size) {
  Secret secret;
  if (size != 0) {
    secret.data_ = new std::uint8_t[size]();
    secret.size_ = size;
  }
  return secret;
}

Secret::Secret(ByteView bytes) {
  *this = zeros(bytes.size());
  std::copy(bytes.begin(), bytes.end(), data_);
}

Secret Secret::take(Bytes &&bytes) {
  Secret secret{ByteView(bytes)};
  wipe_bytes(bytes);
  return secret;
}

Secret::Secret(Secret &&other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Secret &Secret::operator=(Secret &&other) noexcept {
  if (this != &other) {
    wipe();
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

Secret::~Secret() { wipe(); }

void Secret::wipe() noexcept {
  wipe_memory(data_, size_);
  delete[] data_;
  data_ = nullptr;
  size_ = 0;
}

bool operator==(const Secret &a, const Secret &b) {
  return a.size_ == b.size_ && (a.size_ == 0 || sodium_memcmp(a.data_, b.data_, a.size_) == 0);
}

}  // namespace dv
