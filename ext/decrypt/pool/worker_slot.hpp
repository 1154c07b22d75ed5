// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "ext/decrypt/pool/journal.hpp"
#include "ext/decrypt/pool/key_mirror.hpp"
#include "ext/decrypt/pool/shared_region.hpp"
#include "ext/decrypt/pool/spawn.hpp"
#include "ext/wire/worker_messages.hpp"
#include "ext/wire/worker_ring.hpp"

namespace dv {

inline constexpr std::uint32_t kRequestSlots = 512;
inline constexpr std::uint32_t kReplySlots = 512;
/** What one client may have in a ring before another's turn comes. */
inline constexpr std::uint32_t kClientShare = 128;

/** Everything that lives and dies with one worker process. */
struct WorkerProcess {
  Child child;
  SharedRegion requests, replies;
  worker::HostRing ring;
  bool ready = false;
  bool quitting = false;
  std::uint32_t confinement = 0;
  std::string last_words;  ///< unfinished line of its stderr

  std::uint32_t control_number = 0;
  std::deque<Bytes> control_waiting;  ///< secret; wiped when sent or dropped

  std::set<std::uint32_t> clients;  ///< opened there
  std::map<std::pair<std::uint32_t, SessionId>, KnownSession> sessions;

  std::vector<Ticket> in_slot = std::vector<Ticket>(kRequestSlots, kNoTicket);
  std::vector<std::uint32_t> client_of_slot = std::vector<std::uint32_t>(kRequestSlots, 0);
  std::map<std::uint32_t, std::uint32_t> in_ring;  ///< requests per client not yet taken
  std::uint64_t seen_taken = 0;
  Ticket alone = kNoTicket;  ///< a suspect is being tried: nothing else goes in

  // Supervision.
  std::uint64_t last_taken = 0, last_beat = 0;
  unsigned still = 0;  ///< checks in a row without progress
  bool answered_any = false;

  WorkerProcess() = default;
  WorkerProcess(const WorkerProcess &) = delete;
  WorkerProcess &operator=(const WorkerProcess &) = delete;
  ~WorkerProcess();

  /** Maps regions and starts the executable; an errno value. */
  int start(const std::string &path);
  /** Numbers and sends; what does not fit into the socket waits, and so does everything until
   * ready. */
  void send(const worker::ToWorker &message);
  void send_hello(const worker::Hello &hello);
  /** More of what waits. False: the socket is broken. */
  bool send_waiting();
  void wake() const;
  /** Looks at the indices; what the worker has taken no longer counts as its client's. False:
   * nonsense. */
  bool refresh();
  bool idle_ring() const { return ring.written() == ring.taken_by_worker(); }
  void put(const worker::Request &request, ByteView data, Ticket ticket);
  bool share_left(std::uint32_t client) const;
  /** The packet that it had open, if what it says makes sense. */
  Ticket open_ticket() const;
};

/** One request in the queue of a worker, or a packet to prime it with. */
struct Queued {
  Ticket ticket = kNoTicket;
  bool prime = false;
};

/** A place for a worker: the process may change, the streams stay. */
struct WorkerSlot {
  enum class State : std::uint8_t { empty, wanted, running };
  State state = State::empty;
  std::unique_ptr<WorkerProcess> process;              ///< null unless running
  std::map<std::uint32_t, std::deque<Queued>> queues;  ///< by client
  std::uint32_t last_served = 0;
  Time start_after{0};
  Time last_used{0};
  std::size_t streams = 0;
  unsigned failures = 0;  ///< processes in a row that ended without an answer
  std::size_t queued() const {
    std::size_t n = 0;
    for (const auto &[client, queue] : queues) n += queue.size();
    return n;
  }
};

}  // namespace dv
