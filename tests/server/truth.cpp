// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/server/truth.hpp"

#include <opus.h>

#include <cinttypes>
#include <filesystem>
#include <vector>

#include "tests/server/json_util.hpp"

namespace dv::server {

namespace {

constexpr int kMaxSamples = 5760;

const char *fault_name(const Fate &fate) {
  if (fate.drop) return "dropped";
  if (fate.corrupt) return "corrupted";
  if (fate.truncate) return "truncated";
  if (fate.overtaken_by > 0) return "reordered";
  if (fate.duplicate) return "duplicated";
  if (fate.delay > 0ms) return "delayed";
  return "none";
}

long long wall_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

struct Truth::Decoder {
  OpusDecoder *opus = nullptr;
  std::FILE *pcm = nullptr;
  std::FILE *index = nullptr;
  std::uint64_t offset = 0;

  explicit Decoder(const std::string &path) {
    opus = opus_decoder_create(48000, 2, nullptr);
    pcm = std::fopen((path + ".s16").c_str(), "wb");
    index = std::fopen((path + ".jsonl").c_str(), "w");
  }
  ~Decoder() {
    if (opus != nullptr) opus_decoder_destroy(opus);
    if (pcm != nullptr) std::fclose(pcm);
    if (index != nullptr) std::fclose(index);
  }
  Decoder(const Decoder &) = delete;
  Decoder &operator=(const Decoder &) = delete;
};

Truth::Truth() = default;
Truth::~Truth() {
  if (file_ != nullptr) std::fclose(file_);
}

bool Truth::open(const std::string &truth_file, const std::string &reference_dir) {
  if (!truth_file.empty() && (file_ = std::fopen(truth_file.c_str(), "w")) == nullptr) return false;
  // Whoever reads along sees whole lines.
  if (file_ != nullptr) std::setvbuf(file_, nullptr, _IOLBF, 1 << 16);
  directory_ = reference_dir;
  std::error_code error;
  if (!directory_.empty()) std::filesystem::create_directories(directory_, error);
  return !error;
}

void Truth::packet(const TruthLine &line) {
  if (file_ == nullptr) return;
  const SpeakerFrame &f = *line.frame;
  const Fate &fate = *line.fate;
  std::fprintf(
      file_,
      "{\"user\":\"%" PRIu64
      "\",\"ssrc\":%u,\"seq\":%u,\"rtp\":%u,\"samples\":%u,"
      "\"due_ns\":%lld,\"sent_ns\":%lld,\"wall_ms\":%lld,\"spurt\":%u,\"packet\":%u,"
      "\"silence\":%s,\"marker\":%s,\"fault\":\"%s\",\"duplicated\":%s,\"overtaken_by\":%u,"
      "\"padding\":%u,\"extension\":%s,\"csrc\":%s,\"receivers\":%zu,\"dave\":%d,"
      "\"epoch\":%" PRIu64 ",\"opus\":\"%s\"}\n",
      line.user, line.ssrc, f.seq, f.rtp, f.samples, static_cast<long long>(f.due.count()),
      static_cast<long long>(line.sent.count()), wall_ms(), f.spurt, f.index,
      f.silence ? "true" : "false", f.marker ? "true" : "false", fault_name(fate),
      fate.duplicate ? "true" : "false", fate.overtaken_by, fate.padding,
      fate.extension ? "true" : "false", fate.csrc ? "true" : "false", line.receivers,
      line.dave_version, line.epoch, hex(f.opus).c_str());
}

void Truth::reference(UserId user, Ssrc ssrc, const SpeakerFrame &frame) {
  if (directory_.empty()) return;
  auto &decoder = decoders_[{user, ssrc}];
  if (!decoder)
    decoder = std::make_unique<Decoder>(directory_ + "/" + std::to_string(user) + "-" +
                                        std::to_string(ssrc));
  if (decoder->opus == nullptr || decoder->pcm == nullptr || decoder->index == nullptr) return;
  std::vector<opus_int16> pcm(std::size_t{kMaxSamples} * 2);
  const int samples =
      opus_decode(decoder->opus, frame.opus.data(), static_cast<opus_int32>(frame.opus.size()),
                  pcm.data(), kMaxSamples, 0);
  if (samples <= 0) return;
  std::fwrite(pcm.data(), 4, static_cast<std::size_t>(samples), decoder->pcm);
  std::fprintf(decoder->index,
               "{\"seq\":%u,\"rtp\":%u,\"offset\":%" PRIu64 ",\"samples\":%d,\"due_ns\":%lld}\n",
               frame.seq, frame.rtp, decoder->offset, samples,
               static_cast<long long>(frame.due.count()));
  decoder->offset += static_cast<std::uint64_t>(samples);
}

void Truth::taken_anew(UserId user, Ssrc ssrc) {
  const auto known = decoders_.find({user, ssrc});
  if (known != decoders_.end() && known->second->opus != nullptr)
    opus_decoder_ctl(known->second->opus, OPUS_RESET_STATE);
}

void Truth::flush() {
  if (file_ != nullptr) std::fflush(file_);
  for (auto &[key, decoder] : decoders_) {
    if (decoder->pcm != nullptr) std::fflush(decoder->pcm);
    if (decoder->index != nullptr) std::fflush(decoder->index);
  }
}

}  // namespace dv::server
