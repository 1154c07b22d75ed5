// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/server/options.hpp"

#include <charconv>
#include <variant>

namespace dv::server {

namespace {

using Field = std::variant<int Options::*, bool Options::*, std::string Options::*>;
struct Entry {
  std::string_view name;
  Field field;
};

const Entry kEntries[] = {
    {"main-heartbeat-ms", &Options::main_heartbeat_ms},
    {"main-ack", &Options::main_ack},
    {"main-hello", &Options::main_hello},
    {"main-resume", &Options::main_resume},
    {"resume-host", &Options::resume_host},
    {"join-answer", &Options::join_answer},
    {"join-server-update", &Options::join_server_update},
    {"server-update-first", &Options::server_update_first},
    {"identify-spacing-ms", &Options::identify_spacing_ms},
    {"allow-privileged", &Options::allow_privileged},
    {"voice-heartbeat-ms", &Options::voice_heartbeat_ms},
    {"voice-ack", &Options::voice_ack},
    {"voice-hello", &Options::voice_hello},
    {"voice-resume", &Options::voice_resume},
    {"voice-seq-start", &Options::voice_seq_start},
    {"external-sender-early", &Options::external_sender_early},
    {"speaking-early", &Options::speaking_early},
    {"send-speaking", &Options::send_speaking},
    {"speaking-after", &Options::speaking_after},
    {"discovery", &Options::discovery},
    {"ping", &Options::ping},
    {"udp", &Options::udp},
    {"udp-follow", &Options::udp_follow},
    {"nat", &Options::nat},
    {"udp-idle-ms", &Options::udp_idle_ms},
    {"rtcp-interval-ms", &Options::rtcp_interval_ms},
    {"speak-delay-ms", &Options::speak_delay_ms},
    {"speak-stagger-ms", &Options::speak_stagger_ms},
    {"allow-no-dave", &Options::allow_no_dave},
    {"transition-timeout-ms", &Options::transition_timeout_ms},
    {"commit-winner", &Options::commit_winner},
    {"overlap-transitions", &Options::overlap_transitions},
    {"transitions", &Options::transitions},
};

struct Setter {
  Options &options;
  std::string_view value;

  bool operator()(int Options::*field) const {
    int number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc() || end != value.data() + value.size() || number < 0) return false;
    options.*field = number;
    return true;
  }
  bool operator()(bool Options::*field) const {
    if (value != "true" && value != "false" && value != "1" && value != "0") return false;
    options.*field = value == "true" || value == "1";
    return true;
  }
  bool operator()(std::string Options::*field) const {
    options.*field = value;
    return true;
  }
};

}  // namespace

bool set_option(Options &options, std::string_view name, std::string_view value) {
  for (const Entry &entry : kEntries)
    if (entry.name == name) return std::visit(Setter{options, value}, entry.field);
  return false;
}

std::vector<std::string> option_names() {
  std::vector<std::string> names;
  for (const Entry &entry : kEntries) names.emplace_back(entry.name);
  return names;
}

}  // namespace dv::server
