// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ext/wire/ids.hpp"
#include "tests/server/tls.hpp"

namespace dv::server {

inline constexpr GuildId kTestGuild = 81384788765712384;
inline constexpr ChannelId kTestChannel = 81384788765712385;
/** Has the shape of a real one, and opens nothing. */
inline constexpr const char *kTestToken =
    "NzkyNzE1NDU0MTk2MDg4ODQy.local-voice-server.0123456789abcdefghijklmnopq";

struct ServerConfig {
  std::string token = kTestToken;
  GuildId guild = kTestGuild;
  ChannelId channel = kTestChannel;
  unsigned speakers = 3;
  bool dave = false;  ///< calls are end-to-end encrypted
  std::vector<std::string> modes = {"aead_aes256_gcm_rtpsize", "aead_xchacha20_poly1305_rtpsize"};
  bool speak = true;          ///< speakers talk once somebody who listens is ready
  std::string speech_dir;     ///< empty: a directory of the build
  std::string truth_file;     ///< empty: none
  std::string reference_dir;  ///< empty: none
  std::string faults_json;    ///< as the command `fault`, from the start
  std::uint16_t port = 0;
  CertificateKind certificate = CertificateKind::good;
  std::vector<std::pair<std::string, std::string>> options;  ///< see options.hpp
};

struct SpeakerInfo {
  UserId user = 0;
  Ssrc ssrc = 0;
  GuildId guild = 0;
  ChannelId channel = 0;
  std::string name;
  std::string wav;
};

/** Something that happened; `json` holds all of it, as docs/test-server.md lists it. */
struct Event {
  std::uint64_t number = 0;
  std::string name;
  std::string json;
};

/** Sums over the life of the server. */
struct Counters {
  std::uint64_t connections = 0;  ///< to the main gateway
  std::uint64_t identifies = 0;   ///< on the main gateway
  std::uint64_t resumes = 0;      ///< accepted on the main gateway
  std::uint64_t voice_identifies = 0;
  std::uint64_t voice_resumes = 0;         ///< accepted on the voice gateway
  std::uint64_t voice_state_requests = 0;  ///< op 4
  std::uint64_t pings = 0;                 ///< 1337CAFE on the media port
  std::uint64_t datagrams_in = 0;
  std::uint64_t datagrams_out = 0;
  std::uint64_t client_rtp = 0;      ///< authentic RTP packets of clients
  std::uint64_t client_rtp_bad = 0;  ///< others
  std::uint64_t client_frames_opened =
      0;  ///< DAVE frames of clients that a virtual member could open
  std::uint64_t client_frames_refused = 0;
};

/**
 * A Discord voice service on the loopback, on a thread of its own. All methods may be called from
 * any thread except those marked otherwise, and return when the deed is done.
 */
class Server {
 public:
  /** Nothing, and the reason in `error`, if it can not be started. */
  static std::unique_ptr<Server> start(const ServerConfig &config, std::string *error);
  ~Server();
  Server(const Server &) = delete;
  Server &operator=(const Server &) = delete;

  std::string gateway_url() const;
  std::string ca_file() const;
  std::vector<SpeakerInfo> speakers();
  Counters counters();

  /** One command of docs/test-server.md as a JSON object; the reply is one too, `ok` tells the
   * success. */
  std::string command(std::string_view json);

  /**
   * Waits until `count` events called `name` with numbers above `after` have happened; gives the
   * last of them, or nothing if the limit runs out.
   */
  std::optional<Event> wait_for(std::string_view name, std::uint64_t after = 0,
                                std::uint64_t count = 1, Time limit = 60s);
  std::vector<Event> events();
  /** Number of the newest event. */
  std::uint64_t last_event();
  /** Called for each event on the server's thread; must not call the server back. */
  void on_event(std::function<void(const Event &)> listener);
  /** The line a program that hosts the server prints on start (docs/test-server.md). */
  std::string listening_json();

 private:
  Server();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dv::server
