// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/crypto/dave/media_ratchet.hpp"

#include <algorithm>
#include <chrono>
#include <limits>

#include "ext/crypto/hkdf.hpp"

namespace dv::dave {
namespace {

constexpr std::size_t kRatchetSecretSize = 32;
constexpr std::uint32_t kCounterMask = (1U << kGenerationBits) - 1;

}  // namespace

std::uint64_t wrapped_generation(std::uint64_t oldest, std::uint8_t top) {
  return (oldest / 256 + (top < oldest % 256 ? 1 : 0)) * 256 + top;
}

FrameKey *KeyChain::key(std::uint64_t generation) {
  if (generation < oldest_ || generation > std::numeric_limits<std::uint32_t>::max())
    return nullptr;
  const std::uint64_t index = generation - oldest_;
  if (index > keys_.size() + kMaxGenerationGap) return nullptr;
  while (keys_.size() <= index)
    if (!derive_next()) return nullptr;
  return &keys_[index];
}

bool KeyChain::derive_next() {
  const auto generation = static_cast<std::uint32_t>(oldest_ + keys_.size());
  const Secret key = derive_tree_secret(secret_.view(), "key", generation, kFrameKeySize);
  auto made = FrameKey::create(key.view());
  Secret next = derive_tree_secret(secret_.view(), "secret", generation, kRatchetSecretSize);
  if (!made || next.empty()) return false;
  keys_.push_back(std::move(*made));
  secret_ = std::move(next);
  return true;
}

void KeyChain::delete_up_to(std::uint64_t generation) {
  if (generation < oldest_) return;
  const std::uint64_t count = generation - oldest_ + 1;
  if (count > keys_.size()) return;
  keys_.erase(keys_.begin(), keys_.begin() + static_cast<std::ptrdiff_t>(count));
  oldest_ = generation + 1;
}

bool ReplayWindow::acceptable(std::uint64_t counter) const {
  return !newest_ || counter > *newest_ ||
         std::binary_search(missing_.begin(), missing_.end(), counter);
}

void ReplayWindow::accept(std::uint64_t counter) {
  if (!newest_) {
    remember_missing(counter - std::min(counter, before_first_), counter);
    newest_ = counter;
  } else if (counter > *newest_) {
    remember_missing(*newest_ + 1, counter);
    newest_ = counter;
  } else {
    const auto at = std::lower_bound(missing_.begin(), missing_.end(), counter);
    if (at != missing_.end() && *at == counter) missing_.erase(at);
  }
}

void ReplayWindow::remember_missing(std::uint64_t first, std::uint64_t end) {
  if (first >= end) return;
  const std::uint64_t count = std::min<std::uint64_t>(end - first, kMaxMissing);
  const std::size_t room = kMaxMissing - static_cast<std::size_t>(count);
  if (missing_.size() > room)
    missing_.erase(missing_.begin(), missing_.end() - static_cast<std::ptrdiff_t>(room));
  for (std::uint64_t n = end - count; n < end; ++n) missing_.push_back(n);
}

bool ReceiveRatchet::plausible(std::uint64_t generation, Time now) const {
  const auto lived = std::chrono::duration_cast<std::chrono::seconds>(now - created_).count();
  const auto seconds = static_cast<std::uint64_t>(std::max<decltype(lived)>(lived, 0));
  return generation <= newest_ + kMaxGenerationGap &&
         generation <= kMaxFramesPerSecond * seconds >> kGenerationBits;
}

void ReceiveRatchet::expire(Time now) {
  while (!retiring_.empty() && now > retiring_.front().until) {
    chain_.delete_up_to(retiring_.front().generation);
    retiring_.erase(retiring_.begin());
  }
}

void ReceiveRatchet::note_success(std::uint64_t generation, Time now) {
  if (generation <= newest_) return;
  // One entry stands for all older ones, since deletion takes everything below with it.
  retiring_.push_back({generation - 1, now + kTransitionOverlap});
  newest_ = generation;
}

RatchetOpened ReceiveRatchet::open(const ProtocolFrame &frame, Time now,
                                   std::span<std::uint8_t> out) {
  expire(now);
  const std::uint64_t generation = wrapped_generation(
      chain_.oldest(), static_cast<std::uint8_t>(frame.nonce >> kGenerationBits));
  if (!plausible(generation, now)) return {RatchetResult::generation, 0};
  const std::uint64_t counter = generation << kGenerationBits | (frame.nonce & kCounterMask);
  if (!window_.acceptable(counter)) return {RatchetResult::replay, 0};
  FrameKey *key = chain_.key(generation);
  if (key == nullptr) return {RatchetResult::generation, 0};
  const auto size = key->open(frame, out);
  if (!size) return {RatchetResult::authentication, 0};
  window_.accept(counter);
  note_success(generation, now);
  return {RatchetResult::ok, *size};
}

}  // namespace dv::dave
