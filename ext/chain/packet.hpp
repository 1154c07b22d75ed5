// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "ext/chain/verdict.hpp"
#include "ext/wire/bytes.hpp"
#include "ext/wire/ids.hpp"
#include "ext/wire/rtp.hpp"

namespace dv::chain {

/** What a number of a stream stands for. */
enum class Content : std::uint8_t {
  audio,    ///< an Opus packet
  nothing,  ///< received, but carries no audio
  missing,  ///< received, but of no use: its audio is made up like that of a lost packet
};

/** What is known about one packet on its way through a stream. */
struct PacketFacts {
  std::uint64_t tag = 0;
  std::int64_t arrival = 0;
  Time deadline{};  ///< of waiting for keys
  std::uint32_t rtp_time = 0;
  std::uint32_t samples = 0;
  std::uint16_t seq = 0;
  Content content = Content::audio;
  Verdict reason = Verdict::no_dave_key;  ///< of waiting
  bool marker = false;
  bool prime = false;
  bool settled = false;  ///< has its verdict
  bool silence = false;
  bool has_fec = false;
  bool plain = false;         ///< waits for those before it only
  bool before_epoch = false;  ///< came before the session had its first key
};

struct Packet : PacketFacts {
  /** Room for a payload, with place for an RTP header before it. Old content is lost. */
  std::span<std::uint8_t> prepare(std::size_t capacity) {
    if (room_.size() < kRtpFixedHeader + capacity)
      room_.resize(std::max<std::size_t>(kRtpFixedHeader + capacity, kUsualRoom));
    size_ = 0;
    return std::span(room_).subspan(kRtpFixedHeader);
  }
  void set_size(std::size_t size) { size_ = size; }
  void assign(ByteView payload) {
    std::copy(payload.begin(), payload.end(), prepare(payload.size()).begin());
    size_ = payload.size();
  }
  ByteView payload() const { return ByteView(room_).subspan(kRtpFixedHeader, size_); }
  /** Header room and payload in one piece. */
  std::span<std::uint8_t> with_header() { return std::span(room_).first(kRtpFixedHeader + size_); }
  /** Forgets all but the room. */
  void recycle() {
    static_cast<PacketFacts &>(*this) = PacketFacts{};
    size_ = 0;
  }

 private:
  static constexpr std::size_t kUsualRoom = 512;

  Bytes room_ = Bytes(kUsualRoom);
  std::size_t size_ = 0;
};

/** Packets are taken back and given out again, so that none is allocated in the long run. */
class PacketPool {
 public:
  struct Return {
    PacketPool *pool = nullptr;
    void operator()(Packet *packet) const { pool->take_back(packet); }
  };
  using Ref = std::unique_ptr<Packet, Return>;

  Ref get() {
    if (spare_.empty()) return Ref(new Packet, Return{this});
    Packet *packet = spare_.back().release();
    spare_.pop_back();
    return Ref(packet, Return{this});
  }

 private:
  static constexpr std::size_t kMaxSpare = 1024;

  void take_back(Packet *raw) {
    std::unique_ptr<Packet> packet(raw);
    if (spare_.size() >= kMaxSpare) return;
    packet->recycle();
    spare_.push_back(std::move(packet));
  }

  std::vector<std::unique_ptr<Packet>> spare_;
};

using PacketRef = PacketPool::Ref;

}  // namespace dv::chain
