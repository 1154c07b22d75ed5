// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/decrypt/pool/worker_pool.hpp"

#include <signal.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <set>
#include <utility>

#include "ext/decrypt/pool/pool_client.hpp"
#include "ext/decrypt/pool/pool_registry.hpp"
#include "ext/decrypt/pool/stats_book.hpp"

namespace dv {
namespace {

// Beyond it recorded input waits. Live input keeps what a hung worker can hold up until it is
// replaced, and then loses packets.
constexpr std::size_t kRecordedQueue = 2048;
constexpr std::size_t kLiveQueue = 16384;
constexpr auto kLivePatience = 5ms;
// Streams for which one more process is worth its memory. Live ones take some 0.2 % of a processor.
// With 32, one process has all 25 speakers of a channel: 124 us of CPU a packet instead of 159,
// since it wakes up half as often, but p99 3.0 ms instead of 2.6 (medians of three alternating
// runs).
constexpr std::size_t kLiveStreams = 8;
constexpr std::size_t kRecordedStreams = 1;
constexpr std::size_t kMaxStreams = 4096;
// So many go at once when there are too many.
constexpr std::size_t kLeaveAtOnce = kMaxStreams / 16;

}  // namespace

WorkerPool::WorkerPool(std::string name, const PoolConfig &config)
    : config_(config), name_(std::move(name)), wake_event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  slots_.resize(std::max<std::size_t>(config.max_workers, 1));
}

WorkerPool::~WorkerPool() = default;

std::uint32_t WorkerPool::add_client(const ChainConfig &chain, bool live, EngineSink &sink) {
  std::lock_guard lock(mutex_);
  const std::uint32_t id = next_client_++;
  auto client = std::make_unique<Client>(id, live);
  client->sink = &sink;
  client->config = chain;
  if (clients_.empty()) {
    failed_ = false;
    for (WorkerSlot &slot : slots_) slot.failures = 0;
    sticky_hooks_.clear();
  }
  clients_.emplace(id, std::move(client));
  if (!running_) {
    // The application's signals are not for this thread.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    std::thread([self = shared_from_this()] { self->run(self); }).detach();
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    running_ = true;
  }
  return id;
}

void WorkerPool::remove_client(std::uint32_t id) {
  std::lock_guard lock(mutex_);
  Client &client = *clients_.at(id);
  drop_client_work(client);
  std::vector<Stream *> gone;
  journal_.each_stream([&](Stream &s) {
    if (s.client == id) gone.push_back(&s);
  });
  for (Stream *s : gone) {
    unassign(*s);
    journal_.remove_stream(*s);
  }
  for (WorkerSlot &slot : slots_) {
    slot.queues.erase(id);
    if (slot.process && slot.process->clients.erase(id) != 0) {
      slot.process->send(worker::CloseClient{id});
      std::erase_if(slot.process->sessions, [&](const auto &s) { return s.first.first == id; });
    }
  }
  clients_.erase(id);
  wake_thread();
}

void WorkerPool::apply(std::uint32_t id, const KeyUpdate &update) {
  std::lock_guard lock(mutex_);
  Client &client = *clients_.at(id);
  if (!outlives(client, update)) apply_to(client, update);
}

// Keys come early without harm, but who leaves must not take along what he has said before: that
// may be in a ring, or in the hands of a worker that dies.
bool WorkerPool::outlives(Client &client, const KeyUpdate &update) {
  const auto *binding = std::get_if<SsrcUpdate>(&update);
  if (binding == nullptr) return false;
  Stream *stream = journal_.stream(client.id, binding->session, binding->ssrc);
  if (stream == nullptr) return false;
  stream->left =
      binding->user == 0 && binding->kind == StreamKind::audio && stream->unanswered != 0;
  return stream->left;
}

void WorkerPool::apply_to(Client &client, const KeyUpdate &update) {
  const std::uint32_t id = client.id;
  const Time at = client.clock.now();
  client.keys.remember(update, at);
  const SessionId session = session_of(update);
  if (const auto *named = std::get_if<SsrcUpdate>(&update); named && named->user != 0) {
    if (Stream *stream = journal_.stream(id, session, named->ssrc)) stream->name(named->user);
  }
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    WorkerProcess *process = slots_[i].process.get();
    if (process == nullptr) continue;
    const auto known = process->sessions.find({id, session});
    if (known == process->sessions.end()) continue;
    const auto here = [&](Ssrc ssrc) {
      const Stream *s = journal_.stream(id, session, ssrc);
      return s != nullptr && s->worker == static_cast<int>(i);
    };
    client.keys.pass_on(update, known->second, here, at,
                        [&](const worker::ToWorker &m) { process->send(m); });
    if (std::holds_alternative<SessionEndUpdate>(update)) process->sessions.erase(known);
  }
}

void WorkerPool::submit(std::uint32_t id, std::span<const PacketIn> packets) {
  std::unique_lock lock(mutex_);
  Client &client = *clients_.at(id);
  const Time at = now();
  for (const PacketIn &packet : packets) submit_packet(client, packet, at);
  for (WorkerSlot &slot : slots_) pump(slot);
  wait_for_room(client, lock);
}

void WorkerPool::submit_packet(Client &client, const PacketIn &packet, Time at) {
  const auto refuse = [&](Verdict verdict) {
    client.sink->verdict(packet.session, claimed_ssrc(packet.data), packet.tag, verdict);
  };
  if (failed_) return refuse(Verdict::worker_lost);
  if (packet.data.size() > worker::kMaxDatagram) return refuse(Verdict::malformed);
  client.clock.arrived(packet.arrival);
  Stream &stream = stream_for(client, packet, at);
  if (stream.prime_due) queue_primes(client, stream);
  stream.newest_arrival = std::max(stream.newest_arrival, packet.arrival);
  Record record;
  record.client = client.id;
  record.session = packet.session;
  record.ssrc = stream.ssrc;
  record.tag = packet.tag;
  record.arrival = packet.arrival;
  record.worker = stream.worker;
  record.stream = &stream;
  record.rtcp = looks_like_rtcp(packet.data);
  enqueue(client, stream.worker, journal_.add(std::move(record), packet.data));
}

void WorkerPool::wait_for_room(Client &client, std::unique_lock<std::mutex> &lock) {
  const auto full = [&](std::size_t limit) {
    return client.queued >= limit && !client.interrupted && !failed_;
  };
  if (!client.live) {
    if (!full(kRecordedQueue)) return;
    // Not for each packet that leaves: waking somebody costs more than handing over does.
    client.wake_below = kRecordedQueue / 2;
    room_.wait(lock, [&] { return !full(kRecordedQueue / 2); });
    client.wake_below = 0;
    return;
  }
  if (!full(kLiveQueue)) return;
  const auto until = std::chrono::steady_clock::now() + kLivePatience;
  client.wake_below = kLiveQueue;
  room_.wait_until(lock, until, [&] { return !full(kLiveQueue); });
  client.wake_below = 0;
  while (full(kLiveQueue)) shed(client);
}

void WorkerPool::tell_of_room() {
  const bool wanted = std::any_of(clients_.begin(), clients_.end(), [](const auto &c) {
    return c.second->queued < c.second->wake_below;
  });
  if (wanted) room_.notify_all();
}

// The heaviest stream loses its oldest packet: who floods pays, and what is newest is what a live
// listener wants.
void WorkerPool::shed(Client &client) {
  Stream *heaviest = nullptr;
  journal_.each_stream([&](Stream &s) {
    if (s.client != client.id || s.waiting == 0) return;
    if (heaviest == nullptr || s.waiting > heaviest->waiting) heaviest = &s;
  });
  if (heaviest == nullptr) {
    count_queued();
    client.queued = std::min(client.queued, kLiveQueue - 1);
    return;
  }
  auto &queue = slots_[static_cast<std::size_t>(heaviest->worker)].queues[client.id];
  for (auto it = queue.begin(); it != queue.end(); ++it) {
    const Record *r = it->prime ? nullptr : journal_.find(it->ticket);
    if (r == nullptr || r->stream != heaviest) continue;
    const Ticket ticket = it->ticket;
    queue.erase(it);
    --client.queued;
    settle(ticket, Verdict::overload);
    client.sink->notice({WorkerNotice::Kind::overload, 0, ""});
    return;
  }
}

Stream &WorkerPool::stream_for(Client &client, const PacketIn &packet, Time at) {
  const Ssrc ssrc = claimed_ssrc(packet.data);
  Stream *stream = journal_.stream(client.id, packet.session, ssrc);
  if (stream == nullptr) {
    if (journal_.streams() >= kMaxStreams) dismiss_streams();
    stream = &journal_.make_stream(client.id, packet.session, ssrc);
    stream->name(client.keys.user_of(packet.session, ssrc));
  }
  stream->last_packet = at;
  if (stream->worker == kNoWorker) assign(client, *stream);
  slots_[static_cast<std::size_t>(stream->worker)].last_used = at;
  return *stream;
}

// SSRCs are claimed by anybody, so what never delivered anything goes first; then who was silent
// for longest.
void WorkerPool::dismiss_streams() {
  std::vector<Stream *> idle;
  journal_.each_stream([&](Stream &s) {
    if (s.unanswered == 0) idle.push_back(&s);
  });
  const auto leave = std::min(kLeaveAtOnce, idle.size());
  const auto rank = [](const Stream *s) { return std::pair(s->delivered != 0, s->last_packet); };
  std::nth_element(idle.begin(), idle.begin() + static_cast<std::ptrdiff_t>(leave), idle.end(),
                   [&](const Stream *a, const Stream *b) { return rank(a) < rank(b); });
  idle.resize(leave);
  for (Stream *s : idle) {
    Client &client = *clients_.at(s->client);
    // Its worker holds as much of it as we do.
    if (s->worker != kNoWorker && slots_[static_cast<std::size_t>(s->worker)].process) {
      using Kind = worker::Request::Kind;
      add_barrier(client, s->worker, Kind::forget, s->session, s->ssrc, kNoBarrier);
    }
    unassign(*s);
    journal_.remove_stream(*s);
  }
}

int WorkerPool::choose_worker(const Client &client) {
  const std::size_t worth = client.live ? kLiveStreams : kRecordedStreams;
  int least = kNoWorker, empty = kNoWorker;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const int index = static_cast<int>(i);
    if (slots_[i].state == WorkerSlot::State::empty && slots_[i].streams == 0) {
      if (empty == kNoWorker) empty = index;
    } else if (least == kNoWorker ||
               slots_[i].streams < slots_[static_cast<std::size_t>(least)].streams) {
      least = index;
    }
  }
  if (least == kNoWorker) return empty;
  const bool enough = slots_[static_cast<std::size_t>(least)].streams < worth;
  return enough || empty == kNoWorker ? least : empty;
}

void WorkerPool::assign(Client &client, Stream &stream) {
  stream.worker = choose_worker(client);
  stream.prime_due = !stream.recent.empty();
  stream.rebase = stream.delivered != 0;
  WorkerSlot &slot = slots_[static_cast<std::size_t>(stream.worker)];
  ++slot.streams;
  if (slot.process) introduce(client, stream, *slot.process);
}

void WorkerPool::unassign(Stream &stream) {
  if (stream.worker == kNoWorker) return;
  --slots_[static_cast<std::size_t>(stream.worker)].streams;
  stream.worker = kNoWorker;
}

void WorkerPool::introduce(Client &client, const Stream &stream, WorkerProcess &process) {
  // Recorded input: as far as time has come for the packets that this worker gets.
  Time at = client.clock.now();
  if (!client.live && process.clients.count(client.id) == 0) {
    for (const Ticket t : journal_.unanswered_of_client(client.id)) {
      const Record &r = *journal_.find(t);
      if (r.kind == worker::Request::Kind::packet) at = std::min(at, Time(r.arrival));
    }
  }
  if (process.clients.insert(client.id).second) {
    const ChainConfig &c = client.config;
    worker::OpenClient open;
    open.client = client.id;
    open.decode = c.decode;
    open.format = static_cast<std::uint8_t>(c.format);
    open.rate = c.rate;
    open.channels = c.channels;
    open.latency = static_cast<std::uint64_t>(c.latency.count());
    open.fec = c.fec;
    open.plc = c.plc;
    open.plc_limit = static_cast<std::uint64_t>(c.plc_limit.count());
    open.key_wait = static_cast<std::uint64_t>(c.key_wait.count());
    open.max_waiting = c.max_waiting;
    open.max_streams = c.max_streams;
    open.live = client.live;
    open.clock = client.live ? 0 : static_cast<std::uint64_t>(at.count());
    process.send(open);
  }
  const auto key = std::pair(client.id, stream.session);
  const auto known = process.sessions.find(key);
  KnownSession result;
  client.keys.introduce(stream.session, stream.ssrc,
                        known == process.sessions.end() ? nullptr : &known->second, result, at,
                        [&](const worker::ToWorker &m) { process.send(m); });
  process.sessions[key] = std::move(result);
}

void WorkerPool::queue_primes(Client &client, Stream &stream) {
  auto &queue = slots_[static_cast<std::size_t>(stream.worker)].queues[client.id];
  for (const Ticket t : stream.recent) queue.push_back({t, true});
  stream.prime_due = false;
}

void WorkerPool::enqueue(Client &client, int worker, Ticket ticket) {
  WorkerSlot &slot = slots_[static_cast<std::size_t>(worker)];
  slot.queues[client.id].push_back({ticket, false});
  ++client.queued;
  if (slot.state == WorkerSlot::State::empty) {
    slot.state = WorkerSlot::State::wanted;
    wake_thread();
  }
}

void WorkerPool::add_barrier(Client &client, int worker, worker::Request::Kind kind,
                             SessionId session, Ssrc ssrc, std::uint64_t barrier) {
  Record record;
  record.kind = kind;
  record.client = client.id;
  record.session = session;
  record.ssrc = ssrc;
  record.tag = barrier;
  record.worker = worker;
  if (barrier != kNoBarrier) ++client.barriers[barrier];
  enqueue(client, worker, journal_.add(std::move(record), {}));
}

void WorkerPool::drain(std::uint32_t id, std::uint64_t barrier) {
  std::lock_guard lock(mutex_);
  Client &client = *clients_.at(id);
  std::set<int> workers;
  journal_.each_stream([&](const Stream &s) {
    if (s.client == id && s.worker != kNoWorker) workers.insert(s.worker);
  });
  // Where nothing was ever asked of a process there is nothing to wait for.
  std::erase_if(workers, [&](int w) {
    return slots_[static_cast<std::size_t>(w)].state == WorkerSlot::State::empty;
  });
  if (workers.empty() || failed_) return client.sink->barrier(barrier);
  for (const int w : workers) {
    add_barrier(client, w, worker::Request::Kind::drain, 0, 0, barrier);
    pump(slots_[static_cast<std::size_t>(w)]);
  }
}

void WorkerPool::forget(std::uint32_t id, SessionId session, Ssrc ssrc, std::uint64_t barrier) {
  std::lock_guard lock(mutex_);
  Client &client = *clients_.at(id);
  Stream *stream = journal_.stream(id, session, ssrc);
  if (stream == nullptr || stream->worker == kNoWorker || failed_ ||
      slots_[static_cast<std::size_t>(stream->worker)].state == WorkerSlot::State::empty) {
    return client.sink->barrier(barrier);
  }
  add_barrier(client, stream->worker, worker::Request::Kind::forget, session, ssrc, barrier);
  pump(slots_[static_cast<std::size_t>(stream->worker)]);
}

// Every verdict comes now; what workers still say about this epoch is not listened to.
void WorkerPool::drop_client_work(Client &client) {
  ++client.epoch;
  for (const Ticket t : journal_.unanswered_of_client(client.id)) settle(t, Verdict::flushed);
  for (WorkerSlot &slot : slots_) slot.queues.erase(client.id);
  client.queued = 0;
  for (auto &[barrier, count] : std::exchange(client.barriers, {})) client.sink->barrier(barrier);
  journal_.each_stream([&](Stream &s) {
    if (s.client == client.id) journal_.forget_recent(s);
  });
}

void WorkerPool::flush(std::uint32_t id) {
  std::lock_guard lock(mutex_);
  drop_client_work(*clients_.at(id));
}

void WorkerPool::interrupt(std::uint32_t id, bool on) {
  {
    std::lock_guard lock(mutex_);
    clients_.at(id)->interrupted = on;
  }
  room_.notify_all();
}

void WorkerPool::settle(Ticket ticket, Verdict verdict) {
  Record *r = journal_.find(ticket);
  if (r == nullptr || r->state == Record::State::answered) return;
  const auto it = clients_.find(r->client);
  if (r->kind != worker::Request::Kind::packet) {
    const std::uint64_t barrier = r->tag;
    Stream *forgotten = r->kind == worker::Request::Kind::forget && barrier != kNoBarrier
                            ? journal_.stream(r->client, r->session, r->ssrc)
                            : nullptr;
    journal_.remove(ticket);
    if (forgotten != nullptr && forgotten->unanswered == 0) {
      unassign(*forgotten);
      journal_.remove_stream(*forgotten);
    }
    if (it != clients_.end()) answer_barrier(*it->second, barrier);
    return;
  }
  const bool delivered = verdict == Verdict::delivered;
  std::size_t primes = 0;
  if (it != clients_.end()) {
    it->second->sink->verdict(r->session, r->ssrc, r->tag, verdict);
    if (delivered && !r->rtcp) {
      primes = it->second->config.decode ? Journal::kPrimes : Journal::kUndecodedPrimes;
    }
  }
  Stream *stream = r->stream;
  if (delivered && stream != nullptr) ++stream->delivered;
  journal_.answered(ticket, primes);
  if (stream == nullptr || stream->unanswered != 0 || !std::exchange(stream->left, false)) return;
  if (it != clients_.end()) apply_to(*it->second, SsrcUpdate{stream->session, stream->ssrc, 0});
}

void WorkerPool::answer_barrier(Client &client, std::uint64_t barrier) {
  const auto it = client.barriers.find(barrier);
  if (it == client.barriers.end() || --it->second != 0) return;
  client.barriers.erase(it);
  client.sink->barrier(barrier);
}

void WorkerPool::count_queued() {
  for (auto &[id, client] : clients_) {
    client->queued = 0;
    for (const WorkerSlot &slot : slots_) {
      const auto it = slot.queues.find(id);
      if (it == slot.queues.end()) continue;
      for (const Queued &q : it->second) client->queued += !q.prime;
    }
  }
}

// Nothing is decoded in this process instead: what killed the workers would then kill the host.
void WorkerPool::fail(const std::string &reason) {
  if (std::exchange(failed_, true)) return;
  for (WorkerSlot &slot : slots_) {
    slot.process.reset();
    slot.queues.clear();
    slot.state = WorkerSlot::State::empty;
    slot.failures = 0;
  }
  // Who hears of it finds the account closed.
  for (auto &[id, client] : clients_) {
    for (const Ticket t : journal_.unanswered_of_client(id)) settle(t, Verdict::worker_lost);
    client->queued = 0;
    client->sink->failed(reason);
  }
  journal_.each_stream([&](Stream &s) { unassign(s); });
  room_.notify_all();
}

void WorkerPool::notify(WorkerNotice::Kind kind, std::int64_t pid, const std::string &detail) {
  for (auto &[id, client] : clients_) client->sink->notice({kind, pid, detail});
}

std::vector<std::int64_t> WorkerPool::workers() {
  std::lock_guard lock(mutex_);
  std::vector<std::int64_t> pids;
  for (const WorkerSlot &slot : slots_) {
    if (slot.process && slot.process->ready) pids.push_back(slot.process->child.pid);
  }
  return pids;
}

void WorkerPool::wake_thread() {
  if (!std::exchange(thread_sleeps_, false)) return;
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = ::write(wake_event_.get(), &one, sizeof one);
}

}  // namespace dv
