// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/filesink/file_length.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

#include "gst/filesink/placement.hpp"

namespace dv {
namespace {

constexpr std::size_t kEnd = 64 << 10;
// A file that claims more is damaged; it also keeps times in range.
constexpr std::uint64_t kMaxSeconds = std::uint64_t{10} * 366 * 24 * 3600;

bool is_at(ByteView b, std::size_t at, std::string_view text) {
  return at + text.size() <= b.size() &&
         std::equal(text.begin(), text.end(), b.begin() + static_cast<std::ptrdiff_t>(at));
}

/** A number of `count` bytes; 0 where there are not as many. */
std::uint64_t little(ByteView b, std::size_t at, std::size_t count) {
  if (at > b.size() || b.size() - at < count) return 0;
  std::uint64_t v = 0;
  for (std::size_t i = count; i-- > 0;) v = v << 8 | b[at + i];
  return v;
}

std::optional<Time> time_at(std::uint64_t samples, std::uint64_t rate) {
  if (rate == 0 || rate > 768000 || samples / rate > kMaxSeconds) return std::nullopt;
  return time_of(static_cast<std::int64_t>(samples), static_cast<std::uint32_t>(rate));
}

std::optional<Time> wav_time(const FileEnds &ends) {
  const ByteView b = ends.head;
  std::uint64_t rate = 0, frame = 0, large = 0;
  for (std::size_t at = 12; at + 8 <= b.size();) {
    const std::uint64_t size = little(b, at + 4, 4);
    if (is_at(b, at, "ds64")) large = little(b, at + 16, 8);
    if (is_at(b, at, "fmt ")) {
      rate = little(b, at + 12, 4);
      frame = little(b, at + 20, 2);
    }
    if (is_at(b, at, "data")) {
      const std::uint64_t there = ends.size - std::min(ends.size, std::uint64_t{at + 8});
      const std::uint64_t told = size == 0xffffffff ? large : size;
      return frame == 0 ? std::nullopt : time_at(std::min(told, there) / frame, rate);
    }
    at += 8 + static_cast<std::size_t>(size) + size % 2;
  }
  return std::nullopt;
}

/** The position of the last whole page. */
std::optional<Time> ogg_time(const FileEnds &ends) {
  const std::size_t head = 27 + little(ends.head, 26, 1);
  if (!is_at(ends.head, head, "OpusHead")) return std::nullopt;
  const std::uint64_t skip = little(ends.head, head + 10, 2);
  const ByteView b = ends.tail;
  for (std::size_t at = b.size(); at-- > 0;) {
    if (!is_at(b, at, std::string_view("OggS\0", 5)) || at + 27 > b.size()) continue;
    std::size_t size = 27 + b[at + 26];
    for (std::size_t i = 0; i < b[at + 26]; ++i) size += little(b, at + 27 + i, 1);
    if (size > b.size() - at) continue;
    const std::uint64_t position = little(b, at + 6, 8);
    return time_at(position - std::min(position, skip), 48000);
  }
  return std::nullopt;
}

std::uint8_t crc8(ByteView bytes) {
  unsigned crc = 0;
  for (const std::uint8_t byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc << 1 ^ ((crc & 0x80) != 0 ? 0x107u : 0u)) & 0xff;
  }
  return static_cast<std::uint8_t>(crc);
}

/** Number of the frame of a constant block size whose header this is; nothing if it is none. */
std::optional<std::uint64_t> flac_frame(ByteView b) {
  if (b.size() < 16 || b[0] != 0xff || b[1] != 0xf8) return std::nullopt;
  // Coded like a code point of UTF-8, up to 36 bits.
  std::size_t more = 0;
  while (more < 7 && (b[4] & (0x80 >> more)) != 0) ++more;
  if (more == 1 || more == 7) return std::nullopt;
  std::uint64_t number = more == 0 ? b[4] : b[4] & (0x3fu >> (more - 1));
  const std::size_t tail = more == 0 ? 0 : more - 1;
  for (std::size_t i = 0; i < tail; ++i) number = number << 6 | (b[5 + i] & 0x3fu);
  const unsigned size_code = b[2] >> 4, rate_code = b[2] & 15;
  std::size_t at = 5 + tail;
  if (size_code == 6 || size_code == 7) at += size_code - 5;
  if (rate_code >= 12 && rate_code <= 14) at += rate_code == 12 ? 1 : 2;
  if (at >= b.size() || crc8(b.first(at)) != b[at]) return std::nullopt;
  return number;
}

/** Up to and with the last frame that begins in the tail. */
std::optional<Time> flac_time(const FileEnds &ends) {
  const ByteView b = ends.head;
  const std::uint64_t block = std::uint64_t{b[8]} << 8 | b[9];
  if (b.size() < 42 || block == 0) return std::nullopt;
  const std::uint64_t rate = std::uint64_t{b[18]} << 12 | b[19] << 4 | b[20] >> 4;
  const std::uint64_t total = (std::uint64_t{b[21]} & 15) << 32 | std::uint64_t{b[22]} << 24 |
                              b[23] << 16 | b[24] << 8 | b[25];
  if (total != 0) return time_at(total, rate);
  for (std::size_t at = ends.tail.size(); at-- > 0;) {
    if (const auto frame = flac_frame(ByteView(ends.tail).subspan(at))) {
      return time_at((*frame + 1) * block, rate);
    }
  }
  return std::nullopt;
}

/** MPEG 1 layer 3, as it is written here: every frame is of the bit rate of the first. */
std::optional<Time> mp3_time(const FileEnds &ends) {
  const ByteView b = ends.head;
  std::size_t at = 0;
  if (is_at(b, 0, "ID3")) {
    for (std::size_t i = 6; i < 10; ++i) at = at << 7 | (little(b, i, 1) & 0x7f);
    at += 10;
  }
  if (little(b, at, 1) != 0xff || (little(b, at + 1, 1) & 0xfe) != 0xfa) return std::nullopt;
  constexpr std::uint32_t kbits[] = {0,   32,  40,  48,  56,  64,  80,  96,
                                     112, 128, 160, 192, 224, 256, 320, 0};
  const std::uint32_t kbit = kbits[little(b, at + 2, 1) >> 4];
  if (kbit == 0 || at > ends.size) return std::nullopt;
  return time_at((ends.size - at) * 48 / (kbit / 8), 48000);
}

bool read_all(int fd, std::uint64_t offset, Bytes &out) {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t n =
        pread(fd, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (n <= 0) return false;
    done += static_cast<std::size_t>(n);
  }
  return true;
}

}  // namespace

std::optional<FileEnds> read_file_ends(const std::string &path) {
  const int fd = open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return std::nullopt;
  struct stat st {};
  FileEnds ends;
  bool ok = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
  if (ok) {
    ends.size = static_cast<std::uint64_t>(st.st_size);
    const std::size_t part = static_cast<std::size_t>(std::min<std::uint64_t>(ends.size, kEnd));
    ends.head.resize(part);
    ends.tail.resize(part);
    ok = read_all(fd, 0, ends.head) && read_all(fd, ends.size - part, ends.tail);
  }
  close(fd);
  return ok ? std::optional(std::move(ends)) : std::nullopt;
}

std::optional<Time> playing_time(const FileEnds &ends) {
  const ByteView b = ends.head;
  if (b.size() < 42) return std::nullopt;
  if (is_at(b, 0, "RIFF") || is_at(b, 0, "RF64")) return wav_time(ends);
  if (is_at(b, 0, "OggS")) return ogg_time(ends);
  if (is_at(b, 0, "fLaC")) return flac_time(ends);
  return mp3_time(ends);
}

}  // namespace dv
