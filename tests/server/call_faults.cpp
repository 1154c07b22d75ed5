// SPDX-License-Identifier: LGPL-2.1-or-later
#include <nlohmann/json.hpp>

#include "tests/server/call.hpp"
#include "tests/server/core.hpp"
#include "tests/server/rtp_build.hpp"

namespace dv::server {

using nlohmann::json;

namespace {

void fill(Bytes &bytes, std::size_t from, std::mt19937_64 &random) {
  for (std::size_t i = from; i < bytes.size(); i++) bytes[i] = static_cast<std::uint8_t>(random());
}

}  // namespace

std::size_t Call::garbage(const std::string &kind, std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::size_t sent = 0;
  for (VoiceSession *session : sessions_) {
    if (!session->transport) continue;
    for (std::size_t n = 0; n < count; n++) {
      const auto out = bad_datagram(kind, *session, n, random);
      if (!out) return 0;
      sent += session->node->media->send(*session, *out);
    }
  }
  return sent;
}

/** Number `n` of a row; nothing if there is no such kind. */
std::optional<Bytes> Call::bad_datagram(const std::string &kind, VoiceSession &session,
                                        std::size_t n, std::mt19937_64 &random) {
  const Speaker *speaker = speakers_.empty() ? nullptr : speakers_[n % speakers_.size()].get();
  const Ssrc ssrc = speaker == nullptr ? 4711 : speaker->ssrc();
  const SpeakerFrame frame{.seq = static_cast<std::uint16_t>(random()),
                           .rtp = static_cast<std::uint32_t>(random())};
  Bytes noise(20 + random() % 200);
  fill(noise, 0, random);
  const auto sealed = [&](ByteView payload, Ssrc from) {
    return session.transport->seal_rtp(build_rtp(frame, from, {.extension = true}, payload));
  };
  if (kind == "random" || kind == "short") {
    noise.resize(random() % (kind == "short" ? 12 : 300));
    fill(noise, 0, random);
    return noise;
  }
  if (kind == "truncated") {
    Bytes out = sealed(noise, ssrc);
    out.resize(random() % out.size());
    return out;
  }
  if (kind == "forged") return build_rtp(frame, ssrc, {.extension = true}, noise);
  if (kind == "foreign") return sealed(noise, 0x7fffff00U + static_cast<Ssrc>(n % 16));
  if (kind == "no-opus") return sealed(Bytes{0xff, 0x41}, ssrc);
  if (kind == "video") {
    Bytes packet = build_rtp(frame, ssrc + 1, {.extension = true}, noise);
    packet[1] = kVideoPayloadType;
    return session.transport->seal_rtp(packet);
  }
  if (kind == "rtcp") {
    store_be16(noise.data(), 0x80c8);
    return noise;
  }
  if (kind == "dave-plain") return sealed(noise, ssrc);
  if (kind == "dave-forged") {  // has the shape of a protocol frame: tag, counter, size, marker
    const std::uint8_t trailer[] = {0x07, 0x0c, 0xfa, 0xfa};
    noise.insert(noise.end(), std::begin(trailer), std::end(trailer));
    return sealed(noise, ssrc);
  }
  if (kind == "dave-replay") {
    const auto last = speaker == nullptr ? last_frame_.end() : last_frame_.find(speaker->user());
    return sealed(last == last_frame_.end() ? noise : last->second, ssrc);
  }
  return std::nullopt;
}

void Call::announce_video(Speaker &speaker, bool on) {
  video_[speaker.user()] = on;
  const Ssrc audio = speaker.ssrc();
  json streams = json::array();
  if (on)
    streams.push_back({{"type", "video"},
                       {"rid", "100"},
                       {"ssrc", audio + 1},
                       {"rtx_ssrc", audio + 2},
                       {"quality", 100},
                       {"active", true},
                       {"max_framerate", 60},
                       {"max_resolution", {{"type", "source"}, {"width", 0}, {"height", 0}}}});
  broadcast(12, {{"user_id", std::to_string(speaker.user())},
                 {"audio_ssrc", audio},
                 {"video_ssrc", on ? audio + 1 : 0},
                 {"streams", streams}});
}

/** What a server sends about media: reports of those who speak, and about what the client sent. */
void Call::send_rtcp() {
  for (VoiceSession *session : sessions_) {
    if (!session->ready || !session->transport) continue;
    const auto send = [&](const Bytes &compound) {
      session->node->media->send(*session, session->transport->seal_rtcp(compound));
    };
    for (const auto &speaker : speakers_) {
      const auto known = announced_.find(speaker->user());
      if (known == announced_.end() || known->second != speaker->ssrc()) continue;
      send(build_sender_report(
          {.sender = speaker->ssrc(),
           .rtp = static_cast<std::uint32_t>(Loop::now().count() / 1000 * 48 / 1000),
           .packets = static_cast<std::uint32_t>(speaker->counters.sent),
           .octets = static_cast<std::uint32_t>(speaker->counters.sent * 160)}));
    }
    send(build_receiver_report({.sender = 1, .about = session->ssrc}));
    if (random_() % 4 == 0) send(build_farewell({.sender = 2}));
  }
}

}  // namespace dv::server
