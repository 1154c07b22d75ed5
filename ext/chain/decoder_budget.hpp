// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <vector>

#include "ext/chain/opus_decoder.hpp"

namespace dv::chain {

/**
 * Bounds the decoders of all chains of one thread: beyond `kMost` the stream that was silent for
 * longest gives its decoder up, and starts with a new one should it speak again. One thread.
 */
class DecoderBudget {
 public:
  static constexpr std::size_t kMost = 256;
  /** Who was heard within so many packets is not silent: more than `kMost` may speak at a time. */
  static constexpr std::uint64_t kRecent = 2048;

  /** A stream's place for its decoder. Ends before the budget does. */
  struct Place {
    explicit Place(DecoderBudget &of) : budget(of) {}
    ~Place() { budget.leave(*this); }
    Place(const Place &) = delete;
    Place &operator=(const Place &) = delete;

    DecoderBudget &budget;
    std::unique_ptr<Decoder> decoder;

   private:
    friend class DecoderBudget;
    std::uint64_t last_use = 0;
    bool listed = false;
    std::list<Place *>::iterator at;
  };

  /** Before each packet that is decoded there. */
  void use(Place &place) {
    place.last_use = ++uses_;
    if (place.listed) {
      by_use_.splice(by_use_.end(), by_use_, place.at);
    } else {
      place.at = by_use_.insert(by_use_.end(), &place);
      place.listed = true;
    }
  }
  /** Before a decoder is made. */
  void make_room() {
    while (live_ >= kMost && !by_use_.empty()) {
      Place &oldest = *by_use_.front();
      if (uses_ - oldest.last_use < kRecent) return;
      if (oldest.decoder) --live_;
      oldest.decoder.reset();
      leave(oldest);
    }
  }
  void made() { ++live_; }
  void destroyed() { --live_; }
  /** Spare ones included. */
  std::size_t live() const { return live_; }

 private:
  void leave(Place &place) {
    if (place.listed) by_use_.erase(place.at);
    place.listed = false;
  }

  std::list<Place *> by_use_;  // silent for longest first
  std::uint64_t uses_ = 0;
  std::size_t live_ = 0;
};

/** Spare decoders: making one costs more than decoding a packet. */
class DecoderPool {
 public:
  DecoderPool(const ChainConfig &config, DecoderBudget &budget)
      : config_(config), budget_(budget) {}
  ~DecoderPool() {
    for (std::size_t i = 0; i < spare_.size(); ++i) budget_.destroyed();
  }
  DecoderPool(const DecoderPool &) = delete;
  DecoderPool &operator=(const DecoderPool &) = delete;

  DecoderBudget &budget() { return budget_; }
  /** Makes one in advance where there is none. */
  void reserve() {
    if (spare_.empty() && budget_.live() < DecoderBudget::kMost) spare_.push_back(make());
  }
  std::unique_ptr<Decoder> get() {
    if (spare_.empty()) return make();
    auto decoder = std::move(spare_.back());
    spare_.pop_back();
    return decoder;
  }
  void put(std::unique_ptr<Decoder> decoder) {
    if (!decoder) return;
    if (spare_.size() >= kMaxSpare || budget_.live() >= DecoderBudget::kMost)
      return budget_.destroyed();
    decoder->reset();
    spare_.push_back(std::move(decoder));
  }

 private:
  static constexpr std::size_t kMaxSpare = 8;

  std::unique_ptr<Decoder> make() {
    budget_.make_room();
    budget_.made();
    return std::make_unique<Decoder>(config_);
  }

  ChainConfig config_;
  DecoderBudget &budget_;
  std::vector<std::unique_ptr<Decoder>> spare_;
};

}  // namespace dv::chain
