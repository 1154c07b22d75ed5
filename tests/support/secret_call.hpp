// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <sodium.h>

#include "ext/crypto/dave/media_encryptor.hpp"
#include "ext/crypto/hkdf.hpp"
#include "ext/crypto/key_store.hpp"
#include "ext/crypto/transport.hpp"
#include "ext/wire/rtp.hpp"
#include "tests/support/memory_scan.hpp"
#include "tests/support/opus_source.hpp"

namespace dv::test {

inline Secret random_key(std::size_t size) {
  Secret key = Secret::zeros(size);
  randombytes_buf(key.writable().data(), size);
  return key;
}

/** What a ratchet is made of once it has opened a frame of generation 0. */
inline std::vector<Wanted> ratchet_of(const std::string &name, const Secret &base) {
  std::vector<Wanted> all;
  all.push_back(
      masked(name + "'s frame key", derive_tree_secret(base.view(), "key", 0, 16).view()));
  all.push_back(
      masked(name + "'s ratchet secret", derive_tree_secret(base.view(), "secret", 0, 32).view()));
  return all;
}

/**
 * Keys of one speaker's two epochs that nobody knows, with the datagrams that were sealed with
 * them; whatever sealed is gone.
 */
struct SecretCall {
  static constexpr Ssrc kSsrc = 11;
  static constexpr UserId kUser = 70;

  SessionId session;
  TransportMode mode;
  Secret transport = random_key(kTransportKeySize);
  Secret base[2] = {random_key(16), random_key(16)};
  std::vector<Bytes> datagrams[2];  // by epoch

  SecretCall(SessionId s, TransportMode m) : session(s), mode(m) {
    auto cipher = TransportCipher::create(mode, transport.view());
    std::uint32_t n = 0;
    for (int epoch = 0; epoch < 2; ++epoch) {
      dave::FrameEncryptor encryptor;
      encryptor.set_key(base[epoch].view());
      OpusSource opus({.seed = 1});
      for (int i = 0; i < 3; ++i, ++n) {
        Bytes frame, datagram;
        encryptor.seal(opus.next(), frame, false);
        RtpPacketSpec spec;
        spec.ssrc = kSsrc;
        spec.seq = static_cast<std::uint16_t>(n);
        spec.timestamp = 960 * n;
        seal_rtp(*cipher, build_rtp(spec, frame), {static_cast<std::uint8_t>(n)}, datagram);
        datagrams[epoch].push_back(std::move(datagram));
      }
    }
  }

  KeyUpdate transport_key() const { return TransportKeyUpdate{session, mode, transport.clone()}; }
  KeyUpdate epoch(int number) const {
    DaveUpdate update{session, 1, static_cast<std::uint64_t>(number + 1), {}};
    update.senders.push_back({kUser, base[number].clone()});
    return update;
  }
  KeyUpdate binding() const { return SsrcUpdate{session, kSsrc, kUser}; }

  Wanted wanted_transport() const { return masked("transport key", transport.view()); }
  /** As they are handed out. */
  Wanted wanted_base(int epoch) const {
    return masked("base secret of epoch " + std::to_string(epoch + 1), base[epoch].view());
  }
  std::vector<Wanted> wanted_ratchet(int epoch) const {
    return ratchet_of("epoch " + std::to_string(epoch + 1), base[epoch]);
  }
};

inline std::string found(const std::vector<Wanted> &all) {
  clear_stack();
  return scan(all);
}

inline bool all_found(const std::vector<Wanted> &all) {
  return std::all_of(all.begin(), all.end(), [](const Wanted &w) { return !found({w}).empty(); });
}

}  // namespace dv::test
