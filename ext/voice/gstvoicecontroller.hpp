// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

#include <condition_variable>
#include <memory>
#include <mutex>

#include "ext/voice/gstvoiceintake.hpp"
#include "ext/voice/net/voice_session.hpp"
#include "gst/glue/source_info.hpp"

namespace dv::voice {

class HandOverReader;

/** A source's settings, checked, as `start` of one run takes them. */
struct RunConfig {
  SessionConfig session;
  HandOver hand_over;     ///< what the properties say, for hand-over mode
  int hand_over_fd = -1;  ///< borrowed; JSON lines are read from a duplicate
};

/**
 * What stands between the element and the network: it starts and ends sessions, turns reports into
 * bus messages and events, and owns the intake. Knows its element by plain pointer: nothing of it
 * runs after `stop`, and the element stops before it is finalised.
 */
class Controller final : public SessionOwner {
 public:
  explicit Controller(GstElement *element);
  ~Controller() override;

  /** Returns at once; everything else is told by messages. */
  void start(RunConfig config);
  /**
   * End of stream wanted: leaves the channel in the background; what is queued is still delivered.
   * False when nothing is running.
   */
  bool finish();
  /** Leaves if that was not done yet, waits for the goodbyes at most a second, and forgets the run.
   */
  void stop();

  /** Streaming thread: the flow is over; tells the application why, once. */
  void stream_ended();
  /** Any thread. False when there is no run in hand-over mode. */
  bool hand_over(HandOver update);
  GstStructure *stats() const;

  Intake intake;

 private:
  void report(Report report) override;
  void keys(KeyUpdate update) override;
  void gateway_payload(const std::string &json) override;
  bool media(SessionId session, std::span<const Datagram> datagrams) override;

  void tell(const Connected &report);
  void tell(const SpeakerJoined &report);
  void tell(const SpeakerLeft &report);
  void tell(const Speaking &report);
  void tell(const Source &report);
  void tell(const Reconnecting &report);
  void tell(const Resumed &report);
  void tell(const Moved &report);
  void tell(const Deafened &report);
  void tell(const EpochChanged &report);
  void tell(const PingRtt &report);
  void tell(const Healing &report);
  void tell(const Warning &report);
  void tell(const Note &report);
  void tell(const Ended &report);
  void post(GstStructure *facts);
  void post_ended(EndReason reason, const std::string &text, bool fatal);
  void post_error(const Ended &end);
  void begin_leave();

  GstElement *const element_;
  std::shared_ptr<KeyStore> store_;
  std::shared_ptr<NetLoop> loop_;           // state changes only
  std::unique_ptr<HandOverReader> reader_;  // made and destroyed on the loop
  SourceInfoSlots slots_;                   // on the loop, between two runs by `start`

  mutable std::mutex mutex_;  // guards what follows; nothing is called with it held
  std::condition_variable left_cond_;
  std::shared_ptr<VoiceSession> session_;  // used on the loop, but for its snapshot
  SessionSnapshot final_;                  // of the run before
  std::uint64_t reconnects_ = 0;
  Ended end_{EndReason::left, false, "stopped"};
  bool hand_over_mode_ = false;
  bool running_ = false;  // between start and stop
  bool leaving_ = false;
  bool left_ = false;
  bool ended_told_ = true;
};

}  // namespace dv::voice
