// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "ext/chain/receive_chain.hpp"
#include "ext/crypto/dave/media_decryptor.hpp"
#include "ext/crypto/transport.hpp"

namespace dv::chain {

/** A datagram that waits for the transport key of its session. */
struct KeylessDatagram {
  Bytes data;
  Ssrc ssrc = 0;
  std::uint64_t tag = 0;
  std::int64_t arrival = 0;
  Time deadline{};
};

struct Binding {
  UserId user = 0;
  StreamKind kind = StreamKind::audio;
};

/** One member's end-to-end encryption in one session. */
struct Sender {
  dave::FrameDecryptor decryptor;
  /** Was a member when we got our first epoch: it may still send under the one before. */
  bool there_before_us = false;
};

/** Keys and bindings of one voice session. */
class Session {
 public:
  explicit Session(SessionId number) : id(number) {}

  const SessionId id;
  std::deque<KeylessDatagram> keyless;

  /** False: the key is of no use. */
  bool add_transport_key(const TransportKeyUpdate &update);
  bool has_transport_key() const { return !transports_.empty(); }
  /** Newest key first. See TransportCipher::open. */
  std::optional<ByteView> open_transport(ByteView datagram, std::size_t clear_size,
                                         std::span<std::uint8_t> out);

  void bind(const SsrcUpdate &update);
  /** Null: nobody was named for it. */
  const Binding *binding(Ssrc ssrc) const;

  void apply(const DaveUpdate &update, Time now);
  /** False: it is not known yet whether frames are encrypted. */
  bool dave_known() const { return dave_known_; }
  /** An epoch was installed: what comes from now on, we are entitled to. */
  bool had_epoch() const { return first_epoch_ != kNever; }
  /** Within the time in which members change from the epoch before our first one. */
  bool just_welcomed(Time now) const {
    return had_epoch() && now <= first_epoch_ + dave::kTransitionOverlap;
  }
  /** Stays for as long as a stream holds it or it has keys. */
  std::shared_ptr<Sender> sender(UserId user);
  /** A stream of this user has ended. */
  void let_go(UserId user);
  std::size_t senders() const { return senders_.size(); }

  /** When keys run out next; kNever if none do. */
  Time keys_expire() const { return keys_expire_; }
  void expire_keys(Time now);

 private:
  void begin_epoch(const DaveUpdate &update, Time now);
  void add_senders(const DaveUpdate &update, Time now);
  void note_expiry();

  static constexpr std::size_t kTransportKeys = 2;
  static constexpr std::size_t kMaxBindings = 16384;

  std::vector<TransportCipher> transports_;  // newest first
  std::unordered_map<Ssrc, Binding> bindings_;
  std::unordered_map<UserId, std::shared_ptr<Sender>> senders_;
  bool dave_known_ = false;
  Time first_epoch_ = kNever;
  std::optional<std::uint64_t> first_epoch_number_;
  Time plain_until_ = dave::FrameDecryptor::kNeverPlain;  // for senders not heard yet
  Time keys_expire_ = kNever;
};

}  // namespace dv::chain
