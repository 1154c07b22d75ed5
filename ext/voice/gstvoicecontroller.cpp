// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/voice/gstvoicecontroller.hpp"

#include <utility>

#include "ext/voice/net/hand_over_reader.hpp"
#include "gst/glue/key_event.hpp"

GST_DEBUG_CATEGORY_EXTERN(dv_discord_voice_src_debug);
#define GST_CAT_DEFAULT dv_discord_voice_src_debug

namespace dv::voice {
namespace {

// Long enough for an answer from the other side of the world, short enough for Ctrl-C.
constexpr Time kGoodbye = 1s;

}  // namespace

Controller::Controller(GstElement *element) : intake(element), element_(element) {}

Controller::~Controller() { stop(); }

void Controller::start(RunConfig config) {
  store_ = std::make_shared<KeyStore>();
  config.session.progress = std::shared_ptr<OpenProgress>(store_, &store_->progress());
  intake.reset();
  slots_.clear();
  intake.push_event(Ref<GstEvent>(key_store_event_new(store_)));
  {
    std::lock_guard lock(mutex_);
    end_ = Ended{EndReason::left, false, "stopped"};
    hand_over_mode_ = config.session.voice.hand_over;
    leaving_ = left_ = ended_told_ = false;
    running_ = true;
    reconnects_ = 0;
  }
  loop_ = NetLoop::acquire();
  loop_->post([this, shared = std::make_shared<RunConfig>(std::move(config))] {
    auto session = std::make_shared<VoiceSession>(*loop_, std::move(shared->session), *this);
    {
      std::lock_guard lock(mutex_);
      session_ = session;
    }
    session->start();
    if (!hand_over_mode_) return;
    session->hand_over(std::move(shared->hand_over));
    if (shared->hand_over_fd < 0) return;
    reader_ = std::make_unique<HandOverReader>(
        *loop_, shared->hand_over_fd,
        [this](HandOver update) { session_->hand_over(std::move(update)); },
        [this](const std::string &problem) { tell(Warning{problem}); });
  });
}

void Controller::begin_leave() {
  std::lock_guard lock(mutex_);
  if (std::exchange(leaving_, true)) return;
  loop_->post([this] {
    reader_.reset();
    session_->leave(kGoodbye, [this] {
      std::lock_guard answered(mutex_);
      left_ = true;
      left_cond_.notify_all();
    });
  });
}

bool Controller::finish() {
  {
    std::lock_guard lock(mutex_);
    if (!running_) return false;
    end_.text = "end of stream";
  }
  begin_leave();
  intake.finish(GST_FLOW_EOS);
  return true;
}

void Controller::stop() {
  if (!loop_) return;
  {
    std::lock_guard lock(mutex_);
    running_ = false;
  }
  begin_leave();
  {
    std::unique_lock lock(mutex_);
    // The session keeps the limit itself; the margin is for a machine that stands still.
    left_cond_.wait_for(lock, 2 * kGoodbye, [this] { return left_; });
  }
  loop_->call([this] {
    std::shared_ptr<VoiceSession> last;
    {
      std::lock_guard lock(mutex_);
      last.swap(session_);
      final_ = last->snapshot();
    }
    for (SessionId session : last->unfinished_sessions())
      store_->publish(SessionEndUpdate{session});
  });
  intake.clear();
  stream_ended();
  loop_.reset();
  store_.reset();
}

void Controller::stream_ended() {
  Ended end;
  {
    std::lock_guard lock(mutex_);
    end = end_;
  }
  post_ended(end.reason, end.text, end.fatal);
}

bool Controller::hand_over(HandOver update) {
  std::lock_guard lock(mutex_);
  if (!running_ || !hand_over_mode_ || leaving_) return false;
  // The session itself is made by an earlier post: an update may come before it is there, but not
  // be run before.
  loop_->post([this, shared = std::make_shared<HandOver>(std::move(update))] {
    if (session_) session_->hand_over(std::move(*shared));
  });
  return true;
}

void Controller::keys(KeyUpdate update) { store_->publish(std::move(update)); }

bool Controller::media(SessionId session, std::span<const Datagram> datagrams) {
  return intake.push_media(session, datagrams);
}

void Controller::gateway_payload(const std::string &json) {
  g_signal_emit_by_name(element_, "send-gateway-payload", json.c_str());
}

GstStructure *Controller::stats() const {
  SessionSnapshot now;
  std::uint64_t reconnects = 0;
  {
    std::lock_guard lock(mutex_);
    now = session_ ? session_->snapshot() : final_;
    reconnects = reconnects_;
  }
  const IntakeStats in = intake.stats();
  GstStructure *s = gst_structure_new("application/x-discordvoicesrc-stats", "state", G_TYPE_STRING,
                                      now.state.c_str(), "channel-id", G_TYPE_UINT64, now.channel,
                                      "session", G_TYPE_UINT, now.session, nullptr);
  const std::pair<const char *, std::uint64_t> counters[] = {
      {"received", in.received},
      {"received-bytes", in.bytes},
      {"delivered", in.delivered},
      {"queued", in.queued},
      {"drop-paused", in.drop_paused},
      {"drop-not-playing", in.drop_not_playing},
      {"drop-overflow", in.drop_overflow},
      {"drop-malformed", in.drop_malformed},
      {"drop-flushed", in.drop_flushed},
      {"socket-drops", now.socket_drops},
      {"socket-errors", now.socket_errors},
      {"socket-buffer-bytes", now.socket_buffer},
      {"reconnects", reconnects},
      {"voice-sessions", now.voice.sessions},
      {"voice-resumes", now.voice.resumes},
      {"voice-resume-failures", now.voice.resume_failures},
      {"voice-connect-failures", now.voice.connect_failures},
      {"voice-missed-acks", now.voice.missed_acks},
      {"voice-bad-messages", now.voice.bad_messages},
      {"voice-unknown-opcodes", now.voice.unknown_opcodes},
      {"udp-pings", now.voice.pings},
      {"udp-pongs", now.voice.pongs},
      {"udp-unexpected", now.voice.udp_unexpected},
      {"heal-pings", now.voice.heal_pings},
      {"heal-resumes", now.voice.heal_resumes},
      {"heal-sessions", now.voice.heal_sessions},
      {"dave-transitions", now.voice.dave_transitions},
      {"dave-invalid", now.voice.dave_invalid},
      {"udp-round-trip-ns", static_cast<std::uint64_t>(now.voice.rtt.count())},
      {"gateway-round-trip-ns", static_cast<std::uint64_t>(now.voice.gateway_rtt.count())},
      {"main-identifies", now.main.identifies},
      {"main-resumes", now.main.resumes},
      {"main-connects", now.main.connects},
      {"main-connect-failures", now.main.connect_failures},
      {"main-zombies", now.main.zombies},
      {"main-bad-messages", now.main.bad_messages},
      {"main-messages-sent", now.main.sent},
  };
  for (const auto &[name, value] : counters) {
    gst_structure_set(s, name, G_TYPE_UINT64, value, nullptr);
  }
  return s;
}

}  // namespace dv::voice
