// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/unit/pool/regions.hpp"

using namespace dv;
using namespace dv::test;
using namespace dv::worker;

namespace {

using Random = std::mt19937_64;

std::uint64_t below(Random &random, std::uint64_t n) { return random() % n; }

/** Seeds of this run: DV_RING_ROUNDS is how many for each test, DV_SEED the first one. */
struct Rounds {
  explicit Rounds(std::uint64_t otherwise)
      : first(number("DV_SEED", 1)), count(number("DV_RING_ROUNDS", otherwise)) {}
  static std::uint64_t number(const char *name, std::uint64_t otherwise) {
    const char *asked = std::getenv(name);
    return asked != nullptr ? std::stoull(asked) : otherwise;
  }
  std::uint64_t first, count;
};

/** What a message carries follows from its name, so that the other end can tell it from any other.
 */
Bytes content(std::uint64_t name, std::size_t size) {
  Bytes out((size + 7) / 8 * 8);
  std::uint64_t x = name * 0x9e3779b97f4a7c15U + 1;
  for (std::size_t at = 0; at < out.size(); at += 8) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    std::memcpy(out.data() + at, &x, 8);
  }
  out.resize(size);
  return out;
}

bool same(ByteView a, ByteView b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

/** Small ones mostly, but also the limits and those just beyond a slot. */
std::size_t some_size(Random &random, std::size_t slot, std::size_t most) {
  switch (below(random, 16)) {
    case 0:
      return 0;
    case 1:
      return most;
    case 2:
      return std::min(slot, most);
    case 3:
      return std::min(slot + 1 + below(random, 3 * slot), most);
    default:
      return below(random, std::min<std::size_t>(slot, 400));
  }
}

struct Message {
  std::uint64_t ticket = 0;
  Bytes data;
};

Request request_of(const Message &m) {
  Request r;
  r.client = static_cast<std::uint32_t>(m.ticket);
  r.session = static_cast<SessionId>(m.ticket * 3);
  r.ticket = m.ticket;
  r.arrival = -static_cast<std::int64_t>(m.ticket);
  return r;
}

Reply reply_of(const Message &m) {
  Reply r;
  r.ticket = m.ticket;
  r.sequence = m.ticket + 1;
  r.size = static_cast<std::uint32_t>(m.data.size());
  r.count = ~m.ticket;
  return r;
}

bool is(const std::optional<Request> &r, const std::uint8_t *slot, const Message &m) {
  return r && r->ticket == m.ticket && r->client == static_cast<std::uint32_t>(m.ticket) &&
         r->session == static_cast<SessionId>(m.ticket * 3) &&
         r->arrival == -static_cast<std::int64_t>(m.ticket) &&
         same({slot + kSlotHeader, r->size}, m.data);
}

bool is(const Reply &r, ByteView data, const Message &m) {
  return r.ticket == m.ticket && r.sequence == m.ticket + 1 && r.count == ~m.ticket &&
         same(data, m.data);
}

/** When a sleeper is to be signalled: once for each sleep that was announced. */
struct Sleeper {
  bool asleep = false, told = false;
  void announce() {
    if (!asleep) told = false;
    asleep = true;
  }
  void awake() { asleep = false; }
  bool wants_signal() { return asleep && !std::exchange(told, true); }
};

/**
 * Two plain queues and the same steps on them as on the rings, one step after another in any order:
 * each answer of a ring must be the queues' answer. Covers what threads meet only by chance.
 */
class Model {
 public:
  explicit Model(std::uint64_t seed)
      : random_(seed),
        request_slots_(std::uint32_t{16} << below(random_, 3)),
        reply_slots_(std::uint32_t{16} << below(random_, 3)),
        regions_(request_slots_, reply_slots_),
        host_(regions_.host()),
        worker_(regions_.worker()) {}

  /** True if the ring did what the queues did. */
  bool step() {
    // For a while one end is the busier one, so that both rings are full and empty in turns.
    if (below(random_, 300) == 0) host_share_ = 1 + below(random_, 9);
    return below(random_, 10) < host_share_ ? host_step() : worker_step();
  }
  std::uint64_t requests_done() const { return done_; }
  std::uint64_t reply_slots_taken() const { return taken_; }
  bool all_met() const { return met_ == 0xf; }

 private:
  enum Met : unsigned {
    requests_full = 1,
    requests_empty = 2,
    replies_full = 4,
    wrapped_frame = 8
  };

  bool host_step() {
    switch (below(random_, 6)) {
      case 0:
        return write_request();
      case 1:
        published_ = written_;
        return host_.publish() == worker_sleep_.wants_signal();
      case 2:
        seen_done_ = done_;
        seen_replies_ = replies_published_;
        return host_.refresh() && host_.taken_by_worker() == done_;
      case 3:
        return take_reply();
      case 4:
        if (released_ == taken_) return !host_.release();
        released_ = taken_;
        return host_.release() == worker_sleep_.wants_signal();
      default:
        return sleep_or_wake(host_, host_sleep_);
    }
  }

  bool worker_step() {
    switch (below(random_, 5)) {
      case 0:
        return take_request();
      case 1:
        return write_reply();
      case 2:
        complete_ = reply_head_;
        worker_.complete();
        return worker_.unpublished() == (complete_ != replies_published_);
      case 3:
        replies_published_ = complete_;
        return worker_.publish() == host_sleep_.wants_signal() && !worker_.unpublished();
      default:
        return sleep_or_wake(worker_, worker_sleep_);
    }
  }

  template <class Ring>
  bool sleep_or_wake(Ring &ring, Sleeper &sleeper) {
    if (sleeper.asleep) {
      ring.awake();
      sleeper.awake();
    } else {
      ring.announce_sleep();
      sleeper.announce();
    }
    return true;
  }

  bool write_request() {
    const std::uint64_t room = request_slots_ - (written_ - seen_done_);
    if (host_.room() != room) return false;
    if (room == 0) {
      met_ |= requests_full;
      return true;
    }
    Message m{++ticket_, content(ticket_, some_size(random_, kMaxDatagram, kMaxDatagram))};
    host_.write(request_of(m), m.data);
    ++written_;
    requests_.push_back(std::move(m));
    return host_.written() == written_;
  }

  bool take_request() {
    if (worker_.available() != published_ - done_) return false;
    if (published_ == done_) {
      met_ |= requests_empty;
      return host_.open_request() == 0;
    }
    const std::uint8_t *slot = worker_.next();
    const bool right = is(read_request(slot), slot, requests_.front());
    worker_.open();
    const bool named = host_.open_request() == done_ + 1;
    worker_.done();
    requests_.pop_front();
    ++done_;
    return right && named;
  }

  bool write_reply() {
    Message m{++ticket_, content(ticket_, some_size(random_, kReplySpace, kMaxFrame))};
    const std::uint32_t slots = reply_slots_for(m.data.size());
    const bool room = reply_slots_ - (reply_head_ - released_) >= slots;
    if (worker_.room(slots) != room) return false;
    if (!room) {
      met_ |= replies_full;
      return true;
    }
    if (reply_head_ % reply_slots_ + slots > reply_slots_) met_ |= wrapped_frame;
    Reply reply = reply_of(m);
    worker_.write(reply, m.data);
    if (below(random_, 4) == 0) {
      // A verdict comes after its frame, into a header that nobody has seen yet.
      reply.verdict = 1;
      write_reply_header(worker_.last(), reply);
    }
    reply_head_ += slots;
    replies_.push_back(std::move(m));
    return true;
  }

  bool take_reply() {
    if (host_.reply_ready() != (seen_replies_ != taken_)) return false;
    if (!host_.reply_ready()) return true;
    const auto reply = host_.peek();
    if (!reply || !host_.complete(*reply)) return false;
    const bool right = is(*reply, host_.data(*reply, scratch_), replies_.front());
    host_.take(*reply);
    taken_ += reply_slots_for(reply->size);
    replies_.pop_front();
    return right;
  }

  Random random_;
  std::uint32_t request_slots_, reply_slots_;
  Regions regions_;
  HostRing host_;
  WorkerRing worker_;
  Bytes scratch_;
  std::uint64_t host_share_ = 5, ticket_ = 0;
  std::uint64_t written_ = 0, published_ = 0, done_ = 0, seen_done_ = 0;
  std::uint64_t reply_head_ = 0, complete_ = 0, replies_published_ = 0;
  std::uint64_t seen_replies_ = 0, taken_ = 0, released_ = 0;
  std::deque<Message> requests_, replies_;
  Sleeper host_sleep_, worker_sleep_;
  unsigned met_ = 0;
};

/** An eventfd as between host and worker. */
class Event {
 public:
  Event() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  ~Event() { close(fd_); }
  Event(const Event &) = delete;
  Event &operator=(const Event &) = delete;
  void signal() const { eventfd_write(fd_, 1); }
  /** False: nobody signalled for so long. */
  bool wait(int milliseconds) const {
    pollfd p{fd_, POLLIN, 0};
    const bool came = poll(&p, 1, milliseconds) > 0;
    eventfd_t count = 0;
    eventfd_read(fd_, &count);
    return came;
  }

 private:
  int fd_;
};

// Far beyond any stall of a machine: who is not woken in this time never is.
constexpr int kNeverWoken = 120'000;
constexpr std::uint64_t kMostReplies = 3;

/** Replies to a request, the same for both threads: 0 to 3, some of many slots. */
std::vector<Message> answers(std::uint64_t seed, std::uint64_t ticket) {
  Random random(seed * 1'000'003 + ticket);
  std::vector<Message> out(below(random, kMostReplies + 1));
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i].ticket = ticket * 4 + i;
    out[i].data = content(out[i].ticket, some_size(random, kReplySpace, kMaxFrame));
  }
  return out;
}

Message question(std::uint64_t seed, std::uint64_t ticket) {
  Random random(seed * 2'000'003 + ticket);
  return {ticket, content(ticket ^ seed, some_size(random, kMaxDatagram, kMaxDatagram))};
}

void require(bool right, const char *otherwise) {
  if (!right) throw std::runtime_error(otherwise);
}

/** What both threads share beside the regions. */
struct Shared {
  Shared(std::uint64_t s, std::uint32_t request_slots, std::uint32_t reply_slots)
      : seed(s), regions(request_slots, reply_slots) {}

  static constexpr std::uint64_t kAll = 1000;
  const std::uint64_t seed;
  Regions regions;
  Event to_worker, to_host;
  std::atomic<bool> given_up{false};

  /** Runs one side; returns what was wrong, after waking the other one. */
  template <class Side>
  std::string outcome(Side &side) {
    try {
      side.run();
      return {};
    } catch (const std::runtime_error &error) {
      given_up = true;
      to_worker.signal();
      to_host.signal();
      return error.what();
    }
  }
  bool wait(const Event &event, int milliseconds) {
    const bool came = event.wait(milliseconds);
    require(!given_up, "the other side gave up");
    return came;
  }
};

/** The worker's thread, as ext/worker/link.cpp and loop.cpp use the ring. */
class WorkerSide {
 public:
  explicit WorkerSide(Shared &shared)
      : s_(shared), ring_(shared.regions.worker()), random_(shared.seed + 1) {}

  void run() {
    for (std::uint64_t taken = 0; taken < Shared::kAll;) {
      const std::uint64_t n = std::min(ring_.available(), 1 + below(random_, 8));
      for (std::uint64_t i = 0; i < n; ++i) answer(taken++);
      publish();
      if (n == 0) sleep();
    }
  }

 private:
  void answer(std::uint64_t ticket) {
    const std::uint8_t *slot = ring_.next();
    require(is(read_request(slot), slot, question(s_.seed, ticket)), "a request is another one");
    ring_.open();
    for (const Message &m : answers(s_.seed, ticket)) {
      ring_.make_room(
          reply_slots_for(m.data.size()), [this] { publish(); }, [this] { wait(); });
      ring_.write(reply_of(m), m.data);
    }
    ring_.complete();
    ring_.done();
  }
  void publish() {
    if (ring_.unpublished() && ring_.publish()) s_.to_host.signal();
  }
  void sleep() {
    ring_.announce_sleep();
    if (ring_.available() == 0) wait();
    ring_.awake();
  }
  void wait() { require(s_.wait(s_.to_worker, kNeverWoken), "nobody woke the worker"); }

  Shared &s_;
  WorkerRing ring_;
  Random random_;
};

/** The host's thread, as the worker pool uses the ring. */
class HostSide {
 public:
  explicit HostSide(Shared &shared)
      : s_(shared), ring_(shared.regions.host()), random_(shared.seed) {}

  void run() {
    expect_from(0);
    while (more() || !expected_.empty()) {
      require(ring_.refresh(), "the worker's indices make no sense");
      if (below(random_, 100) == 0) mood_ = below(random_, 3);
      const bool wrote = write();
      const bool took = take(wrote);
      if (!wrote && !took) sleep();
    }
  }
  bool was_full() const { return full_; }

 private:
  bool more() const { return sent_ < Shared::kAll; }
  bool write() {
    // In some moods the ring is filled to the last slot, in others it runs empty.
    const std::uint64_t most = mood_ == 0 ? ~std::uint64_t{0} : below(random_, 5);
    std::uint64_t n = 0;
    for (; n < most && more() && ring_.room() != 0; ++n) {
      const Message m = question(s_.seed, sent_++);
      ring_.write(request_of(m), m.data);
    }
    full_ = full_ || ring_.room() == 0;
    if (n != 0 && ring_.publish()) s_.to_worker.signal();
    return n != 0;
  }
  bool take(bool may_take_none) {
    std::uint64_t most = mood_ == 1 ? ~std::uint64_t{0} : below(random_, 20);
    if (!may_take_none) most = std::max<std::uint64_t>(most, 1);
    std::uint64_t n = 0;
    for (; n < most && ring_.reply_ready(); ++n) take_one();
    if (ring_.release()) s_.to_worker.signal();
    return n != 0;
  }
  void take_one() {
    const auto reply = ring_.peek();
    require(reply && ring_.complete(*reply), "a reply makes no sense");
    require(!expected_.empty(), "a reply too many");
    const Message &m = expected_.front();
    require(is(*reply, ring_.data(*reply, scratch_), m), "a reply is another one");
    ring_.take(*reply);
    const std::uint64_t next = m.ticket / 4 + 1;
    expected_.pop_front();
    if (expected_.empty()) expect_from(next);
  }
  /** The answers to the next request that has any. */
  void expect_from(std::uint64_t ticket) {
    for (; ticket < Shared::kAll && expected_.empty(); ++ticket) {
      for (Message &m : answers(s_.seed, ticket)) expected_.push_back(std::move(m));
    }
  }
  void sleep() {
    ring_.announce_sleep();
    require(ring_.refresh(), "the worker's indices make no sense");
    if (!ring_.reply_ready() && (!more() || ring_.room() == 0)) {
      // Nobody signals that requests were taken: a host with more of them looks again by itself.
      const bool came = s_.wait(s_.to_host, more() ? 2 : kNeverWoken);
      require(came || more(), "nobody woke the host");
    }
    ring_.awake();
  }

  Shared &s_;
  HostRing ring_;
  Random random_;
  Bytes scratch_;
  std::deque<Message> expected_;
  std::uint64_t sent_ = 0, mood_ = 0;
  bool full_ = false;
};

}  // namespace

TEST_CASE("model: the rings answer as two queues do, whatever the order of steps") {
  const Rounds rounds(20);
  bool all_met = false;
  for (std::uint64_t seed = rounds.first; seed < rounds.first + rounds.count; ++seed) {
    CAPTURE(seed);
    Model model(seed);
    std::uint64_t steps = 0;
    while (steps < 10'000 && model.step()) ++steps;
    REQUIRE(steps == 10'000);
    CHECK(model.requests_done() > 64);
    CHECK(model.reply_slots_taken() > 64);
    all_met = all_met || model.all_met();
  }
  CHECK(all_met);
}

TEST_CASE("stress: all that two threads exchange arrives once, in order, and wakes the sleeper") {
  const Rounds rounds(20);
  bool full = false;
  for (std::uint64_t seed = rounds.first; seed < rounds.first + rounds.count; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const std::uint32_t request_slots = std::uint32_t{16} << below(random, 4);
    const std::uint32_t reply_slots = std::uint32_t{16} << below(random, 4);
    Shared shared(seed, request_slots, reply_slots);
    HostSide host(shared);
    WorkerSide worker(shared);
    std::string said_worker;
    std::thread other([&] { said_worker = shared.outcome(worker); });
    const std::string said_host = shared.outcome(host);
    other.join();
    REQUIRE(said_host == "");
    REQUIRE(said_worker == "");
    full = full || host.was_full();
  }
  CHECK(full);
}
