// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ext/wire/ids.hpp"

namespace dv {

/**
 * File formats of a track. `automatic`: by the extension of the location, else WAV; `mix`: no file
 * of its own, but added to that of all.
 */
enum class TrackFormat : std::uint8_t { automatic, wav, mp3, flac, opus, profile, mix };

/** What a file name may be made of. */
struct TrackFacts {
  UserId user = 0;              ///< 0: not known, `unknown-SSRC` takes its place
  std::string name;             ///< display name as received: hostile
  Ssrc ssrc = 0;                ///< of the first packet of this track
  unsigned track = 1;           ///< number of the track within the recording, from 1
  std::int64_t start_unix = 0;  ///< wall-clock start of the recording, seconds since 1970
  std::string extension;        ///< without dot
  unsigned part = 1;            ///< number of the part, from 1
  bool mix = false;             ///< of all speakers: `mix` takes the place of `%u %n %s %t`
};

/**
 * A display name turned into one path component that is safe on every file system: no separators,
 * control, bidi or invisible characters, no leading dot or dash, no name reserved by Windows, at
 * most kMaxNameBytes bytes of valid UTF-8, never empty.
 */
std::string safe_name(std::string_view name);
inline constexpr std::size_t kMaxNameBytes = 80;

/** Why a template cannot be used (an unknown placeholder …), or nothing. */
std::optional<std::string> template_error(std::string_view location);

/**
 * Fills in `%u` user id, `%n` safe name, `%s` SSRC, `%t` track number, `%d` start of the recording
 * (`YYYYMMDD-hhmmss`, UTC), `%p` part, `%x` extension, `%%`. No placeholder can add a directory
 * level.
 */
std::string expand_template(std::string_view location, const TrackFacts &facts);

/** `dir/name.ext` → `dir/name-2.ext`; the path itself for a number below 2. */
std::string with_suffix(std::string_view path, unsigned number);

/** The part before the last slash, "." when there is none. */
std::string directory_of(std::string_view path);

/** The format a location's extension stands for; nothing when it stands for none. */
std::optional<TrackFormat> format_of_location(std::string_view location);

const char *extension_of(TrackFormat format);

/** Valid UTF-8 made of anything: each bad byte becomes U+FFFD. */
std::string valid_utf8(std::string_view text);

}  // namespace dv
