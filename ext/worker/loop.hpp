// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <map>
#include <memory>

#include "ext/chain/decoder_budget.hpp"
#include "ext/worker/client.hpp"
#include "ext/worker/hooks.hpp"

namespace dv::worker {

/** What a worker does after the handshake: control messages, requests, timers, until told to quit.
 */
class Loop {
 public:
  Loop(Link &link, Time max_batch) : link_(link), hooks_(link), max_batch_(max_batch) {}
  /** Returns the exit code. */
  int run();

 private:
  void obey_pending();
  void take_requests_before(std::uint32_t number);
  void obey(Received received);
  void obey_up_to(std::uint32_t number);
  bool take_requests();
  bool handle_next();
  void advance_due();
  void rest_or_sleep();
  Time next_wakeup() const;

  /** Since when it has been working without a break. */
  struct Spell {
    Time wall, cpu;
    static Spell now() { return {monotonic_now(), cpu_now()}; }
  };
  void move_if_crowded();

  Link &link_;
  Hooks hooks_;
  Time max_batch_;
  chain::DecoderBudget decoders_;
  std::map<std::uint32_t, std::unique_ptr<Client>> clients_;
  std::uint32_t obeyed_ = 0;
  bool quit_ = false;
  unsigned busy_ = 0;        // short sleeps in a row: packets come faster than `max_batch_`
  Spell spell_ = Spell::now();
  unsigned idle_rests_ = 0;  // rests in a row that found nothing
};

}  // namespace dv::worker
