// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/filesink/wav_header.hpp"

#include <algorithm>

namespace dv {
namespace {

class LittleWriter {
 public:
  void id(std::string_view four) { put(view(four)); }
  void u16(std::uint32_t v) { number(v, 2); }
  void u32(std::uint64_t v) { number(v, 4); }
  void u64(std::uint64_t v) { number(v, 8); }
  void put(ByteView bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }
  Bytes out;

 private:
  void number(std::uint64_t v, int bytes) {
    for (int i = 0; i < bytes; ++i) out.push_back(static_cast<std::uint8_t>(v >> (8 * i)));
  }
};

void info_item(LittleWriter &w, std::string_view id, const std::string &text) {
  if (text.empty()) return;
  w.id(id);
  w.u32(text.size() + 1);
  w.put(view(text));
  w.put(Bytes(text.size() % 2 == 0 ? 2 : 1, 0));
}

Bytes info_list(const TrackTags &tags) {
  LittleWriter items;
  info_item(items, "INAM", tags.title);
  info_item(items, "IART", tags.artist);
  info_item(items, "ICMT", tags.comment);
  if (items.out.empty()) return {};
  LittleWriter list;
  list.id("LIST");
  list.u32(items.out.size() + 4);
  list.id("INFO");
  list.put(items.out);
  return std::move(list.out);
}

/** Everything between the ds64/JUNK chunk and the size of the data chunk. */
Bytes description(const PcmFormat &format, const TrackTags &tags, std::uint64_t frames) {
  LittleWriter w;
  w.id("fmt ");
  w.u32(format.is_float ? 18 : 16);
  w.u16(format.is_float ? 3 : 1);
  w.u16(format.channels);
  w.u32(format.rate);
  w.u32(std::uint64_t{format.rate} * format.frame_bytes());
  w.u16(format.frame_bytes());
  w.u16(format.bytes_per_sample * 8u);
  if (format.is_float) {
    w.u16(0);
    w.id("fact");
    w.u32(4);
    w.u32(std::min<std::uint64_t>(frames, 0xffffffff));
  }
  w.put(info_list(tags));
  w.id("data");
  return std::move(w.out);
}

}  // namespace

Bytes wav_header(const PcmFormat &format, const TrackTags &tags, std::uint64_t data_bytes) {
  constexpr std::uint64_t kLimit = 0xffffffff;
  constexpr std::uint64_t kSizes = 28;
  const std::uint64_t frames = data_bytes / std::max<std::uint32_t>(1, format.frame_bytes());
  const Bytes middle = description(format, tags, frames);
  const std::uint64_t riff = 4 + 8 + kSizes + middle.size() + 4 + data_bytes;
  const bool large = riff > kLimit;
  LittleWriter w;
  w.id(large ? "RF64" : "RIFF");
  w.u32(large ? kLimit : riff);
  w.id("WAVE");
  w.id(large ? "ds64" : "JUNK");
  w.u32(kSizes);
  if (large) {
    w.u64(riff);
    w.u64(data_bytes);
    w.u64(frames);
    w.u32(0);
  } else {
    w.put(Bytes(kSizes, 0));
  }
  w.put(middle);
  w.u32(large ? kLimit : data_bytes);
  return std::move(w.out);
}

}  // namespace dv
