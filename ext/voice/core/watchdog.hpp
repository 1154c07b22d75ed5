// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <optional>

#include "ext/voice/core/reports.hpp"
#include "ext/wire/ids.hpp"

namespace dv::voice {

/**
 * Notices that somebody speaks while nothing that can be opened arrives for 2 s, and heals by steps
 * 2 s apart: ping, resume, new session.
 *
 * Op 5 alone is weak evidence: somebody may have pressed a button and said nothing. It leads beyond
 * the ping only where the ping stays unanswered. Datagrams that do not open lead to the end. After
 * a whole cycle the next one is held back, longer each time, so that a sender who is broken himself
 * can not keep the others from being recorded.
 */
class Watchdog {
 public:
  /** `watch_opened`: `on_opened` will be called; otherwise a received packet counts as opened. */
  explicit Watchdog(bool watch_opened) : watch_opened_(watch_opened) {}

  /** A new or resumed session starts to receive. */
  void start(bool new_session, Time now);
  void stop();
  /** From now on `on_opened` tells what opened. */
  void watch_opened() { watch_opened_ = true; }
  void on_speaking(Time now);
  void on_received(Time now);
  void on_opened();
  void on_pong(Time now);

  /** Due at `next_wakeup`. A call that comes late begins the wait anew. */
  std::optional<HealStep> advance(Time now, bool server_answers_pings);
  Time next_wakeup() const { return running_ ? next_ : kNever; }

 private:
  void calm();
  void suspect(Time now);

  bool watch_opened_;
  bool running_ = false;
  bool received_ = false;  // datagrams came, not only op 5
  Time last_received_{};
  Time step_at_{};      // when the last step was taken
  unsigned steps_ = 0;  // taken in this cycle
  Time hold_until_{};   // no cycle before
  Time hold_ = 30s;
  Time next_ = kNever;
};

}  // namespace dv::voice
