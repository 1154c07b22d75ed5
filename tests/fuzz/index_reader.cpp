// SPDX-License-Identifier: LGPL-2.1-or-later
// What a recording reads back after a crash: the session index, and the ends of media files.
#include <sstream>
#include <string>

#include "gst/filesink/export/session.hpp"
#include "gst/filesink/file_length.hpp"
#include "tests/fuzz/require.hpp"

using namespace dv;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  exporter::Limits limits;
  limits.line_bytes = 600;
  limits.text_bytes = 100;
  limits.sessions = 3;
  limits.tracks = 4;
  limits.items = 12;
  std::istringstream in(std::string(reinterpret_cast<const char *>(data), size));
  const exporter::IndexLog log = exporter::read_index(in, limits);
  FUZZ_REQUIRE(log.bad_lines <= log.lines);
  FUZZ_REQUIRE(log.sessions.size() <= limits.sessions);
  for (const auto &session : log.sessions) {
    FUZZ_REQUIRE(session.tracks.size() <= limits.tracks);
    FUZZ_REQUIRE(session.run_zero >= Time{} && session.run_zero <= limits.time);
    FUZZ_REQUIRE(session.duration >= Time{} && session.duration <= 4 * limits.time);
    for (const auto &track : session.tracks) {
      for (const auto &spurt : track.spurts) FUZZ_REQUIRE(spurt.end >= spurt.start);
    }
  }
  const Bytes bytes(data, data + size);
  const auto length = playing_time({size, bytes, bytes});
  FUZZ_REQUIRE(!length || *length >= Time{});
  return 0;
}
