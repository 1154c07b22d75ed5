// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/voice/net/voice_session.hpp"

#include <algorithm>
#include <utility>

#include "ext/voice/net/chance.hpp"
#include "ext/voice/net/trust.hpp"

namespace dv::voice {
namespace {

// DAVE messages of a call of hundreds of members are some 100 KiB.
constexpr std::size_t kMaxVoicePayload = 1024 * 1024;
// The watchdog counts in seconds; a wake-up of the loop per receive call would cost more than it.
constexpr Time kHintInterval = 250ms;
constexpr std::uint8_t kOpusPayloadType = 120;
// Up to 36 failures in a row are normal around a change of epoch (one client's own limit).
constexpr std::uint32_t kBrokenAfter = 37;

bool is_audio(const Datagram &datagram) {
  return datagram.data.size() > 1 && (datagram.data[1] & 0x7f) == kOpusPayloadType;
}

const char *json_bool(bool value) { return value ? "true" : "false"; }

/** Op 4 of the main gateway, for a bot that sends it for us. Ids only, so nothing to escape. */
std::string voice_state_payload(GuildId guild, const std::string &channel, bool mute, bool deaf) {
  return std::string("{\"op\":4,\"d\":{\"guild_id\":\"") + std::to_string(guild) +
         "\",\"channel_id\":" + channel + ",\"self_mute\":" + json_bool(mute) +
         ",\"self_deaf\":" + json_bool(deaf) + "}}";
}

}  // namespace

VoiceSession::VoiceSession(NetLoop &loop, SessionConfig config, SessionOwner &owner)
    : loop_(loop),
      config_(std::move(config)),
      owner_(owner),
      machine_(config_.voice, chance()),
      timer_(loop, [this] {
        auto self = shared_from_this();
        machine_.advance(NetLoop::now());
        settle();
      }) {
  if (config_.main.trust) {
    trust_ = G_TLS_DATABASE(g_object_ref(config_.main.trust.get()));
  } else if (!config_.main.ca_file.empty()) {
    trust_ = load_trust(config_.main.ca_file, trust_error_);
  }
}

VoiceSession::~VoiceSession() {
  udp_.reset();  // its thread uses the members below
  detach();
  g_clear_object(&trust_);
}

template <class F>
auto VoiceSession::safely(F act) {
  return [weak = weak_from_this(), act]<class... Args>(Args &&...args) {
    if (auto self = weak.lock()) {
      act(*self, std::forward<Args>(args)...);
      self->settle();
    }
  };
}

void VoiceSession::start() {
  if (!config_.voice.hand_over) {
    main_ = MainSession::acquire(loop_, *config_.sessions, config_.main);
    auto listener = safely([](VoiceSession &self, GuildEvent event) {
      self.machine_.on_guild_event(std::move(event), NetLoop::now());
    });
    if (!main_->attach(config_.voice.guild, config_.voice.channel, listener)) {
      main_.reset();
      tell(Ended{EndReason::guild_in_use, true,
                 "Another source of this process is in a voice channel of guild " +
                     std::to_string(config_.voice.guild) +
                     " with the same token; an account can be in one channel per guild."});
      return;
    }
  }
  machine_.start(NetLoop::now());
  settle();
}

void VoiceSession::leave(Time limit, std::function<void()> done) {
  if (leaving_) return;
  leaving_ = true;
  limit_ = limit;
  left_ = std::move(done);
  ++goodbyes_;
  machine_.leave(NetLoop::now());
  settle();
  detach();
  goodbye_answered();
}

void VoiceSession::hand_over(HandOver update) {
  if (update.guild) config_.voice.guild = *update.guild;
  machine_.on_hand_over(std::move(update), NetLoop::now());
  settle();
}

void VoiceSession::watch_media() {
  const Time now = NetLoop::now();
  OpenProgress *progress = config_.progress.get();
  const bool watched = progress != nullptr && progress->watched();
  if (watched) machine_.watch_opened();
  machine_.on_rtp_received(now);
  if (!watched) return;
  const std::uint64_t opened = progress->opened_count();
  if (std::exchange(opened_, opened) != opened) machine_.on_rtp_opened(now);
  if (progress->take_failures(kBrokenAfter)) machine_.on_media_broken(now);
}

SessionSnapshot VoiceSession::snapshot() const {
  SessionSnapshot now;
  {
    std::lock_guard lock(mutex_);
    now = snapshot_;
  }
  now.socket_drops = udp_counters_->kernel_drops;
  now.socket_errors = udp_counters_->errors;
  now.socket_buffer = udp_counters_->buffer_size;
  return now;
}

void VoiceSession::publish() {
  SessionSnapshot now;
  now.voice = machine_.stats();
  now.main = main_ ? main_->stats() : snapshot_.main;
  now.state = machine_.state_name();
  now.channel = machine_.channel();
  now.session = machine_.session();
  std::lock_guard lock(mutex_);
  snapshot_ = std::move(now);
}

void VoiceSession::settle() {
  for (auto actions = machine_.take_actions(); !actions.empty();
       actions = machine_.take_actions()) {
    for (VoiceAction &action : actions) perform(action);
    for (auto &answer : std::exchange(after_, {})) answer();
  }
  timer_.set(machine_.next_wakeup());
  publish();
}

void VoiceSession::perform(VoiceAction &action) {
  if (auto *connect = std::get_if<ConnectVoice>(&action)) {
    connect_voice(connect->url);
  } else if (auto *text = std::get_if<SendText>(&action)) {
    if (socket_) socket_->send_text(text->text.text());
  } else if (auto *binary = std::get_if<SendBinary>(&action)) {
    if (socket_) socket_->send_binary(binary->payload);
  } else if (auto *close = std::get_if<CloseVoice>(&action)) {
    close_voice(close->code);
  } else if (auto *open = std::get_if<OpenUdp>(&action)) {
    open_udp(*open);
  } else if (auto *datagram = std::get_if<SendUdp>(&action)) {
    if (udp_) udp_->send(datagram->datagram);
  } else if (std::holds_alternative<CloseUdp>(action)) {
    udp_.reset();
    ++udp_generation_;
  } else if (auto *wanted = std::get_if<JoinChannel>(&action)) {
    join(*wanted);
  } else if (std::holds_alternative<LeaveChannel>(action)) {
    leave_channel();
  } else if (auto *names = std::get_if<WantNames>(&action)) {
    if (main_) main_->request_members(config_.voice.guild, names->users);
  } else if (auto *keys = std::get_if<Keys>(&action)) {
    owner_.keys(std::move(keys->update));
  } else if (auto *report = std::get_if<Tell>(&action)) {
    tell(std::move(report->report));
  }
}

void VoiceSession::join(const JoinChannel &wanted) {
  if (main_) {
    main_->join(config_.voice.guild, wanted.channel, wanted.self_mute, wanted.self_deaf);
  } else if (config_.voice.hand_over) {
    owner_.gateway_payload(voice_state_payload(config_.voice.guild,
                                               '"' + std::to_string(wanted.channel) + '"',
                                               wanted.self_mute, wanted.self_deaf));
  }
}

void VoiceSession::leave_channel() {
  if (main_) {
    main_->leave(config_.voice.guild);
  } else if (config_.voice.hand_over) {
    owner_.gateway_payload(voice_state_payload(config_.voice.guild, "null", false, false));
  }
}

void VoiceSession::tell(Report report) {
  const bool last = std::holds_alternative<Ended>(report);
  publish();
  owner_.report(std::move(report));
  // Other sources go on with the main session; the last one closes it.
  if (last) after_.push_back([this] { detach(); });
}

void VoiceSession::detach() {
  if (!main_) return;
  publish();
  ++goodbyes_;
  std::exchange(main_, nullptr)->detach(config_.voice.guild, limit_, [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->goodbye_answered();
  });
}

void VoiceSession::goodbye_answered() {
  if (--goodbyes_ == 0 && left_) loop_.post(std::exchange(left_, nullptr));
}

void VoiceSession::close_voice(std::uint16_t code) {
  if (!socket_) return;
  ++goodbyes_;
  WebSocket::close(std::move(socket_), code, limit_, [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->goodbye_answered();
  });
}

void VoiceSession::connect_voice(const std::string &url) {
  socket_.reset();
  if (!trust_error_.empty()) {
    after_.push_back([this] {
      machine_.on_voice_connect_failed({ConnectFailureKind::tls, 0, trust_error_}, NetLoop::now());
    });
    return;
  }
  WebSocket::Events events;
  events.opened = safely([](VoiceSession &self) { self.machine_.on_voice_open(NetLoop::now()); });
  events.text = safely([](VoiceSession &self, std::string_view text) {
    self.machine_.on_voice_text(text, NetLoop::now());
  });
  events.binary = safely([](VoiceSession &self, ByteView frame) {
    self.machine_.on_voice_binary(frame, NetLoop::now());
  });
  events.failed = safely([](VoiceSession &self, const ConnectFailure &failure) {
    self.socket_.reset();
    self.machine_.on_voice_connect_failed(failure, NetLoop::now());
  });
  events.closed = safely([](VoiceSession &self, CloseCode code, std::string_view reason) {
    self.socket_.reset();
    self.machine_.on_voice_closed(code, reason, NetLoop::now());
  });
  WebSocketOptions options;
  options.url = url;
  options.trust = trust_;
  options.max_payload = kMaxVoicePayload;
  options.connect_timeout = config_.voice.timeout;
  socket_ = std::make_unique<WebSocket>(loop_, options, std::move(events));
}

void VoiceSession::open_udp(const OpenUdp &wanted) {
  udp_.reset();
  const std::uint64_t generation = ++udp_generation_;
  std::string error;
  udp_ = UdpSocket::open(
      wanted.ip, wanted.port, config_.udp_buffer_size,
      [this, session = wanted.session, generation](std::span<const Datagram> datagrams) {
        received(session, generation, datagrams);
      },
      udp_counters_, error);
  after_.push_back([this, error, ok = udp_ != nullptr] {
    if (ok) {
      machine_.on_udp_open(NetLoop::now());
    } else {
      machine_.on_udp_failed(error, NetLoop::now());
    }
  });
}

void VoiceSession::received(SessionId session, std::uint64_t generation,
                            std::span<const Datagram> datagrams) {
  std::vector<Datagram> media;
  std::vector<Bytes> control;
  media.reserve(datagrams.size());
  for (const Datagram &datagram : datagrams) {
    if (is_control_datagram(datagram.data)) {
      control.emplace_back(datagram.data.begin(), datagram.data.end());
    } else {
      media.push_back(datagram);
    }
  }
  if (!media.empty()) owner_.media(session, media);
  const Time now = NetLoop::now();
  const bool hint =
      now - last_hint_ >= kHintInterval && std::any_of(media.begin(), media.end(), is_audio);
  if (hint) last_hint_ = now;
  if (!hint && control.empty()) return;
  loop_.post([act = safely([generation, hint, control = std::move(control)](VoiceSession &self) {
                if (self.udp_generation_ != generation) return;
                for (const Bytes &datagram : control) {
                  self.machine_.on_udp_control(datagram, NetLoop::now());
                }
                if (hint) self.watch_media();
              })] { act(); });
}

}  // namespace dv::voice
