// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/voice/net/main_session.hpp"

#include <sodium.h>

#include <utility>

#include "ext/voice/core/endpoint.hpp"
#include "ext/voice/net/chance.hpp"
#include "ext/voice/net/trust.hpp"

namespace dv::voice {
namespace {

// GUILD_CREATE of a big guild is megabytes.
constexpr std::size_t kMaxMainPayload = 16 * 1024 * 1024;

// Outlives the sessions, and is one for all of the process: Discord counts a token's Identifies by
// the day. By the same digest. Touched on the loop only; there is one loop at a time.
std::shared_ptr<IdentifyBudget> budget_of(const std::string &id, const std::string &url) {
  static std::map<std::string, std::shared_ptr<IdentifyBudget>> all;
  auto &budget = all[id];
  if (!budget) {
    budget = is_loopback_url(url) ? std::make_shared<IdentifyBudget>(0s)
                                  : std::make_shared<IdentifyBudget>();
  }
  return budget;
}

/** A digest, so that the registry holds no second copy of the token. */
std::string identify(const MainKey &key) {
  std::string id(crypto_generichash_BYTES, '\0');
  crypto_generichash_state state;
  crypto_generichash_init(&state, nullptr, 0, id.size());
  const auto add = [&](ByteView bytes) {
    const std::uint64_t size = bytes.size();
    crypto_generichash_update(&state, reinterpret_cast<const unsigned char *>(&size), sizeof size);
    crypto_generichash_update(&state, bytes.data(), bytes.size());
  };
  add(key.token.view());
  add(view(key.url));
  add(view(key.ca_file));
  const auto trust = reinterpret_cast<std::uintptr_t>(key.trust.get());
  add({reinterpret_cast<const std::uint8_t *>(&trust), sizeof trust});
  crypto_generichash_final(&state, reinterpret_cast<unsigned char *>(id.data()), id.size());
  wipe_memory(&state, sizeof state);
  return id;
}

}  // namespace

std::shared_ptr<MainSession> MainSession::acquire(NetLoop &loop, MainSessions &sessions,
                                                  const MainKey &key) {
  std::erase_if(sessions.running_, [](const auto &entry) { return entry.second.expired(); });
  const std::string id = identify(key);
  std::shared_ptr<MainSession> session = sessions.running_[id].lock();
  if (session && !session->stopping_ && !session->machine_.failed()) return session;
  session = std::make_shared<MainSession>(loop, key, budget_of(id, key.url));
  sessions.running_[id] = session;
  session->start(NetLoop::now());
  return session;
}

MainSession::MainSession(NetLoop &loop, const MainKey &key, std::shared_ptr<IdentifyBudget> budget)
    : loop_(loop),
      machine_(MainConfig{key.token.clone(), key.url, key.startup_timeout, std::move(budget)},
               chance()),
      timer_(loop, [this] {
        auto self = shared_from_this();
        machine_.advance(NetLoop::now());
        settle();
      }) {
  if (key.trust) {
    trust_ = G_TLS_DATABASE(g_object_ref(key.trust.get()));
  } else if (!key.ca_file.empty()) {
    trust_ = load_trust(key.ca_file, trust_error_);
  }
}

MainSession::~MainSession() { g_clear_object(&trust_); }

void MainSession::start(Time now) {
  machine_.start(now);
  settle();
}

bool MainSession::attach(GuildId guild, ChannelId channel, Listener listener) {
  if (listeners_.contains(guild)) return false;
  listeners_[guild] = std::make_shared<Listener>(std::move(listener));
  machine_.attach(guild, channel, NetLoop::now());
  settle();
  return true;
}

void MainSession::detach(GuildId guild, Time limit, std::function<void()> done) {
  listeners_.erase(guild);
  machine_.detach(guild, NetLoop::now());
  if (!listeners_.empty()) {
    settle();
    loop_.post(std::move(done));
    return;
  }
  stopping_ = true;
  close_limit_ = limit;
  close_done_ = std::move(done);
  if (!machine_.failed()) machine_.stop(NetLoop::now());
  settle();
  if (close_done_) loop_.post(std::exchange(close_done_, nullptr));
}

void MainSession::join(GuildId guild, const ChannelId &channel, bool self_mute, bool self_deaf) {
  machine_.join(guild, channel, self_mute, self_deaf, NetLoop::now());
  settle();
}

void MainSession::leave(GuildId guild) {
  machine_.leave(guild, NetLoop::now());
  settle();
}

void MainSession::request_members(GuildId guild, const std::vector<UserId> &users) {
  machine_.request_members(guild, users, NetLoop::now());
  settle();
}

void MainSession::settle() {
  for (auto actions = machine_.take_actions(); !actions.empty();
       actions = machine_.take_actions()) {
    for (MainAction &action : actions) perform(action);
  }
  timer_.set(machine_.next_wakeup());
}

void MainSession::perform(MainAction &action) {
  if (auto *connect = std::get_if<MainConnect>(&action)) {
    open_socket(connect->url);
  } else if (auto *send = std::get_if<MainSend>(&action)) {
    if (socket_) socket_->send_text(send->text.text());
  } else if (auto *close = std::get_if<MainClose>(&action)) {
    if (!socket_) return;
    WebSocket::close(std::move(socket_), close->code, close_limit_,
                     std::exchange(close_done_, nullptr));
  } else if (auto *tell = std::get_if<MainNotify>(&action)) {
    notify(tell->guild, std::move(tell->event));
  }
}

void MainSession::notify(GuildId guild, GuildEvent event) {
  const auto found = listeners_.find(guild);
  if (found == listeners_.end()) return;
  // Posted: the listener calls back into this session, which is in the middle of its actions.
  auto shared = std::make_shared<GuildEvent>(std::move(event));
  loop_.post([weak = std::weak_ptr<Listener>(found->second), shared] {
    if (auto listener = weak.lock()) (*listener)(std::move(*shared));
  });
}

void MainSession::open_socket(const std::string &url) {
  socket_.reset();
  std::weak_ptr<MainSession> weak = weak_from_this();
  const auto with = [weak](auto act) {
    if (auto self = weak.lock()) {
      act(*self);
      self->settle();
    }
  };
  if (!trust_error_.empty()) {
    loop_.post([with, text = trust_error_] {
      with([&](MainSession &self) {
        self.machine_.on_connect_failed({ConnectFailureKind::tls, 0, text}, NetLoop::now());
      });
    });
    return;
  }
  WebSocket::Events events;
  events.opened = [with] {
    with([](MainSession &self) { self.machine_.on_open(NetLoop::now()); });
  };
  events.text = [with](std::string_view text) {
    with([&](MainSession &self) { self.machine_.on_text(text, NetLoop::now()); });
  };
  events.failed = [with](const ConnectFailure &failure) {
    with([&](MainSession &self) {
      self.socket_.reset();
      self.machine_.on_connect_failed(failure, NetLoop::now());
    });
  };
  events.closed = [with](CloseCode code, std::string_view reason) {
    with([&](MainSession &self) {
      self.socket_.reset();
      self.machine_.on_closed(code, reason, NetLoop::now());
    });
  };
  WebSocketOptions options;
  options.url = url;
  options.trust = trust_;
  options.max_payload = kMaxMainPayload;
  socket_ = std::make_unique<WebSocket>(loop_, options, std::move(events));
}

}  // namespace dv::voice
