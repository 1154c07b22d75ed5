// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "ext/decrypt/pool/engine.hpp"
#include "ext/decrypt/pool/journal.hpp"
#include "ext/decrypt/pool/key_mirror.hpp"
#include "ext/decrypt/pool/worker_slot.hpp"

namespace dv {

/** Processes in a row that end without having answered anything, and then it is over. */
inline constexpr unsigned kMostFailures = 8;
/** The same for processes that do not even get ready. */
inline constexpr unsigned kMostStarts = 3;

struct PoolConfig {
  std::string worker_path;
  std::uint32_t max_workers = 1;
  Time idle_timeout = 10s;
  Time reply_timeout = 2s;
  Time max_batch = 2ms;
  worker::Sandbox sandbox = worker::Sandbox::attempt;
  std::uint64_t memory_limit = std::uint64_t{512} << 20;
};

/**
 * Worker processes of one name in this process, and everything that is on its way to or from them.
 *
 * Threads: any number of clients submit from their streaming threads; one thread of the pool
 * spawns, reads replies, supervises. It lives while there is a client or a worker. One lock guards
 * all state; results are handed to sinks under it, which only queue them. Spawning and waiting
 * happen without it.
 */
class WorkerPool : public std::enable_shared_from_this<WorkerPool> {
 public:
  /**
   * A new client of the pool of this name, which is made if there is none. Settings of the
   * processes are those of the first client; `max_workers` grows with whoever wants more.
   */
  static std::unique_ptr<Engine> open(const std::string &name, const PoolConfig &config,
                                      const ChainConfig &chain, bool live, EngineSink &sink);

  WorkerPool(std::string name, const PoolConfig &config);
  ~WorkerPool();
  WorkerPool(const WorkerPool &) = delete;
  WorkerPool &operator=(const WorkerPool &) = delete;

  /** For tests, of builds with `-Dtest_hooks=true`: to all workers there are, or that in place
   * `only`, and if `sticky` to all that come there. */
  static void test_hook(const std::string &name, const worker::TestHook &hook, bool sticky,
                        int only = kNoWorker);
  std::vector<std::int64_t> workers();

 private:
  friend class PoolClient;

  /** Nobody waits for the answer. Clients number theirs from 1 on. */
  static constexpr std::uint64_t kNoBarrier = 0;

  struct Client {
    Client(std::uint32_t id_, bool live_) : id(id_), live(live_), clock(live_), keys(id_) {}
    std::uint32_t id;
    EngineSink *sink = nullptr;
    ChainConfig config;
    bool live;
    EngineClock clock;  ///< the time its chains live in
    bool interrupted = false;
    bool has_frames = false;     ///< its sink has got some in this portion of replies
    std::uint32_t epoch = 0;
    std::size_t queued = 0;      ///< packets not yet in a ring
    std::size_t wake_below = 0;  ///< somebody waits until fewer are queued
    KeyMirror keys;
    std::map<std::uint64_t, std::size_t> barriers;  ///< answers still to come
  };

  // Called by clients (worker_pool.cpp).
  std::uint32_t add_client(const ChainConfig &chain, bool live, EngineSink &sink);
  void remove_client(std::uint32_t id);
  void apply(std::uint32_t id, const KeyUpdate &update);
  void submit(std::uint32_t id, std::span<const PacketIn> packets);
  void drain(std::uint32_t id, std::uint64_t barrier);
  void forget(std::uint32_t id, SessionId session, Ssrc ssrc, std::uint64_t barrier);
  void flush(std::uint32_t id);
  void interrupt(std::uint32_t id, bool on);

  // With the lock held, as all that follows unless it says otherwise.
  void apply_to(Client &client, const KeyUpdate &update);
  bool outlives(Client &client, const KeyUpdate &update);
  void submit_packet(Client &client, const PacketIn &packet, Time at);
  void wait_for_room(Client &client, std::unique_lock<std::mutex> &lock);
  void tell_of_room();
  void shed(Client &client);
  Stream &stream_for(Client &client, const PacketIn &packet, Time at);
  void queue_primes(Client &client, Stream &stream);
  void unassign(Stream &stream);
  void drop_client_work(Client &client);
  void count_queued();
  void dismiss_streams();
  int choose_worker(const Client &client);
  void assign(Client &client, Stream &stream);
  void introduce(Client &client, const Stream &stream, WorkerProcess &process);
  void enqueue(Client &client, int worker, Ticket ticket);
  void add_barrier(Client &client, int worker, worker::Request::Kind kind, SessionId session,
                   Ssrc ssrc, std::uint64_t barrier);
  void settle(Ticket ticket, Verdict verdict);
  void answer_barrier(Client &client, std::uint64_t barrier);
  void fail(const std::string &reason);
  void notify(WorkerNotice::Kind kind, std::int64_t pid, const std::string &detail);

  // Rings (pool_rings.cpp).
  void pump(WorkerSlot &slot);
  bool pump_one(WorkerSlot &slot, std::deque<Queued> &queue);
  worker::Request request_of(const Record &record, Ticket ticket,
                             const WorkerProcess &process) const;
  bool take_replies(int index, std::size_t most, bool &more);
  bool take_portion(int index, std::size_t most, bool &more);
  bool take_reply(int index, const worker::Reply &reply, ByteView data);
  Stream *stream_of(const Client &client, const worker::Reply &reply);
  bool take_frame(int index, Client &client, const worker::Reply &reply, ByteView data);
  bool take_verdict(int index, Client &client, const worker::Reply &reply);
  bool frame_is_possible(const Client &client, const Stream &stream,
                         const worker::Reply &reply) const;

  // The pool's thread (pool_thread.cpp).
  void run(std::shared_ptr<WorkerPool> self);
  bool serve_all(std::unique_lock<std::mutex> &lock);
  void start_wanted(std::unique_lock<std::mutex> &lock);
  bool only_recorded() const;
  void rest(std::unique_lock<std::mutex> &lock, std::size_t replies);
  void sleep(std::unique_lock<std::mutex> &lock);
  void read_errors(WorkerSlot &slot);
  void read_control(int index);
  void check_health();
  void end_idle();
  void replace(int index, const std::string &reason, bool suspect, bool believe);
  void blame(Ticket open);
  void requeue(int index);
  void worker_gone(int index);
  bool finished();
  Time now() const { return std::chrono::steady_clock::now().time_since_epoch(); }
  void wake_thread();

  PoolConfig config_;
  std::string name_;
  Descriptor wake_event_;

  std::mutex mutex_;
  std::condition_variable room_;
  bool running_ = false;
  bool failed_ = false;
  std::string failure_;
  std::uint32_t next_client_ = 1;
  std::map<std::uint32_t, std::unique_ptr<Client>> clients_;
  Journal journal_;
  std::vector<WorkerSlot> slots_;
  struct Ending {
    std::unique_ptr<WorkerProcess> process;
    Time deadline;
  };
  std::vector<Ending> ending_;
  struct StickyHook {
    worker::TestHook hook;
    int only;
  };
  std::vector<StickyHook> sticky_hooks_;
  Bytes scratch_;
  Time next_check_{0};
  bool thread_sleeps_ = false;
  std::size_t replies_ = 0;  ///< since the thread last waited
  Time rest_{400'000};       ///< how long it waits with recorded input
};

}  // namespace dv
