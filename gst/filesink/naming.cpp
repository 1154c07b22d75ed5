// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/filesink/naming.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <ctime>

namespace dv {
namespace {

constexpr char32_t kBad = 0xfffd;

struct Range {
  char32_t first, last;
};

// Drawn as nothing, or turning the direction of what follows: a name must not look like another.
constexpr Range kInvisible[] = {
    {0x00ad, 0x00ad}, {0x034f, 0x034f},   {0x061c, 0x061c},    {0x115f, 0x1160}, {0x17b4, 0x17b5},
    {0x180b, 0x180f}, {0x200b, 0x200f},   {0x2028, 0x202e},    {0x2060, 0x206f}, {0x3164, 0x3164},
    {0xd800, 0xdfff}, {0xe000, 0xf8ff},   {0xfe00, 0xfe0f},    {0xfeff, 0xfeff}, {0xffa0, 0xffa0},
    {0xfff0, 0xffff}, {0x1d173, 0x1d17a}, {0xe0000, 0x10ffff},
};
constexpr Range kSpaces[] = {
    {0x0009, 0x000d}, {0x0020, 0x0020}, {0x0085, 0x0085}, {0x00a0, 0x00a0}, {0x1680, 0x1680},
    {0x2000, 0x200a}, {0x202f, 0x202f}, {0x205f, 0x205f}, {0x3000, 0x3000},
};

template <std::size_t N>
bool within(const Range (&ranges)[N], char32_t c) {
  return std::any_of(ranges, ranges + N, [c](Range r) { return c >= r.first && c <= r.last; });
}

/** Decodes one code point and moves on; kBad and one byte for what is not UTF-8. */
char32_t next_code_point(std::string_view text, std::size_t &at) {
  const auto lead = static_cast<unsigned char>(text[at++]);
  if (lead < 0x80) return lead;
  const int more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
  if (lead < 0xc2 || lead > 0xf4) return kBad;
  char32_t c = lead & (0x3fu >> more);
  if (text.size() - at < static_cast<std::size_t>(more)) return kBad;
  for (int i = 0; i < more; ++i) {
    const auto tail = static_cast<unsigned char>(text[at + static_cast<std::size_t>(i)]);
    if ((tail & 0xc0) != 0x80) return kBad;
    c = (c << 6) | (tail & 0x3fu);
  }
  constexpr std::array<char32_t, 4> least{0, 0x80, 0x800, 0x10000};
  if (c < least[static_cast<std::size_t>(more)] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) {
    return kBad;
  }
  at += static_cast<std::size_t>(more);
  return c;
}

void append_utf8(std::string &out, char32_t c) {
  auto put = [&out](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (c < 0x80) return put(c);
  if (c < 0x800) {
    put(0xc0 | (c >> 6));
  } else {
    if (c < 0x10000) {
      put(0xe0 | (c >> 12));
    } else {
      put(0xf0 | (c >> 18));
      put(0x80 | ((c >> 12) & 0x3f));
    }
    put(0x80 | ((c >> 6) & 0x3f));
  }
  put(0x80 | (c & 0x3f));
}

/** What stands for a code point in a file name: itself, '_', or nothing (0). */
char32_t safe_code_point(char32_t c) {
  if (within(kSpaces, c)) return '_';
  if (c < 0x20 || (c >= 0x7f && c <= 0x9f) || within(kInvisible, c)) return 0;
  constexpr std::u32string_view special = U"/\\:*?\"<>|'`$&;!~#%\u2044\u2215\u29f8\uff0f\uff3c";
  return special.find(c) != std::u32string_view::npos ? U'_' : c;
}

bool reserved_on_windows(std::string_view name) {
  std::string base(name.substr(0, name.find('.')));
  std::transform(base.begin(), base.end(), base.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  if (base == "CON" || base == "PRN" || base == "AUX" || base == "NUL" || base == "CONIN$") {
    return true;
  }
  return base.size() == 4 && (base.starts_with("COM") || base.starts_with("LPT")) &&
         std::isdigit(static_cast<unsigned char>(base[3])) != 0;
}

void trim(std::string &name) {
  const std::size_t first = name.find_first_not_of("._- ");
  name.erase(0, first == std::string::npos ? name.size() : first);
  const std::size_t last = name.find_last_not_of("._ ");
  name.erase(last == std::string::npos ? 0 : last + 1);
}

std::string start_text(std::int64_t unix_seconds) {
  const auto t = static_cast<std::time_t>(unix_seconds);
  std::tm tm{};
  char text[32];
  if (gmtime_r(&t, &tm) == nullptr) return "0";
  text[std::strftime(text, sizeof text, "%Y%m%d-%H%M%S", &tm)] = '\0';
  return text;
}

std::string expand_one(char placeholder, const TrackFacts &facts) {
  if (facts.mix && std::string_view("unst").find(placeholder) != std::string_view::npos) {
    return "mix";
  }
  switch (placeholder) {
    case 'u':
      return facts.user != 0 ? std::to_string(facts.user) : "unknown-" + std::to_string(facts.ssrc);
    case 'n':
      return safe_name(facts.name);
    case 's':
      return std::to_string(facts.ssrc);
    case 't':
      return std::to_string(facts.track);
    case 'd':
      return start_text(facts.start_unix);
    case 'p':
      return std::to_string(facts.part);
    case 'x':
      return facts.extension;
    default:
      return "%";
  }
}

}  // namespace

std::string safe_name(std::string_view name) {
  std::string out;
  for (std::size_t at = 0; at < name.size();) {
    const char32_t c = safe_code_point(next_code_point(name, at));
    if (c == 0 || (c == '_' && !out.empty() && out.back() == '_')) continue;
    std::string one;
    append_utf8(one, c);
    if (out.size() + one.size() > kMaxNameBytes) break;
    out += one;
  }
  trim(out);
  if (reserved_on_windows(out)) out = "name-" + out;
  return out.empty() ? "unnamed" : out;
}

std::optional<std::string> template_error(std::string_view location) {
  if (location.empty()) return "it is empty";
  if (location.find('\0') != std::string_view::npos) return "it contains a NUL byte";
  if (location.ends_with('/')) return "it names a directory, not a file";
  for (std::size_t i = 0; i < location.size(); ++i) {
    if (location[i] != '%') continue;
    if (++i == location.size()) return "it ends in a single %";
    if (std::string_view("unstdpx%").find(location[i]) == std::string_view::npos) {
      return std::string("%") + location[i] + " is none of %u %n %s %t %d %p %x %%";
    }
  }
  return std::nullopt;
}

std::string expand_template(std::string_view location, const TrackFacts &facts) {
  std::string out;
  for (std::size_t i = 0; i < location.size(); ++i) {
    if (location[i] == '%' && i + 1 < location.size()) {
      out += expand_one(location[++i], facts);
    } else {
      out += location[i];
    }
  }
  return out;
}

std::string with_suffix(std::string_view path, unsigned number) {
  if (number < 2) return std::string(path);
  const std::size_t slash = path.rfind('/');
  const std::size_t base = slash == std::string_view::npos ? 0 : slash + 1;
  std::size_t dot = path.rfind('.');
  if (dot == std::string_view::npos || dot <= base) dot = path.size();
  return std::string(path.substr(0, dot)) + "-" + std::to_string(number) +
         std::string(path.substr(dot));
}

std::string directory_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return slash == 0 ? "/" : std::string(path.substr(0, slash));
}

std::optional<TrackFormat> format_of_location(std::string_view location) {
  std::string lower(location);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (lower.ends_with(".wav")) return TrackFormat::wav;
  if (lower.ends_with(".mp3")) return TrackFormat::mp3;
  if (lower.ends_with(".flac")) return TrackFormat::flac;
  if (lower.ends_with(".opus") || lower.ends_with(".ogg")) return TrackFormat::opus;
  return std::nullopt;
}

const char *extension_of(TrackFormat format) {
  switch (format) {
    case TrackFormat::mp3:
      return "mp3";
    case TrackFormat::flac:
      return "flac";
    case TrackFormat::opus:
      return "opus";
    case TrackFormat::profile:
      return "bin";
    default:
      return "wav";
  }
}

std::string valid_utf8(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) append_utf8(out, next_code_point(text, at));
  return out;
}

}  // namespace dv
