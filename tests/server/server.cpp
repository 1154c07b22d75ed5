// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/server/server.hpp"

#include <sodium.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "build_paths.hpp"
#include "tests/server/call.hpp"
#include "tests/server/control.hpp"
#include "tests/server/core.hpp"
#include "tests/server/json_util.hpp"

namespace dv::server {

using nlohmann::json;

struct Server::Impl {
  std::unique_ptr<Core> core;
};

namespace {

/** Tells when the machine stood still, so that nobody blames a client for it. */
void watch_stalls(Core &core) {
  static constexpr Time kTick = 5ms, kLate = 50ms;
  core.loop.every(kTick, [&core, last = Loop::now()]() mutable {
    const Time now = Loop::now();
    const Time due = std::exchange(last, now) + kTick;
    if (now > due + kLate)
      core.events.emit("stall", {{"from_ns", due.count()}, {"until_ns", now.count()}});
  });
}

/** The reason why it does not start; empty: it did. */
std::string set_up(Core &core) {
  for (const auto &[name, value] : core.config.options)
    if (!set_option(core.options, name, value)) return "no such option or value: " + name;
  if (!core.truth.open(core.config.truth_file, core.config.reference_dir))
    return "truth file can not be written";
  if (!core.main.listen(core.config.port) || !core.voice.listen()) return "can not listen";
  watch_stalls(core);
  constexpr UserId kBot = 792715454196088842;
  core.world.users[kBot] = {.id = kBot, .username = "recorder", .bot = true};
  core.world.tokens[core.config.token] = kBot;
  if (!add_guild(core, core.config.guild, core.config.channel, core.config.speakers))
    return "no speech: is espeak-ng installed?";
  if (core.config.faults_json.empty()) return {};
  json faults = parse_json(core.config.faults_json);
  if (faults.is_object()) faults = json::array({faults});
  if (!faults.is_array()) return "faults: no JSON object or array of objects";
  for (json &fault : faults) {
    fault["cmd"] = "fault";
    const json reply = run_command(core, fault);
    if (!bool_of(reply, "ok")) return "faults: " + text_of(reply, "error");
  }
  return {};
}

}  // namespace

Server::Server() : impl_(std::make_unique<Impl>()) {}
Server::~Server() = default;

std::unique_ptr<Server> Server::start(const ServerConfig &config, std::string *error) {
  std::string reason;
  std::unique_ptr<Server> server(new Server);
  auto certificates = Certificates::make(config.certificate);
  if (sodium_init() < 0 || !certificates) {
    reason = "no certificate";
  } else {
    ServerConfig full = config;
    if (full.speech_dir.empty()) full.speech_dir = DV_SPEECH_DIR;
    server->impl_->core = std::make_unique<Core>(full, std::move(*certificates));
    Core &core = *server->impl_->core;
    core.loop.run([&] { reason = set_up(core); });
  }
  if (error != nullptr) *error = reason;
  return reason.empty() ? std::move(server) : nullptr;
}

std::string Server::gateway_url() const {
  std::string url;
  impl_->core->loop.run([&] { url = impl_->core->main.url(); });
  return url;
}

std::string Server::ca_file() const { return impl_->core->certificates.ca_file(); }

std::vector<SpeakerInfo> Server::speakers() {
  std::vector<SpeakerInfo> found;
  Core &core = *impl_->core;
  core.loop.run([&] {
    for (auto &[where, call] : core.calls())
      for (const auto &s : call->speakers())
        found.push_back({.user = s->user(),
                         .ssrc = s->ssrc(),
                         .guild = where.first,
                         .channel = where.second,
                         .name = core.world.users[s->user()].username,
                         .wav = s->speech().wav});
  });
  return found;
}

Counters Server::counters() {
  Counters copy;
  impl_->core->loop.run([&] { copy = impl_->core->counters; });
  return copy;
}

std::string Server::command(std::string_view text) {
  const json command = parse_json(text);
  json reply = command_failed("no JSON object");
  if (command.is_object())
    impl_->core->loop.run([&] { reply = run_command(*impl_->core, command); });
  nlohmann::ordered_json line = {{"event", "reply"}, {"cmd", text_of(command, "cmd")}};
  if (command.is_object() && command.contains("id")) line["id"] = command["id"];
  for (const auto &[key, value] : reply.items()) line[key] = value;
  line["at_ns"] = Loop::now().count();
  return line.dump();
}

std::optional<Event> Server::wait_for(std::string_view name, std::uint64_t after,
                                      std::uint64_t count, Time limit) {
  return impl_->core->events.wait(name, after, count, limit);
}
std::vector<Event> Server::events() { return impl_->core->events.all(); }
std::uint64_t Server::last_event() { return impl_->core->events.last(); }
void Server::on_event(std::function<void(const Event &)> listener) {
  impl_->core->events.listen(std::move(listener));
}

std::string Server::listening_json() {
  nlohmann::ordered_json line = {{"event", "listening"},
                                 {"gateway_url", gateway_url()},
                                 {"ca_file", ca_file()},
                                 {"guild_id", std::to_string(impl_->core->config.guild)},
                                 {"channel_id", std::to_string(impl_->core->config.channel)},
                                 {"token", impl_->core->config.token}};
  line["speakers"] = nlohmann::ordered_json::array();
  for (const SpeakerInfo &s : speakers())
    line["speakers"].push_back(
        {{"user_id", std::to_string(s.user)}, {"ssrc", s.ssrc}, {"name", s.name}, {"wav", s.wav}});
  return line.dump();
}

}  // namespace dv::server
