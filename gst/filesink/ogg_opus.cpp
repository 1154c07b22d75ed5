// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/filesink/ogg_opus.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace dv {
namespace {

constexpr std::uint8_t kFirst = 2, kLast = 4;
// One packet may take 255 lacing values and must not be split over pages.
constexpr std::size_t kMaxPacket = 255 * 254;
constexpr std::uint32_t kHeaderPages = 2;

constexpr std::array<std::uint32_t, 256> make_crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t r = i << 24;
    for (int bit = 0; bit < 8; ++bit) r = (r << 1) ^ ((r >> 31) != 0 ? 0x04c11db7u : 0u);
    table[i] = r;
  }
  return table;
}
constexpr auto kCrcTable = make_crc_table();

std::uint32_t crc_of(ByteView bytes) {
  std::uint32_t crc = 0;
  for (std::uint8_t b : bytes) crc = (crc << 8) ^ kCrcTable[(crc >> 24) ^ b];
  return crc;
}

void put_little(Bytes &out, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

void put_text(Bytes &out, std::string_view text) {
  out.insert(out.end(), text.begin(), text.end());
}

void put_counted(Bytes &out, std::string_view text) {
  put_little(out, text.size(), 4);
  put_text(out, text);
}

Bytes head_packet(const OpusHead &head) {
  Bytes out;
  put_text(out, "OpusHead");
  out.push_back(1);
  out.push_back(head.channels);
  put_little(out, head.pre_skip, 2);
  put_little(out, head.input_rate, 4);
  put_little(out, 0, 2);
  out.push_back(0);
  return out;
}

Bytes tags_packet(const TrackTags &tags) {
  std::vector<std::string> comments;
  if (!tags.title.empty()) comments.push_back("TITLE=" + tags.title);
  if (!tags.artist.empty()) comments.push_back("ARTIST=" + tags.artist);
  if (!tags.comment.empty()) comments.push_back("COMMENT=" + tags.comment);
  Bytes out;
  put_text(out, "OpusTags");
  put_counted(out, "gst-discord-voice");
  put_little(out, comments.size(), 4);
  for (const auto &comment : comments) put_counted(out, comment);
  return out;
}

}  // namespace

void OggOpusWriter::put_packet(ByteView packet) {
  lacing_.insert(lacing_.end(), packet.size() / 255, 255);
  lacing_.push_back(static_cast<std::uint8_t>(packet.size() % 255));
  body_.insert(body_.end(), packet.begin(), packet.end());
}

Bytes OggOpusWriter::page(std::uint8_t flags, std::uint64_t granule) {
  Bytes out;
  put_text(out, "OggS");
  out.push_back(0);
  out.push_back(flags);
  put_little(out, granule, 8);
  put_little(out, serial_, 4);
  put_little(out, page_number_++, 4);
  put_little(out, 0, 4);
  out.push_back(static_cast<std::uint8_t>(lacing_.size()));
  out.insert(out.end(), lacing_.begin(), lacing_.end());
  out.insert(out.end(), body_.begin(), body_.end());
  const std::uint32_t crc = crc_of(out);
  for (std::size_t i = 0; i < 4; ++i) out[22 + i] = static_cast<std::uint8_t>(crc >> (8 * i));
  lacing_.clear();
  body_.clear();
  pending_samples_ = 0;
  return out;
}

Bytes OggOpusWriter::headers(const TrackTags &tags) {
  put_packet(head_packet(head_));
  Bytes out = page(kFirst, 0);
  put_packet(tags_packet(tags));
  const Bytes second = page(0, 0);
  out.insert(out.end(), second.begin(), second.end());
  return out;
}

Bytes OggOpusWriter::add(ByteView packet, std::uint32_t samples, std::uint32_t page_samples) {
  if (packet.size() > kMaxPacket) return {};
  Bytes out;
  const bool full = lacing_.size() + packet.size() / 255 + 1 > 255;
  const bool first = page_number_ == kHeaderPages && this->samples() > 0;
  if (!lacing_.empty() && (full || first || pending_samples_ + samples > page_samples)) {
    out = page(0, granule_);
  }
  put_packet(packet);
  newest_ = packet.size();
  newest_samples_ = samples;
  pending_samples_ += samples;
  granule_ += samples;
  return out;
}

Bytes OggOpusWriter::flush() {
  const std::size_t lacing = newest_ / 255 + 1;
  if (lacing_.size() <= lacing) return {};
  const Bytes packet(body_.end() - static_cast<std::ptrdiff_t>(newest_), body_.end());
  lacing_.resize(lacing_.size() - lacing);
  body_.resize(body_.size() - newest_);
  Bytes out = page(0, granule_ - newest_samples_);
  put_packet(packet);
  pending_samples_ = newest_samples_;
  return out;
}

Bytes OggOpusWriter::finish(std::uint64_t total_samples) {
  const std::uint64_t before = granule_ - pending_samples_;
  const std::uint64_t end = std::clamp(total_samples + head_.pre_skip, before, granule_);
  return page(kLast, end);
}

}  // namespace dv
