// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ext/crypto/key_store.hpp"
#include "ext/voice/core/types.hpp"

/** Messages of the voice gateway, version 8 (Discord docs: Voice Connections, Opcodes). */
namespace dv::voice::voice_msg {

struct Hello {
  Time interval{};
};
struct Ready {
  Ssrc ssrc = 0;
  std::string ip;
  std::uint16_t port = 0;
  std::vector<TransportMode> modes;  ///< the known ones among those on offer
};
struct SessionDescription {
  TransportMode mode{};
  Secret key;  ///< 32 bytes
  std::uint16_t dave_version = 0;
};
struct Speaking {
  UserId user = 0;
  Ssrc ssrc = 0;
  std::uint32_t flags = 0;
};
struct HeartbeatRequest {};
struct HeartbeatAck {};
struct Resumed {};
struct ClientsConnect {
  std::vector<UserId> users;
};
struct Video {
  UserId user = 0;
  Ssrc audio = 0;  ///< 0: none
  std::vector<Ssrc> video;
  std::vector<Ssrc> rtx;
};
struct ClientDisconnect {
  UserId user = 0;
};
struct DavePrepareTransition {
  std::uint16_t version = 0;
  std::uint16_t transition = 0;
};
struct DaveExecuteTransition {
  std::uint16_t transition = 0;
};
struct DavePrepareEpoch {
  std::uint16_t version = 0;
  std::uint64_t epoch = 0;
};
/** An opcode that is not known or of no use here. */
struct Other {
  std::uint32_t op = 0;
};

using Body = std::variant<Hello, Ready, SessionDescription, Speaking, HeartbeatRequest,
                          HeartbeatAck, Resumed, ClientsConnect, Video, ClientDisconnect,
                          DavePrepareTransition, DaveExecuteTransition, DavePrepareEpoch, Other>;

struct Message {
  std::optional<std::uint16_t> seq;
  std::uint32_t op = 0;
  /** Nothing where the body was refused; `seq` counts nevertheless. */
  std::optional<Body> body;
};
struct BinaryMessage {
  std::uint16_t seq = 0;
  std::uint8_t op = 0;
  ByteView payload;  ///< of the frame that was parsed
};

/** Nothing for what is no gateway message at all. */
std::optional<Message> parse(std::string_view text);
std::optional<BinaryMessage> parse_binary(ByteView frame);

/** Largest binary frame that is looked at; a call of 200 members needs about 100 KB. */
inline constexpr std::size_t kMaxBinary = 1u << 20;

const char *mode_name(TransportMode mode);
std::optional<TransportMode> mode_from_name(std::string_view name);

struct Credentials {
  GuildId guild = 0;
  UserId user = 0;
  Secret session_id;
  Secret token;
};
/** -1 before the first numbered message. */
using SeqAck = std::int32_t;

Secret identify(const Credentials &credentials, std::uint16_t max_dave_version);
Secret resume(const Credentials &credentials, SeqAck seq_ack);
Secret heartbeat(std::uint64_t milliseconds, SeqAck seq_ack);
Secret select_protocol(std::string_view address, std::uint16_t port, TransportMode mode);
Secret speaking(std::uint32_t flags, Ssrc ssrc);
/** Ops 23 and 31. */
Secret transition(std::uint8_t op, std::uint16_t id);

}  // namespace dv::voice::voice_msg
