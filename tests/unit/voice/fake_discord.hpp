// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "ext/voice/core/main_gateway.hpp"
#include "ext/voice/core/voice_connection.hpp"

namespace dv::voice::test {

using Json = nlohmann::json;

inline constexpr GuildId kGuild = 81384788765712384;
inline constexpr ChannelId kChannel = 81384788765712385;
inline constexpr ChannelId kOtherChannel = 81384788765712386;
inline constexpr UserId kSelf = 100000000000000001;
inline constexpr UserId kAnna = 300000000000000001;
inline constexpr UserId kBen = 300000000000000002;
inline constexpr const char *kToken = "MTAwMDAw.BotTokenOfTheTest.abcdefghij";

/**
 * Both gateways and the UDP port of Discord, as far as the state machines can tell, with a clock of
 * its own. What the peer does is decided by the switches; what it saw is in the counters.
 */
class FakeDiscord {
 public:
  explicit FakeDiscord(VoiceConfig config = default_config(), std::uint32_t seed = 1);
  static VoiceConfig default_config();

  /** Starts both machines and lets them talk until they are quiet. */
  void start();
  /** Lets time pass; everything that falls due happens at its time. */
  void run(Time span);
  /** Runs until it holds, at most for `limit`. */
  bool run_until(const std::function<bool()> &condition, Time limit = 120s);
  void pump();

  bool ready() const { return std::string(voice->state_name()) == "ready"; }
  bool ended() const { return voice->ended(); }
  const Ended *end() const;
  template <class R>
  std::vector<const R *> told() const {
    std::vector<const R *> found;
    for (const auto &report : reports) {
      if (const auto *r = std::get_if<R>(&report)) found.push_back(r);
    }
    return found;
  }

  // What the peer does on its own.
  void close_main(CloseCode code);
  void close_voice(CloseCode code);
  void main_sends(int op, const Json &d);
  void dispatch(const std::string &name, const Json &d);
  void voice_sends(int op, const Json &d, bool numbered = true);
  void voice_sends_binary(std::uint8_t op, const Bytes &payload);
  void own_state(std::optional<ChannelId> channel, bool deaf = false);
  void server_update(std::optional<std::string> endpoint);
  Json member_json(UserId user, const std::string &name) const;

  // Switches.
  bool main_reachable = true;
  bool voice_reachable = true;
  ConnectFailureKind failure_kind = ConnectFailureKind::refused;
  bool hello = true;
  bool main_acks = true;
  bool voice_acks = true;
  bool answer_join = true;
  bool answer_identify = true;
  bool answer_voice_identify = true;
  bool server_before_state = false;
  bool accept_resume = true;
  bool accept_voice_resume = true;
  bool udp_answers = true;
  std::uint16_t external_port = 40000;  ///< of the client, as discovery tells it
  bool list_guild = true;
  bool list_channel = true;
  std::uint32_t user_limit = 0;
  CloseCode close_on_identify;  ///< main
  CloseCode close_on_voice_identify;
  std::optional<bool> invalid_on_resume;  ///< op 9 instead of RESUMED
  std::vector<std::string> modes{"aead_aes256_gcm_rtpsize", "aead_xchacha20_poly1305_rtpsize"};
  std::vector<std::function<void()>> before_ready;  ///< run just before op 2
  std::vector<std::function<void()>> before_description;
  bool hello_after_ready = false;
  int dave_version = 0;
  std::string endpoint = "c-waw05-3976556b.discord.media:8443";

  // What was seen.
  Time now = 1000s;
  std::unique_ptr<MainGateway> main;
  std::unique_ptr<VoiceConnection> voice;
  std::vector<Report> reports;
  std::vector<std::string> main_urls, voice_urls;
  std::vector<Json> main_sent, voice_sent;  ///< without heartbeats
  std::vector<std::uint16_t> main_closes, voice_closes;
  std::vector<Time> identifies;
  std::vector<std::string> sent_texts;  ///< all of them, heartbeats included
  std::vector<std::size_t> sent_sizes;
  std::vector<Bytes> binaries;
  std::vector<KeyUpdate> keys;
  std::vector<OpenUdp> udp_opened;
  unsigned main_beats = 0, voice_beats = 0, pings = 0, discoveries = 0;
  unsigned joins = 0, leaves = 0;
  bool udp_up = false;
  bool main_open = false, voice_open = false;
  std::uint64_t main_seq = 0;
  int voice_seq = -1;
  std::string main_session, voice_token, voice_session;
  std::optional<ChannelId> in_channel;

 private:
  void perform(MainAction &action);
  void perform(VoiceAction &action);
  void on_main_text(const Json &message);
  void on_voice_text(const Json &message);
  void on_udp(const Bytes &datagram);
  void later(std::function<void()> act) { queue_.push_back(std::move(act)); }

  std::deque<std::function<void()>> queue_;
  unsigned main_generation_ = 0, voice_generation_ = 0, udp_generation_ = 0;
  unsigned sessions_ = 0, tokens_ = 0;
  bool pumping_ = false;
};

/** How many of these messages have that opcode. */
std::size_t count_op(const std::vector<Json> &sent, int op);

}  // namespace dv::voice::test
