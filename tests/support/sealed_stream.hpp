// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "ext/crypto/dave/media_encryptor.hpp"
#include "ext/crypto/key_store.hpp"
#include "ext/crypto/transport.hpp"
#include "ext/wire/rtp.hpp"

namespace dv::test {

/** The sending end of one voice session: its transport key, and nonces that are used once. */
class SealedSession {
 public:
  explicit SealedSession(SessionId id, TransportMode mode = TransportMode::aes256_gcm_rtpsize)
      : id_(id), mode_(mode), key_(kTransportKeySize), cipher_(make(id, mode, key_)) {}

  SessionId id() const { return id_; }
  KeyUpdate transport_key() const { return TransportKeyUpdate{id_, mode_, Secret(key_)}; }

  Bytes seal_rtp(ByteView packet) {
    Bytes out;
    dv::seal_rtp(cipher_, packet, next_nonce(), out);
    return out;
  }
  Bytes seal_rtcp(ByteView compound) {
    Bytes out;
    dv::seal_rtcp(cipher_, compound, next_nonce(), out);
    return out;
  }

 private:
  static TransportCipher make(SessionId id, TransportMode mode, Bytes &key) {
    for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<std::uint8_t>(id * 31 + i);
    return std::move(*TransportCipher::create(mode, key));
  }
  TransportNonce next_nonce() {
    ++nonce_;
    return {static_cast<std::uint8_t>(nonce_), static_cast<std::uint8_t>(nonce_ >> 8),
            static_cast<std::uint8_t>(nonce_ >> 16), static_cast<std::uint8_t>(nonce_ >> 24)};
  }

  SessionId id_;
  TransportMode mode_;
  Bytes key_;
  TransportCipher cipher_;
  std::uint32_t nonce_ = 0;
};

struct SealOptions {
  bool marker = false;
  std::uint8_t padding = 0;          ///< bytes, the count included
  std::uint8_t extension_words = 0;  ///< 0: no extension
  std::uint8_t csrcs = 0;            ///< at most 15
  bool plain_silence = false;        ///< the silence frame without end-to-end encryption
};

/**
 * One speaker: Opus packets in, datagrams as they arrive from the voice server out. Without a call
 * of `frames().set_key()` frames are not end-to-end encrypted.
 */
class SealedStream {
 public:
  SealedStream(SealedSession &session, Ssrc ssrc, UserId user, std::uint16_t seq = 1000,
               std::uint32_t timestamp = 50000)
      : session_(&session), ssrc_(ssrc), user_(user), seq_(seq), timestamp_(timestamp) {
    frames_.set_plain();
  }

  Ssrc ssrc() const { return ssrc_; }
  UserId user() const { return user_; }
  std::uint16_t seq() const { return seq_; }  ///< of the next packet
  std::uint32_t timestamp() const { return timestamp_; }
  void set_seq(std::uint16_t seq) { seq_ = seq; }
  dave::FrameEncryptor &frames() { return frames_; }
  KeyUpdate binding() const { return SsrcUpdate{session_->id(), ssrc_, user_}; }
  /** A pause of the speaker: the clock goes on, the numbers do not. */
  void pause(std::uint32_t samples) { timestamp_ += samples; }

  /** The next datagram; `samples` is the duration of `opus`. */
  Bytes send(ByteView opus, std::uint32_t samples = 960, const SealOptions &options = {}) {
    Bytes frame;
    if (!opus.empty()) frames_.seal(opus, frame, options.plain_silence);
    return send_frame(frame, samples, options);
  }
  /** The same for a payload that is already (or wrongly) end-to-end encrypted. */
  Bytes send_frame(ByteView frame, std::uint32_t samples = 960, const SealOptions &options = {}) {
    static constexpr std::array<Ssrc, 15> kCsrcs{1, 2, 3};
    const Bytes extension(std::size_t{4} * options.extension_words, 0x10);
    RtpPacketSpec spec;
    spec.marker = options.marker;
    spec.seq = seq_++;
    spec.timestamp = timestamp_;
    spec.ssrc = ssrc_;
    spec.csrcs = std::span(kCsrcs).first(options.csrcs);
    spec.extension = options.extension_words != 0;
    spec.extension_body = extension;
    spec.padding = options.padding;
    timestamp_ += samples;
    return session_->seal_rtp(build_rtp(spec, frame));
  }

 private:
  SealedSession *session_;
  Ssrc ssrc_;
  UserId user_;
  std::uint16_t seq_;
  std::uint32_t timestamp_;
  dave::FrameEncryptor frames_;
};

/** What the receive chain gets for a session without end-to-end encryption. */
inline KeyUpdate plain_session(SessionId session) { return DaveUpdate{session, 0, 0, {}}; }

/** A base secret that everybody in a test can make up. */
inline Bytes base_secret(UserId user, std::uint64_t epoch) {
  Bytes out(16);
  for (std::size_t i = 0; i < 8; ++i) {
    out[i] = static_cast<std::uint8_t>(user >> (8 * i));
    out[8 + i] = static_cast<std::uint8_t>(epoch >> (8 * i));
  }
  return out;
}

/** An epoch with the `base_secret` of each user. */
inline KeyUpdate dave_epoch(SessionId session, std::uint64_t epoch,
                            const std::vector<UserId> &users) {
  DaveUpdate update{session, 1, epoch, {}};
  for (UserId user : users) update.senders.push_back({user, Secret(base_secret(user, epoch))});
  return update;
}

}  // namespace dv::test
