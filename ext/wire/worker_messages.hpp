// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "ext/wire/bytes.hpp"
#include "ext/wire/ids.hpp"

/**
 * What host and worker say to each other over the control socket, one message per SOCK_SEQPACKET
 * record. docs/worker-protocol.md describes it byte by byte. All integers are big endian.
 */
namespace dv::worker {

/** Host and worker must agree on it exactly: they are installed together. Tests build a worker of
 * another version. */
#ifndef DV_WORKER_PROTOCOL
#define DV_WORKER_PROTOCOL 4
#endif
inline constexpr std::uint16_t kProtocolVersion = DV_WORKER_PROTOCOL;
inline constexpr std::size_t kMaxMessage = 64 * 1024;
inline constexpr std::size_t kMaxSenders = 1024;
inline constexpr std::size_t kMaxText = 1024;
inline constexpr std::size_t kTransportKeySize = 32;
inline constexpr std::size_t kDaveSecretSize = 16;

/** `strict`: as `require`, and a call that is not on the list kills instead of failing; for tests.
 */
enum class Sandbox : std::uint8_t { require, attempt, off, strict };

/** Parts of the confinement that are in force. */
enum Confinement : std::uint32_t {
  kNoNewPrivs = 1,
  kLimits = 2,
  kLandlock = 4,
  kSeccomp = 8,
  kNotDumpable = 16,
};
std::string confinement_text(std::uint32_t bits);

struct Hello {
  std::uint16_t version = kProtocolVersion;
  Sandbox sandbox = Sandbox::attempt;
  std::uint32_t request_slots = 0;
  std::uint32_t reply_slots = 0;
  std::uint32_t max_batch_us = 0;
  std::uint64_t memory_limit = 0;  ///< bytes of address space; 0: none
};
struct OpenClient {
  std::uint32_t client = 0;
  bool decode = true;
  std::uint8_t format = 0;
  std::uint32_t rate = 48000;
  std::uint8_t channels = 2;
  std::uint64_t latency = 0;
  bool fec = true;
  bool plc = true;
  std::uint64_t plc_limit = 0;
  std::uint64_t key_wait = 0;
  std::uint32_t max_waiting = 0;
  std::uint32_t max_streams = 0;
  bool live = true;
  std::uint64_t clock = 0;  ///< recorded input: how far its time has come
};
struct CloseClient {
  std::uint32_t client = 0;
};
/** `key` is a view into the message: wipe that after use. */
struct TransportKey {
  std::uint32_t client = 0;
  SessionId session = 0;
  std::uint8_t mode = 0;
  ByteView key;
};
struct SsrcBinding {
  std::uint32_t client = 0;
  SessionId session = 0;
  Ssrc ssrc = 0;
  UserId user = 0;
  std::uint8_t kind = 0;
};
struct DaveEpoch {
  struct Sender {
    UserId user = 0;
    ByteView secret;  ///< into the message
  };
  std::uint32_t client = 0;
  SessionId session = 0;
  std::uint16_t version = 0;
  std::uint64_t epoch = 0;
  std::vector<Sender> senders;
  bool more = false;      ///< further senders of an epoch told before
  std::uint64_t age = 0;  ///< ns since the host was told
};
struct SessionEnd {
  std::uint32_t client = 0;
  SessionId session = 0;
};
/** The worker ends with exit code 0. */
struct Quit {};
/** Only understood by workers built with `-Dtest_hooks=true`. */
struct TestHook {
  enum class Action : std::uint8_t {
    crash_now = 1,
    crash_on_packet,  ///< a: session, b: SSRC, c: RTP sequence number
    hang,
    scribble,       ///< a: seed, b: rounds; random bytes all over the reply region
    forbidden_act,  ///< a: which, see ext/worker/forbidden.cpp
    eat_memory,
    go_mad,  ///< a: seed, b: random bytes written with each packet that is answered
  };
  Action action = Action::crash_now;
  std::uint64_t a = 0, b = 0, c = 0;
};

using ToWorker = std::variant<Hello, OpenClient, CloseClient, TransportKey, SsrcBinding, DaveEpoch,
                              SessionEnd, Quit, TestHook>;

struct Received {
  std::uint32_t number = 0;  ///< of this message, from 1 on; 0 for Hello
  ToWorker message;
};

struct HelloReply {
  enum class Status : std::uint8_t { ready, wrong_version, no_sandbox, bad_setup };
  std::uint16_t version = kProtocolVersion;
  Status status = Status::ready;
  std::uint32_t confinement = 0;
  std::string text;  ///< for people, when it is not ready
};

/** The result may hold key material: wipe it. It is allocated once, so that no copy stays behind.
 */
Bytes encode(std::uint32_t number, const ToWorker &message);
/** Nothing when it is malformed in any way, too long, or of a type not known. */
std::optional<Received> decode_to_worker(ByteView record);

Bytes encode(const HelloReply &reply);
/** A reply of any version is understood as far as its version. */
std::optional<HelloReply> decode_hello_reply(ByteView record);

}  // namespace dv::worker
