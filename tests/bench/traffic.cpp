// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/bench/traffic.hpp"

#include <opus.h>

#include <cmath>
#include <memory>
#include <random>

#include "tests/server/speech.hpp"
#include "tests/support/opus_source.hpp"
#include "tests/support/sealed_stream.hpp"

namespace dv::bench {
namespace {

constexpr unsigned kVoices = 8;
constexpr int kPacketsEach = 400;

std::vector<Bytes> tone(unsigned seed, int packets) {
  test::OpusSource source({.seed = seed, .bitrate = 64000});
  std::vector<Bytes> out;
  for (int i = 0; i < packets; ++i) out.push_back(source.next());
  return out;
}

std::vector<Bytes> music(unsigned seed) {
  int error = 0;
  const std::unique_ptr<OpusEncoder, decltype(&opus_encoder_destroy)> encoder(
      opus_encoder_create(48000, 2, OPUS_APPLICATION_AUDIO, &error), opus_encoder_destroy);
  opus_encoder_ctl(encoder.get(), OPUS_SET_BITRATE(128000));
  opus_encoder_ctl(encoder.get(), OPUS_SET_SIGNAL(OPUS_SIGNAL_MUSIC));
  std::mt19937 random(seed);
  std::normal_distribution<float> noise(0, 0.02F);
  std::vector<Bytes> out;
  std::vector<float> pcm(960 * 2);
  for (int i = 0; i < kPacketsEach; ++i) {
    for (int n = 0; n < 960; ++n) {
      const double t = (i * 960.0 + n) / 48000;
      const double beat = std::exp(-4 * std::fmod(t, 0.5));
      double v = 0;
      for (const double step : {1.0, 1.26, 1.5, 2.0, 3.0, 4.04})
        v += std::sin(6.2831853 * 110 * (1 + seed * 0.1) * step * t) / step;
      const auto chord = static_cast<float>(0.15 * v * (0.4 + beat));
      pcm[static_cast<std::size_t>(2 * n)] = chord + noise(random);
      pcm[static_cast<std::size_t>(2 * n + 1)] = 0.7F * chord + noise(random);
    }
    Bytes packet(1500);
    const int size = opus_encode_float(encoder.get(), pcm.data(), 960, packet.data(), 1500);
    packet.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    out.push_back(std::move(packet));
  }
  return out;
}

}  // namespace

Material make_speech(const std::string &directory) {
  Material material{"speech 64k", {}};
  for (unsigned i = 0; i < kVoices; ++i) {
    const auto speech = server::load_speech(directory, i);
    material.voices.push_back(speech ? speech->packets : tone(i, kPacketsEach));
  }
  return material;
}

Material make_tone() { return {"tone 64k", {tone(1, 60), tone(2, 60)}}; }

Material make_music() {
  Material material{"music 128k", {}};
  for (unsigned i = 0; i < 4; ++i) material.voices.push_back(music(i));
  return material;
}

Traffic make_traffic(const Material &material, const TrafficSpec &spec) {
  Traffic traffic;
  traffic.mode = spec.mode;
  traffic.dave = spec.dave;
  traffic.streams = spec.streams;
  test::SealedSession session(traffic.session, spec.mode);
  traffic.keys.push_back(session.transport_key());
  const auto key = std::get<TransportKeyUpdate>(traffic.keys.front()).key.view();
  traffic.transport_key.assign(key.begin(), key.end());
  std::vector<test::SealedStream> speakers;
  std::vector<UserId> users;
  speakers.reserve(spec.streams);
  for (std::size_t i = 0; i < spec.streams; ++i) {
    users.push_back(kFirstUser + i);
    speakers.emplace_back(session, static_cast<Ssrc>(spec.first_ssrc + i), users.back(), kFirstSeq);
    if (spec.dave) speakers.back().frames().set_key(test::base_secret(users.back(), 1));
    traffic.keys.push_back(speakers.back().binding());
  }
  const SessionId id = traffic.session;
  traffic.keys.push_back(spec.dave ? test::dave_epoch(id, 1, users) : test::plain_session(id));
  traffic.datagrams.reserve(spec.rounds * spec.streams);
  for (std::size_t round = 0; round < spec.rounds; ++round) {
    for (std::size_t i = 0; i < spec.streams; ++i) {
      // Every other voice is stereo and every other stream goes to the other worker: neighbours
      // speak with one voice, so that both workers have as much to do.
      const auto &packets = material.voices[i / 2 % material.voices.size()];
      // Everybody begins somewhere else, so that no two streams are at the same packet.
      traffic.datagrams.push_back(speakers[i].send(packets[(round + 31 * i) % packets.size()]));
    }
  }
  return traffic;
}

std::vector<Bytes> make_bad(const Traffic &good) {
  std::mt19937 random(7);
  std::vector<Bytes> bad = good.datagrams;
  for (std::size_t i = 0; i < bad.size(); ++i) {
    Bytes &d = bad[i];
    switch (i % 3) {
      case 0:
        d[d.size() / 2] ^= 0x40;
        break;
      case 1:
        for (std::size_t n = 8; n < 12; ++n) d[n] = static_cast<std::uint8_t>(random());
        break;
      default:
        d.resize(random() % 40);
        for (auto &byte : d) byte = static_cast<std::uint8_t>(random());
    }
  }
  return bad;
}

}  // namespace dv::bench
