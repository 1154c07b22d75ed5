// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ext/wire/ids.hpp"

namespace dv::server {

/** Behaviour that can be changed at any time, by `--option name=value` or the command `option`. */
struct Options {
  // Main gateway
  int main_heartbeat_ms = 41250;
  bool main_ack = true;              ///< answer heartbeats
  bool main_hello = true;            ///< greet new connections
  bool main_resume = true;           ///< accept Resume; false: op 9 `false`
  std::string resume_host;           ///< of READY's resume_gateway_url; empty: this server's
  bool join_answer = true;           ///< answer op 4; false: as a full channel does, not at all
  bool join_server_update = true;    ///< send VOICE_SERVER_UPDATE after a join
  bool server_update_first = false;  ///< VOICE_SERVER_UPDATE before VOICE_STATE_UPDATE
  int identify_spacing_ms = 0;       ///< a second Identify within it gets op 9 `false`
  bool allow_privileged = false;     ///< else privileged intents are closed with 4014
  // Voice gateway
  int voice_heartbeat_ms = 13750;
  bool voice_ack = true;
  bool voice_hello = true;
  bool voice_resume = true;            ///< accept Resume; false: close 4006
  int voice_seq_start = 1;             ///< number of a session's first numbered message
  bool external_sender_early = false;  ///< op 25 right behind Ready instead of behind op 4
  bool speaking_early = true;          ///< op 5 of those who talk already right behind Ready
  bool send_speaking = true;           ///< send op 5 at all
  int speaking_after = 0;              ///< packets that a speaker is ahead of op 5
  // Media
  bool discovery = true;    ///< answer IP discovery
  bool ping = true;         ///< answer 1337CAFE
  bool udp = true;          ///< false: the media port neither answers nor sends
  bool udp_follow = true;   ///< a later discovery request moves the session to where it came from
  bool nat = false;         ///< new voice servers are behind a NAT that `nat-rebind` can confuse
  int udp_idle_ms = 60000;  ///< nothing heard from a client for so long: it gets no media; 0: never
  int rtcp_interval_ms = 2000;  ///< sender reports of speakers and receiver reports; 0: none
  int speak_delay_ms = 200;     ///< between a session being ready and the first speaker
  int speak_stagger_ms = 300;   ///< between speakers
  // End-to-end encryption
  bool allow_no_dave = false;  ///< clients without DAVE are let in, and the call is downgraded
  int transition_timeout_ms = 2000;   ///< op 22 without the last op 23
  std::string commit_winner = "any";  ///< any, client, speaker, or a user id
  bool overlap_transitions = false;   ///< propose further changes before op 22 of the last one
  bool transitions = true;            ///< false: transition id 0, all switch at once
};

/** False if there is no such option or the value does not fit it. */
bool set_option(Options &options, std::string_view name, std::string_view value);
std::vector<std::string> option_names();

}  // namespace dv::server
