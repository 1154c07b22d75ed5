// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/wire/worker_messages.hpp"

#include <algorithm>

namespace dv::worker {
namespace {

constexpr std::uint16_t kMagic = 0x4456;
constexpr std::size_t kHeader = 8;
constexpr std::uint8_t kHelloReplyType = 64;

enum class Type : std::uint8_t {
  hello = 1,
  open_client,
  close_client,
  transport_key,
  ssrc_binding,
  dave_epoch,
  session_end,
  quit,
  test_hook,
};

/** Appends to a buffer whose whole size was reserved: growing would leave copies of keys behind. */
class Out {
 public:
  Out(std::size_t body, Type type, std::uint32_t number) {
    bytes_.reserve(kHeader + body);
    u16(kMagic).u8(static_cast<std::uint8_t>(type)).u8(0).u32(number);
  }
  Out &u8(std::uint8_t v) {
    bytes_.push_back(v);
    return *this;
  }
  Out &u16(std::uint16_t v) {
    return u8(static_cast<std::uint8_t>(v >> 8)).u8(static_cast<std::uint8_t>(v));
  }
  Out &u32(std::uint32_t v) {
    return u16(static_cast<std::uint16_t>(v >> 16)).u16(static_cast<std::uint16_t>(v));
  }
  Out &u64(std::uint64_t v) {
    return u32(static_cast<std::uint32_t>(v >> 32)).u32(static_cast<std::uint32_t>(v));
  }
  Out &put(ByteView v) {
    bytes_.insert(bytes_.end(), v.begin(), v.end());
    return *this;
  }
  Bytes done() { return std::move(bytes_); }

 private:
  Bytes bytes_;
};

struct Encoder {
  std::uint32_t number;

  Bytes operator()(const Hello &m) const {
    return Out(23, Type::hello, number)
        .u16(m.version)
        .u8(static_cast<std::uint8_t>(m.sandbox))
        .u32(m.request_slots)
        .u32(m.reply_slots)
        .u32(m.max_batch_us)
        .u64(m.memory_limit)
        .done();
  }
  Bytes operator()(const OpenClient &m) const {
    return Out(54, Type::open_client, number)
        .u32(m.client)
        .u8(m.decode)
        .u8(m.format)
        .u32(m.rate)
        .u8(m.channels)
        .u64(m.latency)
        .u8(m.fec)
        .u8(m.plc)
        .u64(m.plc_limit)
        .u64(m.key_wait)
        .u32(m.max_waiting)
        .u32(m.max_streams)
        .u8(m.live)
        .u64(m.clock)
        .done();
  }
  Bytes operator()(const CloseClient &m) const {
    return Out(4, Type::close_client, number).u32(m.client).done();
  }
  Bytes operator()(const TransportKey &m) const {
    return Out(9 + kTransportKeySize, Type::transport_key, number)
        .u32(m.client)
        .u32(m.session)
        .u8(m.mode)
        .put(m.key)
        .done();
  }
  Bytes operator()(const SsrcBinding &m) const {
    return Out(21, Type::ssrc_binding, number)
        .u32(m.client)
        .u32(m.session)
        .u32(m.ssrc)
        .u64(m.user)
        .u8(m.kind)
        .done();
  }
  Bytes operator()(const DaveEpoch &m) const {
    Out out(29 + m.senders.size() * (8 + kDaveSecretSize), Type::dave_epoch, number);
    out.u32(m.client).u32(m.session).u16(m.version).u64(m.epoch).u64(m.age).u8(m.more);
    out.u16(static_cast<std::uint16_t>(m.senders.size()));
    for (const auto &s : m.senders) out.u64(s.user).put(s.secret);
    return out.done();
  }
  Bytes operator()(const SessionEnd &m) const {
    return Out(8, Type::session_end, number).u32(m.client).u32(m.session).done();
  }
  Bytes operator()(const Quit &) const { return Out(0, Type::quit, number).done(); }
  Bytes operator()(const TestHook &m) const {
    return Out(25, Type::test_hook, number)
        .u8(static_cast<std::uint8_t>(m.action))
        .u64(m.a)
        .u64(m.b)
        .u64(m.c)
        .done();
  }
};

bool read_flag(Reader &in) {
  const std::uint8_t v = in.u8();
  if (v > 1) in.fail();
  return v == 1;
}

Hello read_hello(Reader &in) {
  Hello m;
  m.version = in.u16();
  if (m.version != kProtocolVersion) {
    in.take(in.remaining());  // only its number is understood, to be able to say so
    return m;
  }
  const std::uint8_t sandbox = in.u8();
  if (sandbox > static_cast<std::uint8_t>(Sandbox::strict)) in.fail();
  m.sandbox = static_cast<Sandbox>(sandbox);
  m.request_slots = in.u32();
  m.reply_slots = in.u32();
  m.max_batch_us = in.u32();
  m.memory_limit = in.u64();
  return m;
}

OpenClient read_open(Reader &in) {
  OpenClient m;
  m.client = in.u32();
  m.decode = read_flag(in);
  m.format = in.u8();
  m.rate = in.u32();
  m.channels = in.u8();
  m.latency = in.u64();
  m.fec = read_flag(in);
  m.plc = read_flag(in);
  m.plc_limit = in.u64();
  m.key_wait = in.u64();
  m.max_waiting = in.u32();
  m.max_streams = in.u32();
  m.live = read_flag(in);
  m.clock = in.u64();
  constexpr std::uint32_t kRates[] = {8000, 12000, 16000, 24000, 48000};
  if (std::find(std::begin(kRates), std::end(kRates), m.rate) == std::end(kRates)) in.fail();
  if (m.format > 1 || m.channels < 1 || m.channels > 2) in.fail();
  return m;
}

DaveEpoch read_dave(Reader &in) {
  DaveEpoch m;
  m.client = in.u32();
  m.session = in.u32();
  m.version = in.u16();
  m.epoch = in.u64();
  m.age = in.u64();
  m.more = read_flag(in);
  const std::size_t n = in.u16();
  if (n > kMaxSenders || in.remaining() != n * (8 + kDaveSecretSize)) {
    in.fail();
    return m;
  }
  m.senders.reserve(n);
  for (std::size_t i = 0; i < n; ++i) {
    const UserId user = in.u64();
    m.senders.push_back({user, in.take(kDaveSecretSize)});
  }
  return m;
}

TestHook read_hook(Reader &in) {
  TestHook m;
  const std::uint8_t action = in.u8();
  if (action < 1 || action > static_cast<std::uint8_t>(TestHook::Action::go_mad)) in.fail();
  m.action = static_cast<TestHook::Action>(action);
  m.a = in.u64();
  m.b = in.u64();
  m.c = in.u64();
  return m;
}

std::optional<ToWorker> read_body(Type type, Reader &in) {
  switch (type) {
    case Type::hello:
      return read_hello(in);
    case Type::open_client:
      return read_open(in);
    case Type::close_client:
      return CloseClient{in.u32()};
    case Type::transport_key: {
      TransportKey m{in.u32(), in.u32(), in.u8(), {}};
      m.key = in.take(kTransportKeySize);
      return m;
    }
    case Type::ssrc_binding:
      return SsrcBinding{in.u32(), in.u32(), in.u32(), in.u64(), in.u8()};
    case Type::dave_epoch:
      return read_dave(in);
    case Type::session_end:
      return SessionEnd{in.u32(), in.u32()};
    case Type::quit:
      return Quit{};
    case Type::test_hook:
      return read_hook(in);
  }
  return std::nullopt;
}

}  // namespace

std::string confinement_text(std::uint32_t bits) {
  constexpr struct {
    std::uint32_t bit;
    const char *name;
  } kNames[] = {{kNoNewPrivs, "no-new-privs"},
                {kNotDumpable, "not-dumpable"},
                {kLimits, "rlimits"},
                {kLandlock, "landlock"},
                {kSeccomp, "seccomp"}};
  std::string text;
  for (const auto &n : kNames) {
    if ((bits & n.bit) == 0) continue;
    if (!text.empty()) text += '+';
    text += n.name;
  }
  return text.empty() ? "none" : text;
}

Bytes encode(std::uint32_t number, const ToWorker &message) {
  return std::visit(Encoder{number}, message);
}

std::optional<Received> decode_to_worker(ByteView record) {
  if (record.size() > kMaxMessage) return std::nullopt;
  Reader in(record);
  const std::uint16_t magic = in.u16();
  const auto type = static_cast<Type>(in.u8());
  const std::uint8_t zero = in.u8();
  const std::uint32_t number = in.u32();
  if (!in.ok() || magic != kMagic || zero != 0) return std::nullopt;
  auto body = read_body(type, in);
  if (!body || !in.at_end()) return std::nullopt;
  return Received{number, std::move(*body)};
}

Bytes encode(const HelloReply &reply) {
  const std::string text = reply.text.substr(0, kMaxText);
  Out out(9 + text.size(), static_cast<Type>(kHelloReplyType), 0);
  out.u16(reply.version).u8(static_cast<std::uint8_t>(reply.status)).u32(reply.confinement);
  out.u16(static_cast<std::uint16_t>(text.size())).put(view(text));
  return out.done();
}

std::optional<HelloReply> decode_hello_reply(ByteView record) {
  if (record.size() > kMaxMessage) return std::nullopt;
  Reader in(record);
  HelloReply reply;
  const bool ours = in.u16() == kMagic && in.u8() == kHelloReplyType;
  in.take(5);
  reply.version = in.u16();
  if (!in.ok() || !ours) return std::nullopt;
  if (reply.version != kProtocolVersion) {
    reply.status = HelloReply::Status::wrong_version;
    return reply;
  }
  const std::uint8_t status = in.u8();
  reply.status = static_cast<HelloReply::Status>(status);
  reply.confinement = in.u32();
  const ByteView text = in.take(in.u16());
  if (!in.at_end() || status > static_cast<std::uint8_t>(HelloReply::Status::bad_setup) ||
      text.size() > kMaxText) {
    return std::nullopt;
  }
  for (const std::uint8_t c : text) {
    reply.text += c >= 0x20 && c < 0x7f ? static_cast<char>(c) : '?';
  }
  return reply;
}

}  // namespace dv::worker
