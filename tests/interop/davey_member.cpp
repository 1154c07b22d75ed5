// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/interop/davey_member.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <stdexcept>

#include "tests/support/hex.hpp"

namespace dv::test {

using Json = nlohmann::json;

namespace {
constexpr int kReplyTimeoutMs = 60000;  // for a machine whose host takes the CPU away
}

DaveyHost::DaveyHost(const std::string &script, const std::string &modules) {
  int in[2];
  int out[2];
  if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) throw std::runtime_error("no pipes");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], 0);
  posix_spawn_file_actions_adddup2(&actions, out[1], 1);
  std::string argv0 = "node";
  std::string argv1 = script;
  std::string argv2 = modules;
  char *argv[] = {argv0.data(), argv1.data(), argv2.data(), nullptr};
  const int error = posix_spawnp(&pid_, "node", &actions, nullptr, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  close(in[0]);
  close(out[1]);
  to_ = in[1];
  from_ = out[0];
  if (error != 0) throw std::runtime_error("node does not start");
}

DaveyHost::~DaveyHost() {
  close(to_);
  close(from_);
  if (pid_ > 0) waitpid(pid_, nullptr, 0);  // its input has ended, so it does
}

std::string DaveyHost::read_line() {
  for (;;) {
    const auto end = pending_.find('\n');
    if (end != std::string::npos) {
      std::string line = pending_.substr(0, end);
      pending_.erase(0, end + 1);
      return line;
    }
    pollfd ready{from_, POLLIN, 0};
    if (poll(&ready, 1, kReplyTimeoutMs) <= 0) throw std::runtime_error("node does not answer");
    char buffer[65536];
    const ssize_t n = read(from_, buffer, sizeof buffer);
    if (n <= 0) throw std::runtime_error("node has ended");
    pending_.append(buffer, static_cast<std::size_t>(n));
  }
}

Json DaveyHost::ask(const Json &request) {
  const std::string line = request.dump() + "\n";
  for (std::size_t done = 0; done < line.size();) {
    const ssize_t n = write(to_, line.data() + done, line.size() - done);
    if (n <= 0) throw std::runtime_error("node has ended");
    done += static_cast<std::size_t>(n);
  }
  return Json::parse(read_line());
}

DaveyMember::DaveyMember(DaveyHost &host, UserId self, ChannelId channel)
    : host_(host), id_(host.new_member_id()) {
  ask("new", {{"user", std::to_string(self)}, {"channel", std::to_string(channel)}});
}

DaveyMember::~DaveyMember() { ask("delete", Json::object()); }

Json DaveyMember::ask(const char *what, Json more) {
  more["member"] = id_;
  more["do"] = what;
  return host_.ask(more);
}

Answers DaveyMember::answers(const char *what, Json more) {
  const Json reply = ask(what, std::move(more));
  Answers all;
  if (!reply.contains("answers")) return all;
  for (const auto &a : reply.at("answers")) {
    Answer answer;
    answer.op = a.at("op");
    if (a.contains("payload")) answer.payload = from_hex(a.at("payload").get<std::string>());
    if (a.contains("transition_id")) answer.transition_id = a.at("transition_id");
    all.push_back(std::move(answer));
  }
  return all;
}

std::string DaveyMember::value(const char *what, Json more) {
  const Json reply = ask(what, std::move(more));
  return reply.contains("value") ? reply.at("value").get<std::string>() : "";
}

Answers DaveyMember::session_description(std::uint16_t version) {
  return answers("describe", {{"version", version}});
}

Answers DaveyMember::clients_connect(const std::vector<UserId> &users) {
  Json list = Json::array();
  for (const UserId user : users) list.push_back(std::to_string(user));
  return answers("connect", {{"users", list}});
}

Answers DaveyMember::client_disconnect(UserId user) {
  return answers("disconnect", {{"user", std::to_string(user)}});
}

Answers DaveyMember::prepare_transition(std::uint16_t id, std::uint16_t version) {
  return answers("prepare", {{"id", id}, {"version", version}});
}

Answers DaveyMember::execute_transition(std::uint16_t id) {
  return answers("execute", {{"id", id}});
}

Answers DaveyMember::prepare_epoch(std::uint16_t version, std::uint64_t epoch) {
  return answers("epoch", {{"version", version}, {"epoch", epoch}});
}

Answers DaveyMember::binary(std::uint8_t op, ByteView payload) {
  return answers("binary", {{"op", op}, {"payload", to_hex(payload)}});
}

Bytes DaveyMember::authenticator() { return from_hex(value("authenticator", Json::object())); }

Bytes DaveyMember::seal(ByteView media) {
  return from_hex(value("seal", {{"media", to_hex(media)}}));
}

Bytes DaveyMember::open(UserId from, ByteView frame) {
  return from_hex(value("open", {{"from", std::to_string(from)}, {"frame", to_hex(frame)}}));
}

std::string DaveyMember::privacy_code() { return value("code", Json::object()); }

std::string DaveyMember::fingerprint_with(UserId user) {
  return value("fingerprint", {{"user", std::to_string(user)}});
}

}  // namespace dv::test
