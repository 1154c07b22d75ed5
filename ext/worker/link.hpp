// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <optional>

#include "ext/wire/worker_messages.hpp"
#include "ext/wire/worker_ring.hpp"

namespace dv::worker {

/** Monotonic clock. */
Time monotonic_now();
/** What this process has used of a processor. */
Time cpu_now();

/**
 * The worker's way to its host: control socket, rings, signals. Whatever waits here ends when the
 * host ends: then the process exits. One thread.
 */
class Link {
 public:
  /** Maps the regions of the slots agreed on. False: they are not what they should be. */
  bool map(std::uint32_t request_slots, std::uint32_t reply_slots);
  WorkerRing &ring() { return *ring_; }
  std::uint8_t *reply_region() { return replies_; }
  std::size_t reply_size() const { return reply_size_; }

  /** One message, waited for if `wait`. Its bytes stay valid, and secret, until `wipe_message`. */
  std::optional<Received> receive(bool wait);
  void wipe_message();
  void send(const Bytes &message);

  /** Shows replies, and wakes the host if it sleeps. */
  void publish();
  /** Writes one reply, waiting for the host to make room. */
  void reply(const Reply &reply, ByteView data);
  /** A short rest without telling the host; it does not have to signal. */
  void rest(Time at_most);
  /** Sleeps until the host signals, a message comes, or `timeout` is over (kNever: no limit). */
  void sleep(Time timeout);

 private:
  /** Exits if the host is gone. True: there is a message. */
  bool poll_host(Time timeout, bool with_messages);
  void drain_event();

  std::optional<WorkerRing> ring_;
  std::uint8_t *replies_ = nullptr;
  std::size_t reply_size_ = 0;
  Bytes message_ = Bytes(kMaxMessage);
  std::size_t message_size_ = 0;
};

}  // namespace dv::worker
