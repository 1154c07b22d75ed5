// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <random>
#include <sstream>

#include "gst/filesink/file_length.hpp"
#include "gst/filesink/ogg_opus.hpp"
#include "gst/filesink/placement.hpp"
#include "gst/filesink/unfinished.hpp"
#include "gst/filesink/wav_output.hpp"
#include "temp_dir.hpp"

using namespace dv;

namespace {

Bytes killed_wav(std::uint64_t told_samples, std::size_t there) {
  Bytes file = wav_header({}, {"Ann", "Ann", ""}, told_samples * 4);
  file.resize(file.size() + there * 4, 1);
  return file;
}

Bytes killed_ogg(unsigned packets) {
  OggOpusWriter ogg(7, {2, 312, 48000});
  Bytes file = ogg.headers({"Ann", "", ""});
  for (unsigned i = 0; i < packets; ++i) {
    const Bytes pages = ogg.add(Bytes(90, 0xf8), 960, 48 * 180);
    file.insert(file.end(), pages.begin(), pages.end());
  }
  return file;
}

FileEnds ends_of(const Bytes &file) { return {file.size(), file, file}; }

void write_file(const std::string &path, const Bytes &bytes) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char *>(bytes.data()), static_cast<long>(bytes.size()));
}

Time now() {
  return std::chrono::duration_cast<Time>(std::chrono::system_clock::now().time_since_epoch());
}

std::string opened(unsigned track, unsigned user, const std::string &file) {
  return JsonLine("track-opened")
      .number("track", track)
      .id("user", user)
      .number("ssrc", 1)
      .text("name", "Ann")
      .number("part", 1)
      .text("file", file)
      .seconds("start", 0s)
      .str();
}

std::string begun(const std::string &location, Time at) {
  return JsonLine("recording").seconds("start-unix", at).text("location", location).str();
}

const std::string kEnd = JsonLine("end").text("reason", "eos").seconds("duration", 1s).str();

}  // namespace

TEST_CASE("how long a file plays, also when it was never completed") {
  struct Case {
    const char *what;
    Bytes file;
    std::optional<Time> length;
  };
  const Case cases[] = {
      {"samples behind the header's word do not count", killed_wav(48000, 50000), 1s},
      {"a header must not promise more than there is", killed_wav(960000, 48000), 1s},
      {"nothing yet", killed_wav(0, 0), 0s},
      {"one packet, then pages of nine; the last ones wait", killed_ogg(29), Time(553500000)},
      {"somebody has just begun", killed_ogg(2), Time(13500000)},
      {"headers alone", killed_ogg(0), 0s},
      {"something else", Bytes(5000, 'x'), std::nullopt},
      {"too short for anything", Bytes(20, 0xff), std::nullopt},
  };
  for (const auto &c : cases) {
    CAPTURE(c.what);
    CHECK(playing_time(ends_of(c.file)) == c.length);
  }
}

TEST_CASE("a WAV file grows past 4 GiB") {
  TempDir dir;
  auto file = std::make_unique<OutputFile>();
  REQUIRE_FALSE(file->create(dir / "a.wav", {}));
  WavOutput wav(std::move(file), {}, {"Ann", "", ""});
  REQUIRE_FALSE(wav.start());
  const Bytes second(48000 * 4, 7);
  constexpr std::uint64_t kSeconds = 23000;
  for (std::uint64_t i = 0; i < kSeconds - 10; i += 10) {
    REQUIRE_FALSE(wav.write_silence(480000));
  }
  for (int i = 0; i < 10; ++i) REQUIRE_FALSE(wav.write(second, 48000));
  // As it is: it may be killed now.
  auto ends = read_file_ends(dir / "a.wav.part");
  REQUIRE(ends);
  CHECK(ends->head[1] == 'F');
  CHECK(playing_time(*ends) == std::chrono::seconds(kSeconds));
  REQUIRE_FALSE(wav.finish());
  ends = read_file_ends(dir / "a.wav");
  CHECK(ends->size == wav_header({}, {"Ann", "", ""}, 0).size() + kSeconds * 192000);
  CHECK(playing_time(*ends) == std::chrono::seconds(kSeconds));
  CHECK(ends->tail.back() == 7);
}

TEST_CASE("damaged files are looked at without harm") {
  std::mt19937 random(5);
  Bytes flac(400, 0);
  std::copy_n("fLaC\0\0\0\x22\x10\0\x10\0\0\0\0\0\0\0\x0b\xb8\x02\xf0", 22, flac.begin());
  Bytes mp3(400, 0);
  std::copy_n("ID3\4\0\0\0\0\0\x0a", 10, mp3.begin());
  std::copy_n("\xff\xfb\x94", 3, mp3.begin() + 20);
  CHECK(playing_time(ends_of(mp3)) == time_of((400 - 20) * 3, 48000));
  for (Bytes file : {killed_wav(100, 100), killed_ogg(30), flac, mp3}) {
    for (std::size_t size = 0; size < std::min<std::size_t>(file.size(), 600); ++size) {
      playing_time(ends_of(Bytes(file.begin(), file.begin() + static_cast<long>(size))));
    }
    for (int i = 0; i < 2000; ++i) {
      Bytes bad = file;
      for (int n = 0; n < 4; ++n) bad[random() % bad.size()] = static_cast<std::uint8_t>(random());
      const auto length = playing_time(ends_of(bad));
      if (length) CHECK(*length >= 0s);
    }
  }
}

TEST_CASE("which recordings are continued") {
  TempDir dir;
  const std::string here = dir / "%u.wav";
  struct Case {
    const char *what, *location;
    std::string index;
    Time age;
    bool continues;
  };
  const std::string killed = begun(here, now()) + opened(1, 7, dir / "7.wav");
  const Case cases[] = {
      {"killed", here.c_str(), killed, 0s, true},
      {"the last line is torn", here.c_str(), killed + R"({"type":"spu)", 0s, true},
      {"damaged lines in between", here.c_str(), "\xff\n{}\n[1]\n" + killed + "{\n", 0s, true},
      {"it has ended", here.c_str(), killed + kEnd, 0s, false},
      {"the one before was killed, the last has ended", here.c_str(), killed + killed + kEnd, 0s,
       false},
      {"the one before has ended, the last was killed", here.c_str(), killed + kEnd + killed, 0s,
       true},
      {"another location", "x/%u.wav", killed, 0s, false},
      {"a day ago", here.c_str(), killed, std::chrono::hours(25), false},
      {"empty", here.c_str(), "", 0s, false},
      {"no recording", here.c_str(), opened(1, 7, "x"), 0s, false},
  };
  for (const auto &c : cases) {
    CAPTURE(c.what);
    std::ofstream(dir / "i.jsonl") << c.index;
    const auto found = unfinished_recording(dir / "i.jsonl", c.location, now() + c.age);
    CHECK(found.has_value() == c.continues);
    if (found) CHECK(found->tracks.at(0).number == 1);
  }
  CHECK_FALSE(unfinished_recording("/dev/zero", here, now()));
  CHECK_FALSE(unfinished_recording(dir / "missing", here, now()));
}

TEST_CASE("killed files get their names, and only those of the recording") {
  TempDir dir;
  std::filesystem::create_directories(dir / "rec");
  const std::string rec = dir / "rec";
  write_file(rec + "/7.wav.part", killed_wav(48000, 48000));
  write_file(rec + "/8.wav.part", killed_wav(24000, 24000));
  write_file(rec + "/8.wav", {1});
  write_file(dir / "9.wav.part", killed_wav(48000, 48000));
  write_file(dir / "real", killed_wav(48000, 48000));
  std::filesystem::create_symlink(dir / "real", rec + "/10.wav.part");
  const Time start = now();
  std::istringstream index(begun(rec + "/%u.wav", start) + opened(1, 7, rec + "/7.wav") +
                           opened(2, 8, rec + "/8.wav") + opened(3, 9, rec + "/../9.wav") +
                           opened(4, 10, rec + "/10.wav") + opened(5, 11, dir / "9.wav"));
  const auto log = exporter::read_index(index);
  REQUIRE(log.sessions.size() == 1);
  const auto lines = complete_killed(log.sessions[0], start + 10s);
  CHECK(std::filesystem::exists(rec + "/7.wav"));
  CHECK_FALSE(std::filesystem::exists(rec + "/7.wav.part"));
  CHECK(read_file(rec + "/8.wav").size() == 1);
  CHECK(std::filesystem::exists(rec + "/8.wav.part"));
  CHECK(std::filesystem::exists(dir / "9.wav.part"));
  CHECK_FALSE(std::filesystem::exists(rec + "/10.wav"));
  std::map<std::string, nlohmann::json> first;
  for (const auto &line : lines) {
    const auto parsed = nlohmann::json::parse(line.str());
    if (parsed["track"] == 1) first[parsed["type"]] = parsed;
  }
  CHECK(first["track-closed"]["end"] == 1.0);
  CHECK(first["track-closed"]["file"] == rec + "/7.wav");
  CHECK(first["gap"]["start"] == 1.0);
  CHECK(first["gap"]["length"] == 9.0);
  CHECK(first["gap"]["reason"] == "interrupted");
}
