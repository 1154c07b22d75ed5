// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstddef>
#include <cstdint>

#include "ext/decrypt/pool/descriptor.hpp"

namespace dv {

/**
 * A sealed memfd, mapped here. It can not be resized by anybody, so no access can fault. What the
 * host writes it maps before the seal against new writable mappings: a worker gets to map it
 * read-only at most.
 */
class SharedRegion {
 public:
  enum class Writer { host, worker };

  SharedRegion() = default;
  SharedRegion(SharedRegion &&other) noexcept;
  SharedRegion &operator=(SharedRegion &&other) noexcept;
  ~SharedRegion();

  /** False: the system has no memory or no descriptors; `*this` is empty then. */
  bool create(const char *name, std::size_t size, Writer writer);
  std::uint8_t *data() const { return data_; }
  int fd() const { return fd_.get(); }
  /** The worker has its own by now. */
  void close_fd() { fd_.reset(); }

 private:
  void unmap();

  Descriptor fd_;
  std::uint8_t *data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace dv
