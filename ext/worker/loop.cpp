// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/worker/loop.hpp"

#include <unistd.h>

#include <algorithm>

#include "ext/decrypt/pool/key_codec.hpp"
#include "ext/decrypt/pool/worker_fds.hpp"

namespace dv::worker {
namespace {
constexpr std::uint64_t kBatch = 8;
constexpr unsigned kBusy = 4;
constexpr unsigned kIdleRests = 3;
constexpr Time kSpell = 1ms;
constexpr Time kNap{1000};
}  // namespace

int Loop::run() {
  while (!quit_) {
    // Requests say themselves what must be obeyed before them; nothing else may overtake them.
    if (link_.ring().available() == 0) obey_pending();
    const bool worked = take_requests();
    advance_due();
    link_.publish();
    if (quit_) break;
    if (worked) {
      move_if_crowded();
    } else {
      rest_or_sleep();
      spell_ = Spell::now();
    }
  }
  return kExitDone;
}

void Loop::obey_pending() {
  while (auto received = link_.receive(false)) {
    take_requests_before(received->number);
    obey(std::move(*received));
  }
}

// What was handed over before a name or a key changed is opened with what was in force then.
void Loop::take_requests_before(std::uint32_t number) {
  while (link_.ring().available() != 0) {
    const auto request = read_request(link_.ring().next());
    if (!request) _exit(kExitHostNonsense);
    if (static_cast<std::int32_t>(request->control - number) >= 0) return;
    handle_next();
  }
}

void Loop::obey_up_to(std::uint32_t number) {
  while (static_cast<std::int32_t>(obeyed_ - number) < 0) {
    auto received = link_.receive(true);
    if (received) obey(std::move(*received));
  }
}

void Loop::obey(Received received) {
  if (received.number != obeyed_ + 1) _exit(kExitProtocol);
  obeyed_ = received.number;
  if (const auto *open = std::get_if<OpenClient>(&received.message)) {
    clients_[open->client] = std::make_unique<Client>(*open, link_, decoders_);
  } else if (const auto *close = std::get_if<CloseClient>(&received.message)) {
    clients_.erase(close->client);
  } else if (std::holds_alternative<Quit>(received.message)) {
    quit_ = true;
  } else if (const auto *hook = std::get_if<TestHook>(&received.message)) {
    hooks_.arm(*hook);
  } else if (const auto update = key_update_from(received.message)) {
    const std::uint32_t id = std::visit(
        [](const auto &m) -> std::uint32_t {
          if constexpr (requires { m.client; }) return m.client;
          return 0;
        },
        received.message);
    if (const auto it = clients_.find(id); it != clients_.end()) it->second->apply(*update);
    link_.wipe_message();
  } else {
    _exit(kExitProtocol);
  }
}

bool Loop::take_requests() {
  const std::uint64_t n = std::min(link_.ring().available(), kBatch);
  for (std::uint64_t i = 0; i < n; ++i) {
    if (!handle_next()) _exit(kExitHostNonsense);
  }
  return n != 0;
}

bool Loop::handle_next() {
  WorkerRing &ring = link_.ring();
  const std::uint8_t *slot = ring.next();
  const auto request = read_request(slot);
  if (!request) return false;
  obey_up_to(request->control);
  ring.open();
  const ByteView data(slot + kSlotHeader, request->size);
  hooks_.packet(request->session, data);
  // Requests of a client that was closed have been answered by the host.
  if (const auto it = clients_.find(request->client); it != clients_.end()) {
    it->second->handle(*request, data);
    ring.complete();
    if (request->kind == Request::Kind::packet) hooks_.answered();
  }
  ring.done();
  return true;
}

Time Loop::next_wakeup() const {
  Time next = kNever;
  for (const auto &[id, client] : clients_) next = std::min(next, client->next_wakeup());
  return next;
}

void Loop::advance_due() {
  const Time now = monotonic_now();
  for (const auto &[id, client] : clients_) {
    if (client->next_wakeup() <= now) {
      client->advance();
      link_.ring().complete();
    }
  }
  link_.ring().beat();
}

// Who never sleeps is not moved: the scheduler looks for an idle processor when somebody wakes up,
// and its balancing was seen to leave two workers on one processor for seconds while the other was
// half idle, but woke up often. Measured with 250 live streams and two processors: p99 7.5 ms, not
// 10.5, and 96 us of CPU a packet, not 104 (medians of four alternating runs).
void Loop::move_if_crowded() {
  // The time used is a system call away, so it is asked for once a spell.
  if (monotonic_now() - spell_.wall < kSpell) return;
  const Spell now = Spell::now();
  const Time wall = now.wall - spell_.wall;
  const bool crowded = wall - (now.cpu - spell_.cpu) > wall / 4;
  if (crowded) link_.rest(kNap);
  spell_ = crowded ? Spell::now() : now;
}

// A wake-up of an idle processor costs more than decoding a packet. When packets come closely, the
// host is not asked for a signal: they are looked for every `max_batch_` and taken together.
void Loop::rest_or_sleep() {
  const Time now = monotonic_now();
  const Time next = next_wakeup();
  if (max_batch_ > Time(0) && busy_ >= kBusy) {
    link_.rest(std::clamp(next - now, Time(0), max_batch_));
    if (link_.ring().available() != 0) {
      idle_rests_ = 0;
    } else if (++idle_rests_ >= kIdleRests) {
      busy_ = 0;
      idle_rests_ = 0;
    }
    return;
  }
  link_.sleep(next == kNever ? kNever : std::max(next - now, Time(0)));
  const bool short_sleep = monotonic_now() - now < 2 * max_batch_;
  busy_ = short_sleep && link_.ring().available() != 0 ? busy_ + 1 : 0;
}

}  // namespace dv::worker
