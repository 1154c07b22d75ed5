// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/decrypt/pool/shared_region.hpp"

#include <fcntl.h>
#include <sys/mman.h>

#include <utility>

namespace dv {

SharedRegion::SharedRegion(SharedRegion &&other) noexcept
    : fd_(std::move(other.fd_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

SharedRegion &SharedRegion::operator=(SharedRegion &&other) noexcept {
  if (this != &other) {
    unmap();
    fd_ = std::move(other.fd_);
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

SharedRegion::~SharedRegion() { unmap(); }

void SharedRegion::unmap() {
  if (data_ != nullptr) munmap(data_, size_);
  data_ = nullptr;
}

bool SharedRegion::create(const char *name, std::size_t size, Writer writer) {
  unmap();
  fd_ = Descriptor(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd_ || ftruncate(fd_.get(), static_cast<off_t>(size)) != 0) return false;
  const bool ours = writer == Writer::host;
  void *p =
      mmap(nullptr, size, ours ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd_.get(), 0);
  if (p == MAP_FAILED) return false;
  data_ = static_cast<std::uint8_t *>(p);
  size_ = size;
  // Packets and voices of people do not belong in a core dump.
  madvise(p, size, MADV_DONTDUMP);
  const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL | (ours ? F_SEAL_FUTURE_WRITE : 0);
  return fcntl(fd_.get(), F_ADD_SEALS, seals) == 0;
}

}  // namespace dv
