// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/bench/bare.hpp"

#include <openssl/evp.h>

#include <algorithm>

#include "ext/chain/receive_chain.hpp"
#include "ext/crypto/dave/media_decryptor.hpp"
#include "ext/wire/rtp.hpp"
#include "tests/bench/measure.hpp"
#include "tests/support/sealed_stream.hpp"

namespace dv::bench {
namespace {

class CountingSink : public ChainSink {
 public:
  void frame(const FrameOut &) override {}
  void verdict(SessionId, Ssrc, std::uint64_t, Verdict verdict) override {
    bad += verdict != Verdict::delivered;
  }
  void lost(SessionId, Ssrc, std::uint64_t, std::uint64_t, std::uint64_t) override { ++bad; }
  std::size_t bad = 0;
};

struct FreeContext {
  void operator()(EVP_CIPHER_CTX *context) const { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;

struct Sealed {
  Bytes iv, aad, body, tag;
};

/** A cipher of the library with a kept context, once sealing and then opening. */
class Aead {
 public:
  Aead(const EVP_CIPHER *cipher, Bytes key) : cipher_(cipher), key_(std::move(key)) {
    open_.reset(EVP_CIPHER_CTX_new());
    EVP_DecryptInit_ex(open_.get(), cipher_, nullptr, key_.data(), nullptr);
  }
  Sealed seal(ByteView aad, std::size_t size, std::uint32_t nonce, std::size_t tag_size) const {
    Sealed s{Bytes(12), Bytes(aad.begin(), aad.end()), Bytes(size), Bytes(tag_size)};
    for (std::size_t i = 0; i < 4; ++i) s.iv[i] = static_cast<std::uint8_t>(nonce >> (8 * i));
    const Bytes clear(size, 0x5a);
    const Context context(EVP_CIPHER_CTX_new());
    int n = 0;
    EVP_EncryptInit_ex(context.get(), cipher_, nullptr, key_.data(), s.iv.data());
    EVP_EncryptUpdate(context.get(), nullptr, &n, aad.data(), static_cast<int>(aad.size()));
    EVP_EncryptUpdate(context.get(), s.body.data(), &n, clear.data(), static_cast<int>(size));
    EVP_EncryptFinal_ex(context.get(), nullptr, &n);
    EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, static_cast<int>(tag_size),
                        s.tag.data());
    return s;
  }
  bool open(Sealed &s, Bytes &out) {
    int n = 0;
    std::uint8_t rest[16];
    EVP_DecryptInit_ex(open_.get(), nullptr, nullptr, nullptr, s.iv.data());
    EVP_DecryptUpdate(open_.get(), nullptr, &n, s.aad.data(), static_cast<int>(s.aad.size()));
    EVP_DecryptUpdate(open_.get(), out.data(), &n, s.body.data(), static_cast<int>(s.body.size()));
    EVP_CIPHER_CTX_ctrl(open_.get(), EVP_CTRL_AEAD_SET_TAG, static_cast<int>(s.tag.size()),
                        s.tag.data());
    return EVP_DecryptFinal_ex(open_.get(), rest, &n) > 0;
  }

 private:
  const EVP_CIPHER *cipher_;
  Bytes key_;
  Context open_;
};

/** Both layers by the product's parts, `kept` datagrams at a time that are in a cache; ns each. */
double ours_ns(const Traffic &traffic, std::size_t kept) {
  Bytes plain(2048), media(2048);
  auto cipher = *TransportCipher::create(traffic.mode, traffic.transport_key);
  std::vector<dave::FrameDecryptor> decryptors(traffic.streams);
  for (std::size_t i = 0; i < traffic.streams; ++i) {
    decryptors[i].add_ratchet(test::base_secret(kFirstUser + i, 1), 0s);
  }
  std::vector<Bytes> near(kept);
  std::int64_t spent = 0;
  for (std::size_t first = 0; first < traffic.datagrams.size(); first += kept) {
    const std::size_t end = std::min(first + kept, traffic.datagrams.size());
    for (std::size_t i = first; i < end; ++i) near[i - first] = traffic.datagrams[i];
    const auto start = thread_cpu_ns();
    for (std::size_t i = first; i < end; ++i) {
      const auto opened = cipher.open(near[i - first], kRtpFixedHeader, plain);
      const Time now = i / traffic.streams * Time(kPacketNs);
      if (!opened || !decryptors[i % traffic.streams].open(*opened, now, media).delivered())
        broken("a datagram of our own can not be opened");
    }
    spent += thread_cpu_ns() - start;
  }
  return static_cast<double>(spent) / static_cast<double>(traffic.datagrams.size());
}

}  // namespace

BareLoop::BareLoop(const Traffic &traffic, bool decode)
    : traffic_(traffic),
      decode_(decode),
      cipher_(*TransportCipher::create(traffic.mode, traffic.transport_key)),
      plain_(2048),
      media_(2048),
      pcm_(5760 * 2) {
  for (std::size_t i = 0; i < traffic.streams; ++i) {
    int error = 0;
    if (decode) {
      decoders_.emplace_back(opus_decoder_create(48000, 2, &error), opus_decoder_destroy);
    }
    chains_.emplace_back(test::base_secret(kFirstUser + i, 1));
  }
}

void BareLoop::run(std::size_t first, std::size_t end) {
  for (std::size_t i = first; i < end; ++i) {
    const std::size_t stream = i % traffic_.streams;
    const auto plain = cipher_.open(traffic_.datagrams[i], kRtpFixedHeader, plain_);
    if (!plain) broken("the bare loop can not open a datagram");
    ByteView opus = *plain;
    if (traffic_.dave) {
      const auto frame = dave::parse_frame(opus);
      const auto size = chains_[stream].key(0)->open(*frame, media_);
      if (!size) broken("the bare loop can not open a frame");
      opus = ByteView(media_).first(*size);
    }
    if (!decode_) continue;
    const int n = opus_decode(decoders_[stream].get(), opus.data(),
                              static_cast<opus_int32>(opus.size()), pcm_.data(), 5760, 0);
    if (n <= 0) broken("the bare loop can not decode a frame");
    samples_ += static_cast<std::uint64_t>(n);
  }
}

std::int64_t chain_cpu_ns(const Traffic &traffic, bool decode) {
  ChainConfig config;
  config.decode = decode;
  CountingSink sink;
  ReceiveChain chain(config, sink);
  Time now = 1s;
  for (const KeyUpdate &update : traffic.keys) chain.apply(update, now);
  const auto start = thread_cpu_ns();
  PacketIn in;
  in.session = traffic.session;
  for (const Bytes &datagram : traffic.datagrams) {
    ++in.tag;
    in.data = datagram;
    chain.receive(in, now);
    if (in.tag % traffic.streams != 0) continue;
    now += Time(kPacketNs);
    if (chain.next_wakeup() <= now) chain.advance(now);
  }
  chain.drain(now);
  if (sink.bad != 0) broken("the chain did not deliver everything");
  return thread_cpu_ns() - start;
}

OpenCost open_cost(const Traffic &traffic) {
  const auto count = static_cast<double>(traffic.datagrams.size());
  Aead outer(EVP_aes_256_gcm(), Bytes(32, 1));
  Aead inner(EVP_aes_128_gcm(), Bytes(16, 2));
  // As many as fit into a cache beside the rest: both sides read them from there.
  const std::size_t kept = std::min<std::size_t>(traffic.datagrams.size(), 2000);
  std::vector<std::pair<Sealed, Sealed>> sealed;
  for (std::size_t i = 0; i < kept; ++i) {
    const Bytes &d = traffic.datagrams[i];
    const std::size_t body = d.size() - kRtpFixedHeader - kTransportOverhead;
    const std::size_t media = body - dave::kMinSupplemental;
    const auto nonce = static_cast<std::uint32_t>(i);
    sealed.emplace_back(outer.seal(ByteView(d).first(kRtpFixedHeader), body, nonce, 16),
                        inner.seal({}, media, nonce, dave::kFrameTagSize));
  }
  OpenCost cost;
  Bytes plain(2048), media(2048);
  const auto start = thread_cpu_ns();
  for (std::size_t i = 0; i < traffic.datagrams.size(); ++i) {
    auto &[a, b] = sealed[i % kept];
    if (!outer.open(a, plain) || !inner.open(b, media)) broken("the library refuses its own work");
  }
  cost.calls = static_cast<double>(thread_cpu_ns() - start) / count;

  cost.ours = ours_ns(traffic, kept);
  return cost;
}

}  // namespace dv::bench
