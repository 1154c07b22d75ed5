// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/server/speech.hpp"

#include <fcntl.h>
#include <opus.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <numbers>
#include <optional>
#include <string_view>

extern char **environ;

namespace dv::server {

namespace {

constexpr unsigned kRate = 48000;
constexpr unsigned kVoices = 24;

const char *const kVariants[] = {"m1", "f1", "m3", "f3", "m7", "f2",
                                 "m2", "f5", "m5", "f4", "m4", "m6"};

const char *const kSentences[] = {
    "Good evening everybody, can you all hear me well tonight?",
    "The ferry to the island leaves at seven, and the last bus is already gone.",
    "I have put the new recording on the shelf next to the window.",
    "Seventeen sheep crossed the narrow bridge behind the old mill.",
    "We should talk about the budget before the others come back.",
    "My sister plays the cello, but she would rather fix engines.",
    "Turn left after the bakery and follow the river for a mile.",
    "Nobody expected snow in the middle of such a warm April.",
    "Please write that down, because I will surely forget it.",
    "The second half of the match was far better than the first.",
    "He keeps his stamps in a box that smells of cinnamon.",
    "Let us meet at the station at a quarter past nine.",
};

/** Samples of silence behind a sentence; a multiple of 60 ms, so that every frame size fits. */
std::uint32_t pause_after(unsigned voice, unsigned sentence) {
  return (12 + (voice * 5 + sentence * 7) % 17) * 2880;
}

bool run(const std::vector<std::string> &arguments) {
  std::vector<char *> argv;
  for (const auto &a : arguments) argv.push_back(const_cast<char *>(a.c_str()));
  argv.push_back(nullptr);
  // A sanitizer that is preloaded into this process is not for others: espeak-ng hangs with it.
  std::vector<char *> environment;
  for (char **e = environ; *e != nullptr; ++e)
    if (!std::string_view(*e).starts_with("LD_PRELOAD=")) environment.push_back(*e);
  environment.push_back(nullptr);
  pid_t child = 0;
  if (posix_spawnp(&child, argv[0], nullptr, nullptr, argv.data(), environment.data()) != 0)
    return false;
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

struct Pcm {
  unsigned rate = 0;
  std::vector<std::int16_t> samples;
};

std::uint32_t le32(const char *p) {
  const auto *b = reinterpret_cast<const std::uint8_t *>(p);
  return b[0] | b[1] << 8 | b[2] << 16 | std::uint32_t{b[3]} << 24;
}

/** Mono S16 WAV as espeak-ng and `write_wav` make it. */
std::optional<Pcm> read_wav(const std::string &path) {
  std::ifstream in(path, std::ios::binary);
  const std::string all((std::istreambuf_iterator<char>(in)), {});
  if (all.size() < 44 || all.compare(0, 4, "RIFF") != 0) return std::nullopt;
  Pcm pcm;
  pcm.rate = le32(all.data() + 24);
  const std::size_t data = all.find("data", 12);
  if (data == all.npos || data + 8 > all.size()) return std::nullopt;
  const std::size_t size =
      std::min<std::size_t>(le32(all.data() + data + 4), all.size() - data - 8);
  pcm.samples.resize(size / 2);
  for (std::size_t i = 0; i < pcm.samples.size(); i++) {
    const auto *b = reinterpret_cast<const std::uint8_t *>(all.data() + data + 8 + 2 * i);
    pcm.samples[i] = static_cast<std::int16_t>(b[0] | b[1] << 8);
  }
  return pcm;
}

void put_le(std::string &out, std::uint32_t value, int bytes) {
  for (int i = 0; i < bytes; i++) out.push_back(static_cast<char>(value >> (8 * i)));
}

/** Other processes see the whole file or none. */
bool write_file(const std::string &path, const std::string &content) {
  const std::string part = path + "." + std::to_string(getpid()) + ".part";
  std::ofstream out(part, std::ios::binary);
  out << content;
  out.close();
  std::error_code error;
  std::filesystem::rename(part, path, error);
  return out && !error;
}

bool write_wav(const std::string &path, const std::vector<std::int16_t> &samples) {
  std::string out = "RIFF";
  const auto size = static_cast<std::uint32_t>(samples.size() * 2);
  put_le(out, 36 + size, 4);
  out += "WAVEfmt ";
  put_le(out, 16, 4);
  put_le(out, 1, 2);
  put_le(out, 1, 2);
  put_le(out, kRate, 4);
  put_le(out, kRate * 2, 4);
  put_le(out, 2, 2);
  put_le(out, 16, 2);
  out += "data";
  put_le(out, size, 4);
  for (std::int16_t s : samples) put_le(out, static_cast<std::uint16_t>(s), 2);
  return write_file(path, out);
}

/** Band-limited interpolation with a Hann-windowed sinc of 16 zero crossings to each side. */
std::vector<std::int16_t> resample(const Pcm &in) {
  constexpr int kSide = 16;
  const double step = static_cast<double>(in.rate) / kRate;
  const auto count = static_cast<std::size_t>(static_cast<double>(in.samples.size()) / step);
  std::vector<std::int16_t> out(count);
  for (std::size_t i = 0; i < count; i++) {
    const double at = static_cast<double>(i) * step;
    const auto middle = static_cast<std::ptrdiff_t>(at);
    double sum = 0;
    for (std::ptrdiff_t k = middle - kSide + 1; k <= middle + kSide; k++) {
      if (k < 0 || k >= static_cast<std::ptrdiff_t>(in.samples.size())) continue;
      const double x = at - static_cast<double>(k);
      const double window = 0.5 + 0.5 * std::cos(std::numbers::pi * x / kSide);
      const double sinc =
          std::abs(x) < 1e-9 ? 1 : std::sin(std::numbers::pi * x) / (std::numbers::pi * x);
      sum += sinc * window * in.samples[static_cast<std::size_t>(k)];
    }
    out[i] = static_cast<std::int16_t>(std::clamp(std::lround(sum * 0.8), -32768L, 32767L));
  }
  return out;
}

std::optional<std::vector<std::int16_t>> say(const std::string &directory, unsigned voice,
                                             unsigned sentence) {
  const std::string part = directory + "/say-" + std::to_string(voice) + "-" +
                           std::to_string(sentence) + "." + std::to_string(getpid()) + ".part";
  const auto variants = std::size(kVariants);
  const bool ok =
      run({"espeak-ng", "-v", std::string("en-us+") + kVariants[voice % variants], "-p",
           std::to_string(25 + (voice * 13) % 60), "-s", std::to_string(140 + (voice * 11) % 50),
           "-w", part, kSentences[(voice * 3 + sentence) % std::size(kSentences)]});
  auto pcm = ok ? read_wav(part) : std::nullopt;
  std::error_code error;
  std::filesystem::remove(part, error);
  if (!pcm || pcm->rate == 0 || pcm->samples.empty()) return std::nullopt;
  return resample(*pcm);
}

constexpr unsigned kSentencesEach = 4;

std::string wav_path(const std::string &directory, unsigned voice) {
  return directory + "/speech-" + std::to_string(voice) + ".wav";
}

/** The WAV and beside it the spurts: a line `start samples` each, in samples. */
bool make_wav(const std::string &directory, unsigned voice) {
  std::vector<std::int16_t> all;
  std::string spurts;
  for (unsigned sentence = 0; sentence < kSentencesEach; sentence++) {
    auto spoken = say(directory, voice, sentence);
    if (!spoken) return false;
    spoken->resize((spoken->size() + 2879) / 2880 * 2880);
    spurts += std::to_string(all.size()) + " " + std::to_string(spoken->size()) + "\n";
    all.insert(all.end(), spoken->begin(), spoken->end());
    all.resize(all.size() + pause_after(voice, sentence));
  }
  return write_file(wav_path(directory, voice) + ".spurts", spurts) &&
         write_wav(wav_path(directory, voice), all);
}

std::optional<std::vector<Bytes>> encode(const std::vector<std::int16_t> &pcm, const Speech &speech,
                                         unsigned voice) {
  const int channels = voice % 2 == 0 ? 2 : 1;
  int error = 0;
  OpusEncoder *encoder = opus_encoder_create(kRate, channels, OPUS_APPLICATION_VOIP, &error);
  if (encoder == nullptr) return std::nullopt;
  opus_encoder_ctl(encoder, OPUS_SET_BITRATE(64000));
  opus_encoder_ctl(encoder, OPUS_SET_INBAND_FEC(1));
  opus_encoder_ctl(encoder, OPUS_SET_PACKET_LOSS_PERC(10));
  opus_encoder_ctl(encoder, OPUS_SET_SIGNAL(OPUS_SIGNAL_VOICE));
  std::vector<Bytes> packets;
  const std::size_t frame = speech.frame_samples;
  std::vector<std::int16_t> input(frame * static_cast<std::size_t>(channels));
  for (const Spurt &spurt : speech.spurts) {
    for (std::size_t n = 0; n < spurt.count; n++) {
      for (std::size_t i = 0; i < frame; i++)
        for (int c = 0; c < channels; c++)
          input[i * static_cast<std::size_t>(channels) + static_cast<std::size_t>(c)] =
              pcm[spurt.start + n * frame + i];
      Bytes packet(4000);
      const int size =
          opus_encode(encoder, input.data(), static_cast<int>(frame), packet.data(), 4000);
      if (size <= 0) break;
      packet.resize(static_cast<std::size_t>(size));
      packets.push_back(std::move(packet));
    }
  }
  opus_encoder_destroy(encoder);
  return packets;
}

std::size_t packet_count(const Speech &speech) {
  return speech.spurts.empty() ? 0 : speech.spurts.back().first + speech.spurts.back().count;
}

std::optional<std::vector<Bytes>> read_packets(const std::string &path) {
  std::ifstream in(path, std::ios::binary);
  const std::string all((std::istreambuf_iterator<char>(in)), {});
  Reader reader(view(all));
  std::vector<Bytes> packets;
  while (reader.remaining() > 0) {
    const ByteView packet = reader.take(reader.u16());
    packets.emplace_back(packet.begin(), packet.end());
  }
  if (!reader.ok() || packets.empty()) return std::nullopt;
  return packets;
}

bool write_packets(const std::string &path, const std::vector<Bytes> &packets) {
  Writer out;
  for (const Bytes &packet : packets)
    out.u16(static_cast<std::uint16_t>(packet.size())).put(packet);
  return write_file(path, std::string(out.bytes().begin(), out.bytes().end()));
}

}  // namespace

// Users are numbered from one on.
unsigned speech_index(std::uint64_t user) {
  return static_cast<unsigned>((user + 999) % 1000) % kVoices;
}

unsigned speech_variety() { return kVoices; }

std::shared_ptr<const Speech> load_speech(const std::string &directory, unsigned index,
                                          unsigned frame_ms) {
  const unsigned voice = index % kVoices;
  auto speech = std::make_shared<Speech>();
  speech->wav = wav_path(directory, voice);
  speech->frame_samples = frame_ms * 48;
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  auto pcm = read_wav(speech->wav);
  if (!pcm) {
    if (!make_wav(directory, voice)) return nullptr;
    pcm = read_wav(speech->wav);
    if (!pcm) return nullptr;
  }
  speech->samples = static_cast<std::uint32_t>(pcm->samples.size());
  std::ifstream spurts(speech->wav + ".spurts");
  for (std::uint32_t start = 0, samples = 0; spurts >> start >> samples;) {
    Spurt spurt{.first = static_cast<std::uint32_t>(packet_count(*speech)),
                .count = samples / speech->frame_samples,
                .start = start};
    speech->spurts.push_back(spurt);
  }
  const std::string cache = directory + "/speech-" + std::to_string(voice) + "-" +
                            std::to_string(frame_ms) + ".opuspackets";
  auto packets = read_packets(cache);
  if (!packets || packets->size() != packet_count(*speech)) {
    packets = encode(pcm->samples, *speech, voice);
    if (!packets || packets->size() != packet_count(*speech)) return nullptr;
    write_packets(cache, *packets);
  }
  speech->packets = std::move(*packets);
  return speech;
}

}  // namespace dv::server
