// SPDX-License-Identifier: LGPL-2.1-or-later
// The local voice server as a program: one JSON object per line on stdout for each event, commands
// as JSON lines on stdin. docs/test-server.md describes both.
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <string>

#include "tests/server/options.hpp"
#include "tests/server/server.hpp"
#include "tests/server/speech.hpp"

namespace {

using dv::server::Server;
using dv::server::ServerConfig;

constexpr const char *kHelp =
    R"(discord-voice-server [OPTION...]: a local Discord voice service with talking members

  --speakers N        virtual speakers (3)
  --guild ID          guild (81384788765712384)
  --channel ID        its voice channel (81384788765712385)
  --token TOKEN       the bot token it accepts (a test token)
  --duration SECONDS  ends after this (0: when stdin closes or on SIGTERM)
  --port P            of the main gateway (0: any)
  --dave 0|1          end-to-end encrypted calls
  --modes LIST        transport modes on offer: gcm, xchacha, or both with a comma between
  --speak-at WHEN     ready: once a client can hear; never: by command only
  --speech-dir DIR    where the speech made with espeak-ng is kept
  --faults JSON       one object of the command `fault`, or an array of them
  --truth FILE        JSON lines: what was really sent, and when
  --reference DIR     PCM of what was sent, decoded in order
  --certificate KIND  good, expired, not-yet-valid, wrong-host, self-signed, unknown-ca, weak
  --option NAME=VALUE behaviour, see --help-options; may be repeated
  --prepare           make the speech, then end

One JSON object per line comes on stdout for each event, the first one is "listening". Commands are
JSON lines on stdin, e.g. {"cmd":"close-voice","code":4006} or {"cmd":"quit"}.
)";

struct Arguments {
  ServerConfig config;
  double duration = 0;
  bool prepare = false;
};

template <typename T>
bool number(const std::string &text, T &out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

bool parse_modes(const std::string &list, std::vector<std::string> &modes) {
  modes.clear();
  for (std::size_t at = 0; at <= list.size();) {
    const std::size_t comma = std::min(list.find(',', at), list.size());
    const std::string name = list.substr(at, comma - at);
    if (name == "gcm")
      modes.emplace_back("aead_aes256_gcm_rtpsize");
    else if (name == "xchacha")
      modes.emplace_back("aead_xchacha20_poly1305_rtpsize");
    else
      return false;
    at = comma + 1;
  }
  return true;
}

bool set(Arguments &a, const std::string &name, const std::string &value) {
  ServerConfig &c = a.config;
  if (name == "--speakers") return number(value, c.speakers);
  if (name == "--guild") return number(value, c.guild);
  if (name == "--channel") return number(value, c.channel);
  if (name == "--port") return number(value, c.port);
  if (name == "--duration") return number(value, a.duration);
  if (name == "--modes") return parse_modes(value, c.modes);
  if (name == "--token") return c.token = value, true;
  if (name == "--speech-dir") return c.speech_dir = value, true;
  if (name == "--faults") return c.faults_json = value, true;
  if (name == "--truth") return c.truth_file = value, true;
  if (name == "--reference") return c.reference_dir = value, true;
  if (name == "--dave") return c.dave = value == "1", value == "0" || value == "1";
  if (name == "--speak-at") return c.speak = value == "ready", value == "ready" || value == "never";
  if (name == "--certificate") {
    const auto kind = dv::server::certificate_kind(value);
    if (kind) c.certificate = *kind;
    return kind.has_value();
  }
  if (name == "--option") {
    const auto equal = value.find('=');
    if (equal == value.npos) return false;
    c.options.emplace_back(value.substr(0, equal), value.substr(equal + 1));
    return true;
  }
  return false;
}

/** False: end with the exit code. */
bool parse(int argc, char **argv, Arguments &a, int &code) {
  code = 0;
  for (int i = 1; i < argc; i++) {
    std::string name = argv[i], value;
    if (name == "--help" || name == "-h") return std::fputs(kHelp, stdout), false;
    if (name == "--help-options") {
      for (const auto &option : dv::server::option_names()) std::puts(option.c_str());
      return false;
    }
    if (name == "--prepare") {
      a.prepare = true;
      continue;
    }
    const auto equal = name.find('=');
    if (name != "--option" && equal != name.npos) {
      value = name.substr(equal + 1);
      name.resize(equal);
    } else if (i + 1 < argc) {
      value = argv[++i];
    }
    if (set(a, name, value)) continue;
    std::fprintf(stderr, "%s: unknown option or bad value: %s %s\n", argv[0], name.c_str(),
                 value.c_str());
    code = 2;
    return false;
  }
  return true;
}

std::mutex output_mutex;  // events and replies come from two threads

void print_line(const std::string &line) {
  std::lock_guard lock(output_mutex);
  std::fwrite(line.data(), 1, line.size(), stdout);
  std::fputc('\n', stdout);
  std::fflush(stdout);
}

/** Runs commands from stdin until the end. */
void serve(Server &server, int signals, double duration) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(duration);
  std::string pending;
  pollfd fds[2] = {{STDIN_FILENO, POLLIN, 0}, {signals, POLLIN, 0}};
  for (;;) {
    int timeout = -1;
    if (duration > 0) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
          end - std::chrono::steady_clock::now());
      if (left.count() <= 0) return;
      timeout = static_cast<int>(left.count()) + 1;
    }
    if (poll(fds, 2, timeout) < 0 && errno != EINTR) return;
    if (fds[1].revents != 0) return;
    if (fds[0].revents == 0) continue;
    char buffer[65536];
    const ssize_t got = read(STDIN_FILENO, buffer, sizeof buffer);
    if (got <= 0) {
      if (duration <= 0) return;
      fds[0].fd = -1;
      continue;
    }
    pending.append(buffer, static_cast<std::size_t>(got));
    for (std::size_t newline; (newline = pending.find('\n')) != pending.npos;) {
      const std::string line = pending.substr(0, newline);
      pending.erase(0, newline + 1);
      if (line.find_first_not_of(" \t\r") == line.npos) continue;
      if (line.find("\"quit\"") != line.npos) return;
      print_line(server.command(line));
    }
  }
}

}  // namespace

int main(int argc, char **argv) {
  Arguments arguments;
  int code = 0;
  if (!parse(argc, argv, arguments, code)) return code;
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
  const int signals = signalfd(-1, &set, SFD_CLOEXEC);
  std::string error;
  auto server = Server::start(arguments.config, &error);
  if (!server) {
    std::fprintf(stderr, "%s: %s\n", argv[0], error.c_str());
    return 1;
  }
  if (arguments.prepare) return 0;
  print_line(server->listening_json());
  server->on_event([](const dv::server::Event &event) { print_line(event.json); });
  serve(*server, signals, arguments.duration);
  server->on_event(nullptr);
  print_line(server->command(R"({"cmd":"stats"})"));
  server.reset();
  print_line(R"({"event":"ended"})");
  close(signals);
  return 0;
}
