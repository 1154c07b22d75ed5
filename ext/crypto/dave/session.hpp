// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "ext/crypto/key_store.hpp"
#include "ext/crypto/secret.hpp"
#include "ext/wire/bytes.hpp"
#include "ext/wire/ids.hpp"

namespace dv::mls {
class Group;
struct KeyPackageBundle;
}  // namespace dv::mls

namespace dv::dave {

inline constexpr int kMaxVersion = 1;

/** Voice gateway opcodes of DAVE (Discord's voice documentation, "DAVE protocol"). */
enum Op : std::uint8_t {
  kOpPrepareTransition = 21,
  kOpExecuteTransition = 22,
  kOpReadyForTransition = 23,
  kOpPrepareEpoch = 24,
  kOpExternalSender = 25,
  kOpKeyPackage = 26,
  kOpProposals = 27,
  kOpCommitWelcome = 28,
  kOpAnnounceCommit = 29,
  kOpWelcome = 30,
  kOpInvalidCommitWelcome = 31,
};

/** Send `{"op": op, "d": {"transition_id": transition_id}}`: ops 23 and 31. */
struct SendJson {
  std::uint8_t op = 0;
  std::uint16_t transition_id = 0;
};
/** Send the binary frame `op || payload`: ops 26 and 28. */
struct SendBinary {
  std::uint8_t op = 0;
  Bytes payload;
};
/**
 * For the bus and for users. Told at prepare (`executed` false) and again at execute (true); only
 * the latter with transition id 0, where both are one. `epoch` 0 and an empty code mean that there
 * is no group: version 0, or alone in the channel.
 */
struct EpochChanged {
  std::uint16_t transition_id = 0;
  std::uint16_t version = 0;
  std::uint64_t epoch = 0;
  std::string privacy_code;     ///< 30 digits without spaces, equal for all members.
  std::vector<UserId> members;  ///< Ascending, ourselves included.
  bool executed = false;
};
/** How to send own media from now on (at execute). Version 0: plain, no secret. */
struct SenderKey {
  std::uint16_t version = 0;
  std::uint64_t epoch = 0;
  Secret base_secret;  ///< 16 bytes when `version` > 0. Empty in a group of one: send nothing.
};
/** Something was refused or recovered from; for the log, holds no secret. */
struct Problem {
  std::string what;
};
/** `DaveUpdate` (receiving keys, at prepare) goes to the key store as it is. */
using Action = std::variant<SendJson, SendBinary, EpochChanged, DaveUpdate, SenderKey, Problem>;
using Actions = std::vector<Action>;

struct SessionConfig {
  UserId self = 0;
  ChannelId channel = 0;
  SessionId session = 0;  ///< Stamped into every DaveUpdate.
  int max_version = kMaxVersion;
  /** P-256 scalar, 32 bytes: the identity that fingerprints compare. Empty: made for this session.
   */
  Secret signature_key;
  /** Replays recorded calls: used instead of making a key package where it returns one. */
  std::function<std::unique_ptr<mls::KeyPackageBundle>()> key_package_source;
};

struct SessionStats {
  std::uint64_t key_packages = 0;       ///< Op 26 sent.
  std::uint64_t proposals = 0;          ///< Accepted into the cache.
  std::uint64_t refused_proposals = 0;  ///< Op 27 payloads that were dropped whole.
  std::uint64_t commits_made = 0;       ///< Op 28 sent.
  std::uint64_t own_commits_won = 0;
  std::uint64_t commits_applied = 0;  ///< Of others.
  std::uint64_t commits_ignored = 0;  ///< Stale, or not for a pending member.
  std::uint64_t commits_refused = 0;
  std::uint64_t welcomes_joined = 0;
  std::uint64_t welcomes_refused = 0;
  std::uint64_t removed = 0;  ///< A commit took us out of the group.
  std::uint64_t resets = 0;
  std::uint64_t transitions_prepared = 0;
  std::uint64_t transitions_executed = 0;
  std::uint64_t transitions_unknown = 0;  ///< Op 22 for nothing that was prepared.
  std::uint64_t malformed = 0;  ///< Payloads that are not even the structure they must be.
  std::uint64_t unrecognised_members = 0;
};

/**
 * The DAVE side of one voice session: takes opcodes 4, 11, 13, 21, 22, 24, 25, 27, 29 and 30 and
 * answers with what has to be done, in order. No I/O, no clock, not thread-safe: it belongs on the
 * signalling thread (an event costs up to some 100 ms of CPU in a call of hundreds of members).
 *
 * A payload is untrusted: what can not be processed costs itself only, and the session recovers the
 * way the protocol says (op 31, new key package).
 */
class Session {
 public:
  explicit Session(SessionConfig config);
  ~Session();
  Session(Session &&) noexcept;
  Session &operator=(Session &&) noexcept;

  /** Op 4 with its `dave_protocol_version`. A new op 4 starts everything over (not after a resume).
   */
  Actions on_session_description(std::uint16_t version);
  /** Op 11. May come before op 4. */
  Actions on_clients_connect(const std::vector<UserId> &users);
  /** Op 13. */
  Actions on_client_disconnect(UserId user);
  /** Op 21. */
  Actions on_prepare_transition(std::uint16_t transition_id, std::uint16_t version);
  /** Op 22. */
  Actions on_execute_transition(std::uint16_t transition_id);
  /** Op 24. */
  Actions on_prepare_epoch(std::uint16_t version, std::uint64_t epoch);
  /** Ops 25, 27, 29 and 30: `payload` is what follows the opcode byte. Others are a Problem. */
  Actions on_binary(std::uint8_t op, ByteView payload);
  /**
   * Many consecutive frames of members failed to open with no transition pending: reports the group
   * as broken (op 31 with the last executed transition) and starts over, once per transition.
   */
  Actions on_media_broken();

  /** The version in use for sending; `prepared_version()` is the newest told. */
  std::uint16_t version() const;
  std::uint16_t prepared_version() const;
  /** 0 while there is no established group. */
  std::uint64_t epoch() const;
  /** Empty while there is no established group. */
  std::string privacy_code() const;
  std::vector<UserId> members() const;
  /** 65-byte uncompressed P-256 point. */
  const Bytes &signature_public_key() const;
  /**
   * 45 digits to compare with what the other user sees; nothing if he is not a member. Costs about
   * 100 ms of CPU and 16 MiB for that time.
   */
  std::optional<std::string> fingerprint_with(UserId user) const;
  /** 32 bytes, empty while there is no established group. Equal for all members of an epoch. */
  Bytes epoch_authenticator() const;
  const SessionStats &stats() const;
  /** The established or pending group, null without one. Until the next event. */
  const mls::Group *group() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dv::dave
