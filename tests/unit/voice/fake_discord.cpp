// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/unit/voice/fake_discord.hpp"

#include <algorithm>
#include <stdexcept>

#include "ext/wire/udp_control.hpp"

namespace dv::voice::test {
namespace {

std::string text_of(std::uint64_t id) { return std::to_string(id); }

Random seeded(std::uint32_t seed) {
  auto engine = std::make_shared<std::mt19937>(seed);
  return [engine] { return std::uniform_real_distribution<double>(0.0, 1.0)(*engine); };
}

}  // namespace

VoiceConfig FakeDiscord::default_config() {
  VoiceConfig config;
  config.guild = kGuild;
  config.channel = kChannel;
  config.max_dave_version = 0;
  return config;
}

FakeDiscord::FakeDiscord(VoiceConfig config, std::uint32_t seed) {
  MainConfig main_config;
  main_config.token = Secret::from_text(kToken);
  main = std::make_unique<MainGateway>(std::move(main_config), seeded(seed));
  voice = std::make_unique<VoiceConnection>(std::move(config), seeded(seed + 1));
}

void FakeDiscord::start() {
  voice->start(now);
  main->attach(kGuild, kChannel, now);
  main->start(now);
  pump();
}

void FakeDiscord::pump() {
  if (pumping_) return;
  pumping_ = true;
  for (bool busy = true; busy;) {
    busy = false;
    for (auto &action : main->take_actions()) {
      perform(action);
      busy = true;
    }
    for (auto &action : voice->take_actions()) {
      perform(action);
      busy = true;
    }
    if (!busy && !queue_.empty()) {
      auto act = std::move(queue_.front());
      queue_.pop_front();
      act();
      busy = true;
    }
  }
  pumping_ = false;
}

void FakeDiscord::run(Time span) {
  const Time end = now + span;
  unsigned idle_rounds = 0;
  while (true) {
    const Time next = std::min(main->next_wakeup(), voice->next_wakeup());
    if (next > end) break;
    // A machine that wants to be woken again and again without doing anything is a busy loop.
    idle_rounds = next > now ? 0 : idle_rounds + 1;
    if (idle_rounds > 100)
      throw std::runtime_error("busy loop at state " + std::string(voice->state_name()));
    now = std::max(now, next);
    main->advance(now);
    pump();
    voice->advance(now);
    pump();
  }
  now = end;
}

bool FakeDiscord::run_until(const std::function<bool()> &condition, Time limit) {
  const Time end = now + limit;
  while (!condition()) {
    const Time next = std::min({main->next_wakeup(), voice->next_wakeup(), end});
    run(std::max(Time(1ms), next - now));
    if (now >= end) return condition();
  }
  return true;
}

const Ended *FakeDiscord::end() const {
  const auto all = told<Ended>();
  return all.empty() ? nullptr : all.back();
}

void FakeDiscord::perform(MainAction &action) {
  if (auto *connect = std::get_if<MainConnect>(&action)) {
    main_urls.push_back(connect->url);
    main_open = false;
    const unsigned generation = ++main_generation_;
    later([this, generation] {
      if (generation != main_generation_) return;
      if (!main_reachable) {
        main->on_connect_failed({failure_kind, 0, "test"}, now);
        return;
      }
      main_open = true;
      main->on_open(now);
      if (hello) main_sends(10, {{"heartbeat_interval", 41250}});
    });
  } else if (auto *send = std::get_if<MainSend>(&action)) {
    sent_texts.emplace_back(send->text.text());
    sent_sizes.push_back(send->text.size());
    on_main_text(Json::parse(send->text.text()));
  } else if (auto *close = std::get_if<MainClose>(&action)) {
    main_closes.push_back(close->code);
    main_open = false;
    main_generation_++;
  } else if (auto *notify = std::get_if<MainNotify>(&action)) {
    voice->on_guild_event(std::move(notify->event), now);
  }
}

void FakeDiscord::main_sends(int op, const Json &d) {
  const unsigned generation = main_generation_;
  const std::string text = Json{{"op", op}, {"d", d}, {"s", nullptr}, {"t", nullptr}}.dump();
  later([this, generation, text] {
    if (generation == main_generation_ && main_open) main->on_text(text, now);
  });
}

void FakeDiscord::dispatch(const std::string &name, const Json &d) {
  const unsigned generation = main_generation_;
  const std::string text = Json{{"op", 0}, {"d", d}, {"s", ++main_seq}, {"t", name}}.dump();
  later([this, generation, text] {
    if (generation == main_generation_ && main_open) main->on_text(text, now);
  });
}

Json FakeDiscord::member_json(UserId user, const std::string &name) const {
  return {{"nick", nullptr},
          {"user", {{"id", text_of(user)}, {"username", name}, {"global_name", nullptr}}}};
}

void FakeDiscord::own_state(std::optional<ChannelId> channel, bool deaf) {
  in_channel = channel;
  dispatch("VOICE_STATE_UPDATE", {{"guild_id", text_of(kGuild)},
                                  {"channel_id", channel ? Json(text_of(*channel)) : Json()},
                                  {"user_id", text_of(kSelf)},
                                  {"session_id", main_session},
                                  {"deaf", deaf},
                                  {"mute", false},
                                  {"suppress", false}});
}

void FakeDiscord::server_update(std::optional<std::string> where) {
  voice_token = "voice-token-" + std::to_string(++tokens_);
  dispatch("VOICE_SERVER_UPDATE", {{"guild_id", text_of(kGuild)},
                                   {"token", voice_token},
                                   {"endpoint", where ? Json(*where) : Json()}});
}

void FakeDiscord::on_main_text(const Json &message) {
  const int op = message.at("op");
  if (op == 1) {
    main_beats++;
    if (main_acks) main_sends(11, nullptr);
    return;
  }
  main_sent.push_back(message);
  if (op == 2) {
    identifies.push_back(now);
    if (close_on_identify) {
      close_main(close_on_identify);
      return;
    }
    if (!answer_identify) return;
    main_session = "main-session-" + std::to_string(++sessions_);
    main_seq = 0;
    in_channel.reset();
    Json guilds = Json::array();
    if (list_guild) guilds.push_back({{"id", text_of(kGuild)}, {"unavailable", true}});
    dispatch("READY", {{"user", {{"id", text_of(kSelf)}}},
                       {"session_id", main_session},
                       {"resume_gateway_url", "wss://gateway-us-east1-b.discord.gg"},
                       {"guilds", guilds}});
    if (!list_guild) return;
    Json channels = Json::array();
    for (ChannelId id : {kChannel, kOtherChannel}) {
      if (id == kChannel && !list_channel) continue;
      channels.push_back(
          {{"id", text_of(id)}, {"type", 2}, {"name", "talk"}, {"user_limit", user_limit}});
    }
    Json states = Json::array();
    states.push_back(
        {{"user_id", text_of(kAnna)}, {"channel_id", text_of(kChannel)}, {"session_id", "x"}});
    dispatch("GUILD_CREATE", {{"id", text_of(kGuild)},
                              {"channels", channels},
                              {"voice_states", states},
                              {"members", Json::array({member_json(kAnna, "anna")})}});
  } else if (op == 6) {
    if (invalid_on_resume) {
      main_sends(9, *invalid_on_resume);
    } else if (accept_resume && message["d"]["session_id"] == main_session) {
      dispatch("RESUMED", Json::object());
    } else {
      main_sends(9, false);
    }
  } else if (op == 4) {
    const Json channel = message["d"]["channel_id"];
    if (channel.is_null()) {
      leaves++;
      if (in_channel) own_state(std::nullopt);
      return;
    }
    joins++;
    if (!answer_join) return;
    if (server_before_state) server_update(endpoint);
    own_state(std::stoull(channel.get<std::string>()));
    if (!server_before_state) server_update(endpoint);
  } else if (op == 8) {
    Json members = Json::array();
    for (const auto &id : message["d"]["user_ids"]) {
      const std::string text = id;
      members.push_back(
          member_json(std::stoull(text), "user" + std::to_string(std::stoull(text) % 100)));
    }
    dispatch("GUILD_MEMBERS_CHUNK", {{"guild_id", text_of(kGuild)}, {"members", members}});
  }
}

void FakeDiscord::close_main(CloseCode code) {
  const unsigned generation = main_generation_;
  later([this, generation, code] {
    if (generation != main_generation_ || !main_open) return;
    main_open = false;
    main_generation_++;
    main->on_closed(code, "", now);
  });
  pump();
}

void FakeDiscord::close_voice(CloseCode code) {
  const unsigned generation = voice_generation_;
  later([this, generation, code] {
    if (generation != voice_generation_ || !voice_open) return;
    voice_open = false;
    voice_generation_++;
    voice->on_voice_closed(code, "", now);
  });
  pump();
}

void FakeDiscord::perform(VoiceAction &action) {
  if (auto *connect = std::get_if<ConnectVoice>(&action)) {
    voice_urls.push_back(connect->url);
    voice_open = false;
    const unsigned generation = ++voice_generation_;
    later([this, generation] {
      if (generation != voice_generation_) return;
      if (!voice_reachable) {
        voice->on_voice_connect_failed({failure_kind, 0, "test"}, now);
        return;
      }
      voice_open = true;
      voice->on_voice_open(now);
      if (hello && !hello_after_ready) {
        voice_sends(8, {{"v", 8}, {"heartbeat_interval", 13750.0}}, false);
      }
    });
  } else if (auto *text = std::get_if<SendText>(&action)) {
    sent_texts.emplace_back(text->text.text());
    on_voice_text(Json::parse(text->text.text()));
  } else if (auto *binary = std::get_if<SendBinary>(&action)) {
    binaries.push_back(std::move(binary->payload));
  } else if (auto *close = std::get_if<CloseVoice>(&action)) {
    voice_closes.push_back(close->code);
    voice_open = false;
    voice_generation_++;
  } else if (auto *udp = std::get_if<OpenUdp>(&action)) {
    udp_opened.push_back(*udp);
    udp_up = true;
    const unsigned generation = ++udp_generation_;
    later([this, generation] {
      if (generation == udp_generation_) voice->on_udp_open(now);
    });
  } else if (auto *datagram = std::get_if<SendUdp>(&action)) {
    on_udp(datagram->datagram);
  } else if (std::get_if<CloseUdp>(&action) != nullptr) {
    udp_up = false;
    udp_generation_++;
  } else if (auto *join = std::get_if<JoinChannel>(&action)) {
    main->join(kGuild, join->channel, join->self_mute, join->self_deaf, now);
  } else if (std::get_if<LeaveChannel>(&action) != nullptr) {
    main->leave(kGuild, now);
  } else if (auto *names = std::get_if<WantNames>(&action)) {
    main->request_members(kGuild, names->users, now);
  } else if (auto *key = std::get_if<Keys>(&action)) {
    keys.push_back(std::move(key->update));
  } else if (auto *tell = std::get_if<Tell>(&action)) {
    reports.push_back(std::move(tell->report));
  }
}

void FakeDiscord::voice_sends(int op, const Json &d, bool numbered) {
  const unsigned generation = voice_generation_;
  Json message{{"op", op}, {"d", d}};
  if (numbered) message["seq"] = voice_seq = (voice_seq + 1) & 0xFFFF;
  const std::string text = message.dump();
  later([this, generation, text] {
    if (generation == voice_generation_ && voice_open) voice->on_voice_text(text, now);
  });
}

void FakeDiscord::voice_sends_binary(std::uint8_t op, const Bytes &payload) {
  Writer out;
  out.u16(static_cast<std::uint16_t>(voice_seq = (voice_seq + 1) & 0xFFFF)).u8(op).put(payload);
  const Bytes frame = out.release();
  const unsigned generation = voice_generation_;
  later([this, generation, frame] {
    if (generation == voice_generation_ && voice_open) voice->on_voice_binary(frame, now);
  });
}

void FakeDiscord::on_voice_text(const Json &message) {
  const int op = message.at("op");
  if (op == 3) {
    voice_beats++;
    if (voice_acks) voice_sends(6, {{"t", message["d"]["t"]}}, false);
    return;
  }
  voice_sent.push_back(message);
  if (op == 0) {
    if (close_on_voice_identify) {
      close_voice(close_on_voice_identify);
      return;
    }
    if (!answer_voice_identify) return;
    const Json &d = message["d"];
    if (d["token"] != voice_token || d["session_id"] != main_session || !in_channel) {
      close_voice(4006);
      return;
    }
    voice_session = voice_token;
    voice_seq = -1;
    for (const auto &act : before_ready) act();
    voice_sends(2, {{"ssrc", 1000},
                    {"ip", "203.0.113.7"},
                    {"port", 50001},
                    {"modes", modes},
                    {"heartbeat_interval", 1}});
    if (hello_after_ready) voice_sends(8, {{"v", 8}, {"heartbeat_interval", 13750}}, false);
  } else if (op == 1) {
    for (const auto &act : before_description) act();
    Json key = Json::array();
    for (int i = 0; i < 32; i++) key.push_back(200 + i);
    voice_sends(4, {{"mode", message["d"]["data"]["mode"]},
                    {"secret_key", key},
                    {"dave_protocol_version", dave_version}});
  } else if (op == 7) {
    if (accept_voice_resume && message["d"]["token"] == voice_session && in_channel) {
      voice_sends(9, nullptr, false);
    } else {
      close_voice(4006);
    }
  }
}

void FakeDiscord::on_udp(const Bytes &datagram) {
  if (decode_ping(datagram)) pings++;
  if (decode_discovery_request(datagram)) discoveries++;
  if (!udp_answers) return;
  Bytes answer;
  if (const auto ssrc = decode_discovery_request(datagram)) {
    const auto reply = encode_discovery_response({*ssrc, "198.51.100.9", external_port});
    answer.assign(reply.begin(), reply.end());
  } else if (const auto sequence = decode_ping(datagram)) {
    const auto reply = encode_ping_reply(*sequence);
    answer.assign(reply.begin(), reply.end());
  }
  const unsigned generation = udp_generation_;
  later([this, generation, answer] {
    if (generation == udp_generation_) voice->on_udp_control(answer, now);
  });
}

std::size_t count_op(const std::vector<Json> &sent, int op) {
  std::size_t n = 0;
  for (const auto &message : sent) n += message["op"] == op;
  return n;
}

}  // namespace dv::voice::test
