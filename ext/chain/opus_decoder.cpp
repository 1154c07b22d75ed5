// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/chain/opus_decoder.hpp"

#include <opus.h>

namespace dv::chain {

void Decoder::Destroy::operator()(OpusDecoder *decoder) const { opus_decoder_destroy(decoder); }

Decoder::Decoder(const ChainConfig &config)
    : format_(config.format), channels_(config.channels), divisor_(48000 / config.rate) {
  int error = OPUS_OK;
  decoder_.reset(
      opus_decoder_create(static_cast<opus_int32>(config.rate), config.channels, &error));
}

std::optional<ByteView> Decoder::run(ByteView packet, int frame_size, bool fec, Bytes &room) {
  if (!ok()) return std::nullopt;
  const std::size_t sample = format_ == SampleFormat::s16 ? sizeof(opus_int16) : sizeof(float);
  const std::size_t most = std::size_t{kMaxOpusSamples} / divisor_ * channels_ * sample;
  if (room.size() < most) room.resize(most);
  const std::uint8_t *data = packet.empty() ? nullptr : packet.data();
  const auto size = static_cast<opus_int32>(packet.size());
  const int n =
      format_ == SampleFormat::s16
          ? opus_decode(decoder_.get(), data, size, reinterpret_cast<opus_int16 *>(room.data()),
                        frame_size, fec ? 1 : 0)
          : opus_decode_float(decoder_.get(), data, size, reinterpret_cast<float *>(room.data()),
                              frame_size, fec ? 1 : 0);
  if (n < 0) return std::nullopt;
  return ByteView(room).first(static_cast<std::size_t>(n) * channels_ * sample);
}

std::optional<ByteView> Decoder::decode(ByteView packet, Bytes &room) {
  if (packet.empty()) return std::nullopt;
  return run(packet, static_cast<int>(kMaxOpusSamples / divisor_), false, room);
}

std::optional<ByteView> Decoder::decode_fec(ByteView packet, std::uint32_t samples, Bytes &room) {
  if (packet.empty() || samples == 0 || samples > kMaxOpusSamples) return std::nullopt;
  return run(packet, static_cast<int>(samples / divisor_), true, room);
}

std::optional<ByteView> Decoder::conceal(std::uint32_t samples, Bytes &room) {
  if (samples == 0 || samples > kMaxOpusSamples) return std::nullopt;
  return run({}, static_cast<int>(samples / divisor_), false, room);
}

void Decoder::reset() {
  if (ok()) opus_decoder_ctl(decoder_.get(), OPUS_RESET_STATE);
}

void DecoderPool::reserve() {
  if (spare_.empty()) spare_.push_back(std::make_unique<Decoder>(config_));
}

std::unique_ptr<Decoder> DecoderPool::get() {
  if (spare_.empty()) return std::make_unique<Decoder>(config_);
  auto decoder = std::move(spare_.back());
  spare_.pop_back();
  return decoder;
}

void DecoderPool::put(std::unique_ptr<Decoder> decoder) {
  if (!decoder || spare_.size() >= kMaxSpare) return;
  decoder->reset();
  spare_.push_back(std::move(decoder));
}

}  // namespace dv::chain
