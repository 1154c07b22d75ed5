// SPDX-License-Identifier: LGPL-2.1-or-later
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <utility>

#include "ext/decrypt/pool/worker_fds.hpp"
#include "ext/decrypt/pool/worker_pool.hpp"

namespace dv {
namespace {

constexpr std::size_t kRepliesAtOnce = 64;
// Checks in a row without progress before a process counts as hung. Counting checks instead of
// time means that a machine that stood still has not hung its workers.
constexpr unsigned kStillChecks = 4;
constexpr Time kStartTimeout = 20s;
constexpr Time kEndTimeout = 2s;
constexpr Time kFullRing = 2ms;
// So long that waking up costs little a reply, so short that no ring of replies fills up meanwhile.
constexpr Time kLongestRest(2'000'000), kShortestRest(100'000);
constexpr std::size_t kFewReplies = kReplySlots / 8, kManyReplies = kReplySlots / 4;
// Between packets a stream is silent, but not gone.
constexpr Time kShortestIdle = 5s;

Time back_off(unsigned failures) { return std::min<Time>(10ms * (1U << failures), 2s); }

// A whole test suite runs with it, whatever the elements ask for.
worker::Sandbox sandbox_of(const PoolConfig &config) {
#if DV_TEST_HOOKS
  if (std::getenv("DV_STRICT_SANDBOX") != nullptr && config.sandbox != worker::Sandbox::off) {
    return worker::Sandbox::strict;
  }
#endif
  return config.sandbox;
}

void clear_event(const Descriptor &event) {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t n = ::read(event.get(), &count, sizeof count);
}

}  // namespace

void WorkerPool::run(std::shared_ptr<WorkerPool> self) {
  pthread_setname_np(pthread_self(), "discord-pool");
  do {
    std::unique_lock lock(mutex_);
    for (;;) {
      start_wanted(lock);
      bool more = serve_all(lock);
      check_health();
      end_idle();
      const bool idle = clients_.empty() && ending_.empty() &&
                        std::none_of(slots_.begin(), slots_.end(), [](const WorkerSlot &slot) {
                          return slot.process != nullptr;
                        });
      if (idle) break;
      if (more) continue;
      const std::size_t replies = std::exchange(replies_, 0);
      if (replies != 0 && only_recorded())
        rest(lock, replies);
      else
        sleep(lock);
    }
  } while (!finished());
  self.reset();
}

// Replies of all workers in portions, so that nobody who submits waits long for the lock.
bool WorkerPool::serve_all(std::unique_lock<std::mutex> &lock) {
  bool more = false;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (!slots_[i].process) continue;
    if (!take_replies(static_cast<int>(i), kRepliesAtOnce, more)) {
      replace(static_cast<int>(i), "it answered nonsense", false, false);
      continue;
    }
    pump(slots_[i]);
    if (slots_[i].process) slots_[i].process->send_waiting();
  }
  lock.unlock();
  lock.lock();
  return more;
}

void WorkerPool::start_wanted(std::unique_lock<std::mutex> &lock) {
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].state != WorkerSlot::State::wanted || now() < slots_[i].start_after) continue;
    auto process = std::make_unique<WorkerProcess>();
    const std::string path = config_.worker_path;
    lock.unlock();
    const int error = process->start(path);
    lock.lock();
    WorkerSlot &slot = slots_[i];
    if (slot.state != WorkerSlot::State::wanted) continue;
    if (error != 0) {
      const bool for_now = error == EAGAIN || error == ENOMEM || error == EMFILE || error == ENFILE;
      if (for_now && ++slot.failures < kMostFailures) {
        slot.start_after = now() + back_off(slot.failures);
        continue;
      }
      fail("can not start the worker " + path + ": " + std::strerror(error) +
           ". Install gst-discord-worker there, or name it in GST_DISCORD_WORKER");
      return;
    }
    worker::Hello hello;
    hello.sandbox = sandbox_of(config_);
    hello.request_slots = kRequestSlots;
    hello.reply_slots = kReplySlots;
    hello.max_batch_us = static_cast<std::uint32_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(config_.max_batch).count());
    hello.memory_limit = config_.memory_limit;
    process->send_hello(hello);
    slot.process = std::move(process);
    slot.state = WorkerSlot::State::running;
    slot.last_used = now();
    for (const auto &[hook, only] : sticky_hooks_) {
      if (only == kNoWorker || only == static_cast<int>(i)) slot.process->send(hook);
    }
    journal_.each_stream([&](Stream &s) {
      if (s.worker == static_cast<int>(i)) introduce(*clients_.at(s.client), s, *slot.process);
    });
    pump(slot);
  }
}

bool WorkerPool::only_recorded() const {
  return std::none_of(clients_.begin(), clients_.end(),
                      [](const auto &entry) { return entry.second->live; });
}

// Recorded input comes as fast as it is taken. Replies are looked for at intervals then, and no
// worker spends a system call on saying that there are some.
void WorkerPool::rest(std::unique_lock<std::mutex> &lock, std::size_t replies) {
  if (replies < kFewReplies) rest_ = std::min(2 * rest_, kLongestRest);
  if (replies > kManyReplies) rest_ = std::max(rest_ / 2, kShortestRest);
  lock.unlock();
  std::this_thread::sleep_for(rest_);
  lock.lock();
}

void WorkerPool::sleep(std::unique_lock<std::mutex> &lock) {
  Time wake = next_check_;
  std::vector<pollfd> fds{{wake_event_.get(), POLLIN, 0}};
  struct Source {
    int index;
    WorkerProcess *process;
  };
  std::vector<Source> sources;
  bool supervise = !ending_.empty();
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    WorkerSlot &slot = slots_[i];
    if (slot.state == WorkerSlot::State::wanted) {
      supervise = true;
      wake = std::min(wake, slot.start_after);
    }
    if (!slot.process) continue;
    supervise = true;
    WorkerProcess &p = *slot.process;
    if (slot.queued() != 0) wake = std::min(wake, now() + kFullRing);
    const short control =
        static_cast<short>(p.ready && !p.control_waiting.empty() ? POLLIN | POLLOUT : POLLIN);
    fds.push_back({p.child.control.get(), control, 0});
    fds.push_back({p.child.pidfd.get(), POLLIN, 0});
    fds.push_back({p.child.errors.get(), POLLIN, 0});
    fds.push_back({p.child.reply_event.get(), POLLIN, 0});
    sources.push_back({static_cast<int>(i), &p});
    p.ring.announce_sleep();
  }
  for (const Ending &e : ending_) fds.push_back({e.process->child.pidfd.get(), POLLIN, 0});
  bool ready = false;
  for (const Source &s : sources) {
    if (!s.process->refresh() || s.process->ring.reply_ready()) ready = true;
  }
  const Time left = std::max(wake - now(), Time(0));
  const timespec limit{static_cast<time_t>(left.count() / 1000000000),
                       static_cast<long>(left.count() % 1000000000)};
  if (!ready) {
    thread_sleeps_ = true;
    lock.unlock();
    ppoll(fds.data(), fds.size(), supervise ? &limit : nullptr, nullptr);
    lock.lock();
    thread_sleeps_ = false;
  }
  if (fds[0].revents != 0) clear_event(wake_event_);
  for (std::size_t k = 0; k < sources.size(); ++k) {
    const int index = sources[k].index;
    WorkerSlot &slot = slots_[static_cast<std::size_t>(index)];
    // The pool may have failed meanwhile; only this thread makes new processes.
    if (slot.process.get() != sources[k].process) continue;
    slot.process->ring.awake();
    const pollfd *p = &fds[1 + 4 * k];
    if (p[2].revents != 0) read_errors(slot);
    if (p[3].revents != 0) clear_event(slot.process->child.reply_event);
    if (p[0].revents != 0) read_control(index);
    if (slot.process && p[1].revents != 0) worker_gone(index);
  }
}

void WorkerPool::read_errors(WorkerSlot &slot) {
  char text[512];
  WorkerProcess &process = *slot.process;
  for (int i = 0; i < 8; ++i) {
    const ssize_t n = ::read(process.child.errors.get(), text, sizeof text);
    if (n <= 0) break;
    for (ssize_t k = 0; k < n; ++k) {
      const bool end = text[k] == '\n' || process.last_words.size() >= 400;
      if (text[k] >= 0x20 && text[k] < 0x7f) process.last_words += text[k];
      if (!end) continue;
      notify(WorkerNotice::Kind::log, process.child.pid, std::exchange(process.last_words, {}));
    }
  }
}

void WorkerPool::read_control(int index) {
  WorkerSlot &slot = slots_[static_cast<std::size_t>(index)];
  WorkerProcess &process = *slot.process;
  std::uint8_t bytes[2048];
  const ssize_t n = ::recv(process.child.control.get(), bytes, sizeof bytes, MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
    process.send_waiting();
    return;
  }
  if (n <= 0) return worker_gone(index);
  const auto reply = worker::decode_hello_reply({bytes, static_cast<std::size_t>(n)});
  if (!reply || process.ready) {
    return replace(index, "it broke the protocol", false, true);
  }
  using Status = worker::HelloReply::Status;
  switch (reply->status) {
    case Status::ready:
      process.ready = true;
      process.confinement = reply->confinement;
      process.still = 0;
      slot.last_used = now();
      process.send_waiting();
      notify(WorkerNotice::Kind::started, process.child.pid,
             worker::confinement_text(reply->confinement));
      return;
    case Status::wrong_version:
      return fail("the worker " + config_.worker_path + " speaks version " +
                  std::to_string(reply->version) + " of the protocol and this plugin version " +
                  std::to_string(worker::kProtocolVersion) +
                  ". Install both from the same build, or name the right worker in "
                  "GST_DISCORD_WORKER");
    case Status::no_sandbox:
      return fail("the worker can not be confined as sandbox=require asks for: " + reply->text);
    case Status::bad_setup:
      return fail("the worker " + config_.worker_path + " can not work here: " + reply->text);
  }
}

void WorkerPool::worker_gone(int index) {
  WorkerProcess &process = *slots_[static_cast<std::size_t>(index)].process;
  // Its socket is closed first; the status follows in a moment.
  int status = reap_child(process.child);
  if (status == kNotEnded) {
    pollfd ended{process.child.pidfd.get(), POLLIN, 0};
    poll(&ended, 1, 100);
    status = reap_child(process.child);
  }
  // SIGKILL comes from outside: an impatient administrator, or a system out of memory.
  const bool killed = status >= 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  replace(index, "it ended: " + describe_status(status), !killed, true);
}

void WorkerPool::check_health() {
  const Time at = now();
  if (at < next_check_) return;
  const Time interval = std::max(config_.reply_timeout / kStillChecks, Time(10ms));
  next_check_ = at + interval;
  const auto start_checks = static_cast<unsigned>(kStartTimeout / interval) + 1;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    WorkerProcess *p = slots_[i].process.get();
    if (p == nullptr) continue;
    const std::uint64_t beat = p->ring.heartbeat();
    const bool pending = !p->ready || !p->idle_ring();
    const bool moved = beat != p->last_beat || p->ring.taken_by_worker() != p->last_taken;
    p->last_beat = beat;
    p->last_taken = p->ring.taken_by_worker();
    p->still = pending && !moved ? p->still + 1 : 0;
    if (p->still >= (p->ready ? kStillChecks : start_checks)) {
      replace(static_cast<int>(i), "it hung", true, true);
    }
  }
}

void WorkerPool::end_idle() {
  const Time at = now();
  std::erase_if(ending_, [&](Ending &e) {
    return e.deadline < at || reap_child(e.process->child) != kNotEnded;
  });
  const Time patience =
      clients_.empty() ? config_.idle_timeout : std::max(config_.idle_timeout, kShortestIdle);
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    WorkerSlot &slot = slots_[i];
    if (!slot.process || !slot.process->ready || at - slot.last_used < patience) continue;
    if (slot.queued() != 0 || !slot.process->idle_ring()) continue;
    bool waiting = false;
    journal_.each_stream([&](const Stream &s) {
      waiting = waiting || (s.worker == static_cast<int>(i) && s.unanswered != 0);
    });
    if (waiting) continue;
    journal_.each_stream([&](Stream &s) {
      if (s.worker == static_cast<int>(i)) unassign(s);
    });
    notify(WorkerNotice::Kind::ended, slot.process->child.pid, "idle");
    slot.process->send(worker::Quit{});
    ending_.push_back({std::move(slot.process), at + kEndTimeout});
    slot.state = WorkerSlot::State::empty;
  }
}

void WorkerPool::replace(int index, const std::string &reason, bool suspect, bool believe) {
  WorkerSlot &slot = slots_[static_cast<std::size_t>(index)];
  WorkerProcess &process = *slot.process;
  const std::int64_t pid = process.child.pid;
  const bool was_ready = process.ready;
  read_errors(slot);
  // What it has answered is answered. It must not go on while this is read.
  Child &child = process.child;
  kill_child(child);
  bool more = believe;
  while (more) {
    more = false;
    if (!take_replies(index, kRepliesAtOnce, more)) break;
  }
  const Ticket open = process.open_ticket();
  slot.failures = process.answered_any ? 1 : slot.failures + 1;
  slot.process.reset();
  slot.state = WorkerSlot::State::empty;
  if (slot.failures >= kMostFailures || (!was_ready && slot.failures >= kMostStarts)) {
    return fail("workers (" + config_.worker_path + ") end before they have done anything; the " +
                "last one: " + reason);
  }
  if (suspect) blame(open);
  requeue(index);
  slot.start_after = slot.failures <= 1 ? Time(0) : now() + back_off(slot.failures);
  if (slot.queued() != 0) slot.state = WorkerSlot::State::wanted;
  if (was_ready) notify(WorkerNotice::Kind::restarted, pid, reason);
}

// The packet that was open is tried once more. If that ends a worker again, it is given up: the
// stream has a hole there, which is concealed like any other.
void WorkerPool::blame(Ticket open) {
  Record *r = journal_.find(open);
  if (r == nullptr || ++r->suspicions < 2) return;
  if (r->state != Record::State::answered) return settle(open, Verdict::worker_lost);
  if (r->stream != nullptr) std::erase(r->stream->recent, open);
  journal_.remove(open);
}

void WorkerPool::requeue(int index) {
  WorkerSlot &slot = slots_[static_cast<std::size_t>(index)];
  slot.queues.clear();
  slot.last_served = 0;
  journal_.each_stream([&](Stream &s) {
    if (s.worker != index) return;
    s.prime_due = !s.recent.empty();
    s.rebase = s.delivered != 0;
  });
  for (const Ticket t : journal_.unanswered_of(index)) {
    Record *r = journal_.find(t);
    Client &client = *clients_.at(r->client);
    if (r->stream != nullptr && r->stream->prime_due) queue_primes(client, *r->stream);
    if (r->state == Record::State::sent && r->stream != nullptr) ++r->stream->waiting;
    r->state = Record::State::queued;
    slot.queues[r->client].push_back({t, false});
  }
  count_queued();
}

}  // namespace dv
