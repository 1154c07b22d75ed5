// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/crypto/dave/media_encryptor.hpp"

namespace dv::dave {

void FrameEncryptor::set_key(ByteView base_secret) {
  chain_.emplace(base_secret);
  counter_ = 0;
  plain_ = false;
}

void FrameEncryptor::set_plain() {
  chain_.reset();
  plain_ = true;
}

void FrameEncryptor::clear() {
  chain_.reset();
  plain_ = false;
}

bool FrameEncryptor::seal(ByteView media, Bytes &out, bool plain_silence,
                          std::span<const ClearRange> ranges) {
  if (plain_ || (plain_silence && chain_ && is_injected_silence(media))) {
    out.insert(out.end(), media.begin(), media.end());
    return true;
  }
  if (!chain_) return false;
  const std::uint64_t counter = counter_ + 1;
  const std::uint64_t generation = counter >> kGenerationBits;
  FrameKey *key = chain_->key(generation);
  if (key == nullptr || !key->seal(media, static_cast<std::uint32_t>(counter), ranges, out))
    return false;
  counter_ = counter;
  if (generation > 0) chain_->delete_up_to(generation - 1);
  return true;
}

}  // namespace dv::dave
