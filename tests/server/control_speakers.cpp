// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/server/call.hpp"
#include "tests/server/control.hpp"
#include "tests/server/core.hpp"
#include "tests/server/json_util.hpp"

namespace dv::server {

using nlohmann::json;

namespace {

struct ChosenSpeaker {
  Call *call;
  Speaker *speaker;
};

/** The speaker of the field `user`, or all of them if there is none. */
std::vector<ChosenSpeaker> chosen_speakers(Core &core, const json &command) {
  const UserId user = id_of(command, "user");
  std::vector<ChosenSpeaker> found;
  for (auto &[where, call] : core.calls())
    for (auto &speaker : call->speakers())
      if (user == 0 || speaker->user() == user) found.push_back({call.get(), speaker.get()});
  return found;
}

double percent(const json &command, const char *key, double current) {
  return command.contains(key) ? std::clamp(command[key].get<double>(), 0.0, 100.0) : current;
}

FaultSettings merged(FaultSettings s, const json &c) {
  s.loss = percent(c, "loss", s.loss);
  s.reorder = percent(c, "reorder", s.reorder);
  s.duplicate = percent(c, "duplicate", s.duplicate);
  s.padding = percent(c, "padding", s.padding);
  s.extension = percent(c, "extension", s.extension);
  s.csrc = percent(c, "csrc", s.csrc);
  s.corrupt = percent(c, "corrupt", s.corrupt);
  s.truncate = percent(c, "truncate", s.truncate);
  s.jitter_ms = c.value("jitter-ms", s.jitter_ms);
  s.seed = c.value("seed", s.seed);
  return s;
}

json fault(Core &core, const json &command) {
  const auto found = chosen_speakers(core, command);
  if (found.empty()) return command_failed("no such speaker");
  for (const auto &[call, speaker] : found) {
    speaker->faults.set(merged(speaker->faults.settings(), command));
    SpeakerProfile profile = speaker->profile();
    profile.advance = command.value("advance", profile.advance);
    profile.silence_frames = command.value("silence-frames", profile.silence_frames);
    profile.plain_silence = command.value("plain-silence", profile.plain_silence);
    profile.drift_ppm = command.value("drift-ppm", profile.drift_ppm);
    if (command.contains("start-seq"))
      profile.start_seq = command["start-seq"].get<std::uint16_t>();
    if (command.contains("start-rtp"))
      profile.start_rtp = command["start-rtp"].get<std::uint32_t>();
    const unsigned frame_ms = command.value("frame-ms", profile.frame_ms);
    if (frame_ms != 20 && frame_ms != 40 && frame_ms != 60)
      return command_failed("frame-ms: 20, 40 or 60");
    auto speech = speaker->shared_speech();
    if (frame_ms != profile.frame_ms) {
      profile.frame_ms = frame_ms;
      speech = load_speech(core.config.speech_dir, speech_index(speaker->user()), frame_ms);
      if (!speech) return command_failed("no speech");
    }
    speaker->set_profile(profile, std::move(speech));
  }
  return command_done();
}

json speak(Core &core, const json &command) {
  const auto found = chosen_speakers(core, command);
  if (found.empty()) return command_failed("no such speaker");
  const Time delay = std::chrono::milliseconds(command.value("delay-ms", 0));
  for (const auto &[call, speaker] : found) call->start_speaking(*speaker, delay);
  return command_done();
}

json stop_speaking(Core &core, const json &command) {
  for (const auto &[call, speaker] : chosen_speakers(core, command)) speaker->stop(Loop::now());
  return command_done();
}

json ssrc_change(Core &core, const json &command) {
  const auto found = chosen_speakers(core, command);
  if (found.size() != 1) return command_failed("needs one user");
  const Ssrc ssrc = command.value("ssrc", core.voice.new_ssrc());
  found[0].call->change_ssrc(*found[0].speaker, ssrc, command.value("rejoin", false));
  return {{"ok", true}, {"ssrc", ssrc}};
}

/** Another user takes over the SSRC of the first one, who gets a new one. */
json ssrc_takeover(Core &core, const json &command) {
  const UserId from = id_of(command, "from"), to = id_of(command, "to");
  for (auto &[where, call] : core.calls()) {
    Speaker *a = call->speaker(from), *b = call->speaker(to);
    if (a == nullptr || b == nullptr || a == b) continue;
    const Ssrc ssrc = a->ssrc();
    call->change_ssrc(*a, core.voice.new_ssrc(), false);
    call->change_ssrc(*b, ssrc, false);
    return {{"ok", true}, {"ssrc", ssrc}};
  }
  return command_failed("needs two users of one call: from, to");
}

json video(Core &core, const json &command) {
  for (const auto &[call, speaker] : chosen_speakers(core, command))
    call->announce_video(*speaker, command.value("on", true));
  return command_done();
}

json garbage(Core &core, const json &command) {
  constexpr std::string_view kKinds[] = {"random",     "short",       "truncated",  "forged",
                                         "rtcp",       "foreign",     "video",      "no-opus",
                                         "dave-plain", "dave-forged", "dave-replay"};
  const std::string kind = command.value("kind", "random");
  if (std::find(std::begin(kKinds), std::end(kKinds), kind) == std::end(kKinds))
    return command_failed("no such kind");
  std::size_t sent = 0;
  for (auto &[where, call] : core.calls())
    sent += call->garbage(kind, command.value("count", std::size_t{1000}),
                          command.value("seed", std::uint64_t{1}));
  return {{"ok", true}, {"sent", sent}};
}

json stats(Core &core, const json &) {
  json speakers = json::array(), sessions = json::array();
  for (const auto &[call, s] : chosen_speakers(core, json::object()))
    speakers.push_back({{"user_id", std::to_string(s->user())},
                        {"ssrc", s->ssrc()},
                        {"talking", s->talking()},
                        {"sent", s->counters.sent},
                        {"dropped", s->counters.dropped},
                        {"duplicated", s->counters.duplicated},
                        {"reordered", s->counters.reordered},
                        {"delayed", s->counters.delayed},
                        {"padded", s->counters.padded},
                        {"corrupted", s->counters.corrupted},
                        {"truncated", s->counters.truncated},
                        {"unheard", s->counters.unheard}});
  for (const auto &s : core.voice.sessions())
    sessions.push_back({{"user_id", std::to_string(s->user)},
                        {"guild_id", std::to_string(s->guild)},
                        {"ssrc", s->ssrc},
                        {"ready", s->ready},
                        {"connected", s->connection != nullptr},
                        {"sent_datagrams", s->sent_packets}});
  const Counters &c = core.counters;
  core.truth.flush();
  return {{"ok", true},
          {"event", "stats"},
          {"speakers", speakers},
          {"sessions", sessions},
          {"connections", c.connections},
          {"identifies", c.identifies},
          {"resumes", c.resumes},
          {"voice_identifies", c.voice_identifies},
          {"voice_resumes", c.voice_resumes},
          {"voice_state_requests", c.voice_state_requests},
          {"pings", c.pings},
          {"datagrams_in", c.datagrams_in},
          {"datagrams_out", c.datagrams_out},
          {"client_rtp", c.client_rtp},
          {"client_rtp_bad", c.client_rtp_bad},
          {"client_frames_opened", c.client_frames_opened},
          {"client_frames_refused", c.client_frames_refused}};
}

}  // namespace

void add_speaker_commands(Commands &commands) {
  commands["fault"] = fault;
  commands["speak"] = speak;
  commands["stop-speaking"] = stop_speaking;
  commands["ssrc-change"] = ssrc_change;
  commands["ssrc-takeover"] = ssrc_takeover;
  commands["video"] = video;
  commands["garbage"] = garbage;
  commands["stats"] = stats;
}

}  // namespace dv::server
