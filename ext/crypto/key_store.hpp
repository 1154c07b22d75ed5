// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <variant>
#include <vector>

#include "ext/crypto/secret.hpp"
#include "ext/wire/ids.hpp"

namespace dv {

/** Transport encryption modes of the voice gateway (op 2 `modes`). */
enum class TransportMode : std::uint8_t {
  aes256_gcm_rtpsize = 1,
  xchacha20_poly1305_rtpsize = 2,
};

/** What an SSRC carries, as told by voice gateway ops 5 and 12. */
enum class StreamKind : std::uint8_t { audio = 1, video = 2, rtx = 3 };

/**
 * Everything that opening packets depends on reaches the receive chain as one of these, in order.
 * They travel beside the data, not in it: a packet names its session, and a chain keeps the keys of
 * the past for as long as the protocol says, so that an update may be early but never wrong.
 */
struct TransportKeyUpdate {
  SessionId session = 0;
  TransportMode mode{};
  Secret key;  ///< 32 bytes. A second one for the same session is tried first, the older after it.
};
struct SsrcUpdate {
  SessionId session = 0;
  Ssrc ssrc = 0;
  UserId user = 0;  ///< 0 takes the binding away.
  StreamKind kind = StreamKind::audio;
};
/**
 * A DAVE transition was prepared (`dave.md` 2.4). `version` 0: everybody may send plain frames from
 * now on, and old ratchets run out in 10 s. `version` > 0: each named sender gets a new ratchet,
 * his older ones and every passthrough run out in 10 s. The first one of a session sets the state
 * it starts in, without a passthrough window. With `more` it names further senders of an epoch told
 * before, and nothing changes for anybody else: for a receiver that is told of senders one by one.
 */
struct DaveUpdate {
  struct Sender {
    UserId user = 0;
    Secret base_secret;  ///< 16 bytes, of this epoch.
  };
  SessionId session = 0;
  std::uint16_t version = 0;
  std::uint64_t epoch = 0;
  std::vector<Sender> senders;
  bool more = false;
  Time age{0};  ///< since it was published: whoever hears of it late must not take it for new
};
/**
 * The time of all epochs before the newest is over: whoever keeps them for newcomers wipes them. A
 * chain does so by its own clock.
 */
struct OldEpochsEndUpdate {
  SessionId session = 0;
};
/** The session is over: its keys are wiped; what still waits for them is counted as dropped. */
struct SessionEndUpdate {
  SessionId session = 0;
};

using KeyUpdate =
    std::variant<TransportKeyUpdate, SsrcUpdate, DaveUpdate, OldEpochsEndUpdate, SessionEndUpdate>;

KeyUpdate clone(const KeyUpdate &update);
SessionId session_of(const KeyUpdate &update);

/**
 * How opening goes, told back by whoever opens packets with the keys of a store, so that the side
 * that negotiates them notices when sound stays away. Any thread, no lock.
 */
class OpenProgress {
 public:
  /** Somebody counts here; otherwise the numbers mean nothing. */
  void watch() { watched_.store(true, std::memory_order_relaxed); }
  bool watched() const { return watched_.load(std::memory_order_relaxed); }

  /** A packet opened. */
  void opened() {
    opened_.fetch_add(1, std::memory_order_relaxed);
    failed_in_row_.store(0, std::memory_order_relaxed);
  }
  /** An authentic packet of a member whose end-to-end layer did not open. */
  void failed() { failed_in_row_.fetch_add(1, std::memory_order_relaxed); }

  std::uint64_t opened_count() const { return opened_.load(std::memory_order_relaxed); }
  /** True once for each `limit` failures with no success between them. */
  bool take_failures(std::uint32_t limit) {
    if (failed_in_row_.load(std::memory_order_relaxed) < limit) return false;
    failed_in_row_.store(0, std::memory_order_relaxed);
    return true;
  }

 private:
  std::atomic<bool> watched_{false};
  std::atomic<std::uint64_t> opened_{0};
  std::atomic<std::uint32_t> failed_in_row_{0};
};

/**
 * Shared between the element that negotiates keys and those that use them. Thread-safe.
 *
 * A listener first gets what is in force as a replay, then each update once, in order. It is
 * called from the publishing thread with the store's lock held, so it must only queue and return;
 * in exchange no update can overtake another or be missed. The store keeps the newest three epochs
 * per session for late listeners (a restarted worker, an element that was linked later), until it
 * is told that the old ones are over.
 */
class KeyStore {
 public:
  using Listener = std::function<void(const KeyUpdate &)>;
  using Token = std::uint64_t;

  void publish(KeyUpdate update);
  Token subscribe(Listener listener);
  /** After it returns the listener is not running and is not called again. */
  void unsubscribe(Token token);
  /** What a newcomer has to know, in order. */
  std::vector<KeyUpdate> snapshot() const;
  /** Audio SSRC -> user of a session, 0 where it is not known. */
  UserId user_of(SessionId session, Ssrc ssrc) const;

  /** The way back: outlives neither store nor listeners that hold the store. */
  OpenProgress &progress() { return progress_; }

  /** Process-wide, never 0. */
  static SessionId next_session_id();

 private:
  struct Session {
    std::vector<KeyUpdate> transport;  // newest last, at most 2
    std::map<Ssrc, SsrcUpdate> ssrcs;
    struct Epoch {
      KeyUpdate update;
      std::chrono::steady_clock::time_point published;
    };
    std::vector<Epoch> dave;  // newest last, at most 3
  };
  std::vector<KeyUpdate> snapshot_locked() const;
  void remember_locked(const KeyUpdate &update);

  OpenProgress progress_;
  mutable std::mutex mutex_;  // guards everything below; held while listeners are called
  std::map<SessionId, Session> sessions_;
  std::map<Token, Listener> listeners_;
  Token next_token_ = 1;
};

}  // namespace dv
