// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>

#include <sys/stat.h>
#include <cmath>

#include "gst/filesink/json_line.hpp"
#include "gst/filesink/loudness.hpp"
#include "gst/filesink/ogg_opus.hpp"
#include "gst/filesink/opus_packet.hpp"
#include "gst/filesink/split_output.hpp"
#include "gst/filesink/wav_output.hpp"
#include "temp_dir.hpp"

using namespace dv;

TEST_CASE("the loudness of a sine is that of EBU Tech 3341") {
  // Case 1: stereo, 1 kHz, -23 dBFS is -23 LUFS within 0.1.
  for (const bool is_float : {false, true}) {
    const PcmFormat format{48000, 2, static_cast<std::uint16_t>(is_float ? 4 : 2), is_float};
    LoudnessMeter meter(format);
    CHECK_FALSE(meter.integrated());
    Bytes block;
    for (int i = 0; i < 480; ++i) {
      const double x = std::pow(10.0, -23.0 / 20) * std::sin(2 * 3.14159265358979 * i / 48);
      for (int c = 0; c < 2; ++c) {
        const auto f = static_cast<float>(x);
        const auto s = static_cast<std::int16_t>(std::lround(x * 32767));
        const auto *bytes = is_float ? reinterpret_cast<const std::uint8_t *>(&f)
                                     : reinterpret_cast<const std::uint8_t *>(&s);
        block.insert(block.end(), bytes, bytes + format.bytes_per_sample);
      }
    }
    for (int i = 0; i < 500; ++i) meter.add(block);
    REQUIRE(meter.integrated());
    CHECK(std::abs(*meter.integrated() + 23) < 0.1);
    LoudnessMeter quiet(format);
    for (int i = 0; i < 100; ++i) quiet.add(Bytes(block.size()));
    CHECK_FALSE(quiet.integrated());
  }
}

namespace {

/** A second of a sine of 1 kHz at -23 dBFS, on the left and, if `both`, on the right. */
Bytes second_of_sine(bool both) {
  Bytes out;
  for (int i = 0; i < 48000; ++i) {
    const double x = std::pow(10.0, -23.0 / 20) * std::sin(2 * 3.14159265358979 * i / 48);
    const auto s = static_cast<std::uint16_t>(std::lround(x * 32767));
    for (const std::uint16_t side : {s, both ? s : std::uint16_t{0}}) {
      out.push_back(static_cast<std::uint8_t>(side));
      out.push_back(static_cast<std::uint8_t>(side >> 8));
    }
  }
  return out;
}

}  // namespace

TEST_CASE("loudness is the same whether both sides are measured or one for both") {
  const Bytes both = second_of_sine(true), left = second_of_sine(false);
  struct Case {
    int both_before, left, both_after;
    double lufs;
  };
  // The mean of the powers: one side alone has half of it. Seconds of 10 blocks.
  const Case cases[] = {
      {10, 0, 0, -23}, {0, 10, 0, -26.01}, {10, 10, 0, -24.26}, {5, 10, 5, -24.26}, {0, 1, 30, -23.07}};
  for (const Case &c : cases) {
    LoudnessMeter meter(PcmFormat{});
    for (int i = 0; i < c.both_before; ++i) meter.add(both);
    for (int i = 0; i < c.left; ++i) meter.add(left);
    for (int i = 0; i < c.both_after; ++i) meter.add(both);
    CAPTURE(c.lufs);
    REQUIRE(meter.integrated());
    CHECK(std::abs(*meter.integrated() - c.lufs) < 0.1);
  }
  CHECK(JsonLine("t").decimal("v", -23.456).str() == "{\"type\":\"t\",\"v\":-23.46}\n");
}

namespace {

std::uint64_t little(const Bytes &b, std::size_t at, int bytes) {
  std::uint64_t v = 0;
  for (int i = bytes; i-- > 0;) v = v << 8 | b.at(at + static_cast<std::size_t>(i));
  return v;
}

std::string text(const Bytes &b, std::size_t at, std::size_t n) {
  return {b.begin() + static_cast<long>(at), b.begin() + static_cast<long>(at + n)};
}

}  // namespace

TEST_CASE("a WAV header tells format, tags and sizes") {
  const PcmFormat pcm;
  const Bytes h = wav_header(pcm, {"Ann", "", "id 7"}, 1920);
  CHECK(text(h, 0, 4) == "RIFF");
  CHECK(little(h, 4, 4) == h.size() - 8 + 1920);
  CHECK(text(h, 8, 8) == "WAVEJUNK");
  CHECK(text(h, 48, 4) == "fmt ");
  CHECK(little(h, 56, 2) == 1);
  CHECK(little(h, 58, 2) == 2);
  CHECK(little(h, 60, 4) == 48000);
  CHECK(little(h, 68, 2) == 4);
  CHECK(text(h, h.size() - 8, 4) == "data");
  CHECK(little(h, h.size() - 4, 4) == 1920);
  CHECK(text(h, 0, h.size()).find("INAM\x04") != std::string::npos);
}

TEST_CASE("beyond 4 GiB it is RF64, and the header keeps its length") {
  const PcmFormat pcm{48000, 2, 4, true};
  const std::uint64_t big = 5'000'000'000;
  const Bytes small = wav_header(pcm, {}, 8), large = wav_header(pcm, {}, big);
  CHECK(small.size() == large.size());
  CHECK(text(large, 0, 4) == "RF64");
  CHECK(text(large, 12, 4) == "ds64");
  CHECK(little(large, 4, 4) == 0xffffffff);
  CHECK(little(large, 20, 8) == large.size() - 8 + big);
  CHECK(little(large, 28, 8) == big);
  CHECK(little(large, 36, 8) == big / 8);
  CHECK(little(large, large.size() - 4, 4) == 0xffffffff);
}

TEST_CASE("a WAV file is correct at every moment and complete at its end") {
  TempDir dir;
  auto file = std::make_unique<OutputFile>();
  REQUIRE_FALSE(file->create(dir / "a.wav", {}));
  WavOutput wav(std::move(file), {}, {});
  REQUIRE_FALSE(wav.start());
  Bytes expected;
  const Bytes frame(960 * 4, 0x11);
  for (int i = 0; i < 20; ++i) {
    REQUIRE_FALSE(wav.write(frame, 960));
    expected.insert(expected.end(), frame.begin(), frame.end());
    if (i == 10) {
      REQUIRE_FALSE(wav.write_silence(48000));
      expected.resize(expected.size() + 48000 * 4);
    }
    const bool settled = i % 3 == 0;
    if (settled) REQUIRE_FALSE(wav.settle());
    const Bytes now = read_file(dir / "a.wav.part");
    const std::size_t header = wav_header({}, {}, 0).size();
    const std::size_t told = little(now, header - 4, 4);
    CHECK(now.size() >= header + told);
    CHECK(expected.size() - told <= (settled ? 0 : 19200 + (i >= 10 ? 48000 * 4 : 0)));
  }
  REQUIRE_FALSE(wav.write_silence(1000));
  expected.resize(expected.size() + 4000);
  REQUIRE_FALSE(wav.finish());
  const Bytes done = read_file(dir / "a.wav");
  const Bytes header = wav_header({}, {}, expected.size());
  CHECK(done.size() == header.size() + expected.size());
  CHECK(Bytes(done.begin(), done.begin() + static_cast<long>(header.size())) == header);
  CHECK(Bytes(done.begin() + static_cast<long>(header.size()), done.end()) == expected);
  CHECK_FALSE(std::filesystem::exists(dir / "a.wav.part"));
  struct stat st {};
  REQUIRE(stat((dir / "a.wav").c_str(), &st) == 0);
  CHECK((st.st_mode & 0777) == 0600);
}

TEST_CASE("an hour of silence takes no space") {
  TempDir dir;
  auto file = std::make_unique<OutputFile>();
  REQUIRE_FALSE(file->create(dir / "a.wav", {}));
  WavOutput wav(std::move(file), {}, {});
  REQUIRE_FALSE(wav.start());
  REQUIRE_FALSE(wav.write_silence(3600ull * 48000));
  REQUIRE_FALSE(wav.finish());
  struct stat st {};
  REQUIRE(stat((dir / "a.wav").c_str(), &st) == 0);
  CHECK(st.st_size > 3600ll * 48000 * 4);
  CHECK(st.st_blocks * 512 < 1 << 20);
}

TEST_CASE("existing files, unfinished ones and links are left alone") {
  TempDir dir;
  std::ofstream(dir / "a.wav") << "old";
  std::ofstream(dir / "a-2.wav.part") << "crashed";
  std::filesystem::create_symlink(dir / "elsewhere", dir / "a-3.wav.part");
  OutputFile file;
  REQUIRE_FALSE(file.create(dir / "a.wav", {}));
  CHECK(file.path() == dir / "a-4.wav");
  std::ofstream(dir / "a-4.wav") << "came later";
  REQUIRE_FALSE(file.finish());
  CHECK(file.path() == dir / "a-5.wav");
  CHECK(read_text(dir / "a.wav") == "old");
  CHECK(read_text(dir / "a-4.wav") == "came later");
  CHECK_FALSE(std::filesystem::exists(dir / "elsewhere"));
}

TEST_CASE("overwrite replaces the file when the new one is complete") {
  TempDir dir;
  std::ofstream(dir / "a.wav") << "old";
  OutputFile file;
  REQUIRE_FALSE(file.create(dir / "a.wav", {true, false}));
  REQUIRE_FALSE(file.write_at(0, view("new")));
  CHECK(read_text(dir / "a.wav") == "old");
  REQUIRE_FALSE(file.finish());
  CHECK(read_text(dir / "a.wav") == "new");
}

TEST_CASE("errors name the path and what to do") {
  TempDir dir;
  OutputFile file;
  auto error = file.create(dir / "missing/a.wav", {});
  REQUIRE(error);
  CHECK(error->code == ENOENT);
  CHECK(error->text().find(dir / "missing/a.wav") != std::string::npos);
  CHECK_FALSE(error->advice().empty());
  CHECK(directory_problem(dir / "missing")->code == ENOENT);
  std::ofstream(dir / "plain") << "x";
  CHECK(directory_problem(dir / "plain")->code == ENOTDIR);
  CHECK_FALSE(directory_problem(dir.path()));
}

TEST_CASE("parts join without a seam, and silent ones at the beginning do not exist") {
  TempDir dir;
  std::vector<SplitOutput::Part> closed;
  auto open = [&](unsigned number, FileError &error) -> std::unique_ptr<TrackOutput> {
    auto file = std::make_unique<OutputFile>();
    auto failure = file->create(dir / std::to_string(number), {});
    if (failure) {
      error = *failure;
      return nullptr;
    }
    auto wav = std::make_unique<WavOutput>(std::move(file), PcmFormat{}, TrackTags{});
    if (wav->start()) return nullptr;
    return wav;
  };
  SplitOutput split({10000, 0}, 4, open,
                    [&](const auto &before, const auto &) { closed.push_back(before); });
  Bytes expected, pcm(960 * 4);
  REQUIRE_FALSE(split.write_silence(22000));
  REQUIRE_FALSE(split.write_silence(1000));
  expected.resize(3000 * 4);
  for (int i = 0; i < 30; ++i) {
    for (std::size_t b = 0; b < pcm.size(); ++b) pcm[b] = static_cast<std::uint8_t>(b * 7 + i);
    REQUIRE_FALSE(split.write(pcm, 960));
    expected.insert(expected.end(), pcm.begin(), pcm.end());
  }
  REQUIRE_FALSE(split.write_silence(25000));
  expected.resize(expected.size() + 25000 * 4);
  CHECK(split.file_start() == 70000);
  REQUIRE_FALSE(split.finish());
  Bytes joined;
  const std::size_t header = wav_header({}, {}, 0).size();
  for (unsigned n = 3; n <= 8; ++n) {
    const Bytes part = read_file(dir / std::to_string(n));
    CHECK(part.size() == header + (n == 8 ? 6800 : 10000) * 4);
    joined.insert(joined.end(), part.begin() + static_cast<long>(header), part.end());
  }
  CHECK(joined == expected);
  CHECK_FALSE(std::filesystem::exists(dir / "1"));
  REQUIRE(closed.size() == 5);
  CHECK(closed[0].start == 20000);
  CHECK(closed[4].start + closed[4].samples == 70000);
}

TEST_CASE("durations of Opus packets, and what is none") {
  struct Case {
    Bytes packet;
    std::uint32_t samples;
  };
  const Case cases[] = {
      {{0xf8, 0xff, 0xfe}, 960},
      {{0xe0}, 120},
      {{0xe8}, 240},
      {{0xf0}, 480},
      {{0x00}, 480},
      {{0x08}, 960},
      {{0x10}, 1920},
      {{0x18}, 2880},
      {{0x60}, 480},
      {{0x68}, 960},
      {{0xf9, 1, 2}, 1920},
      {{0xfa, 1, 2}, 1920},
      {{0xfb, 3, 0, 0}, 2880},
      {{0xfb, 6}, 5760},
      {{}, 0},
      {{0xf9, 1}, 0},
      {{0xfa}, 0},
      {{0xfb}, 0},
      {{0xfb, 0}, 0},
      {{0x1b, 3}, 0},
  };
  for (const auto &c : cases) {
    CAPTURE(c.packet.size());
    CHECK(opus_packet_samples(c.packet).value_or(0) == c.samples);
  }
}

TEST_CASE("silence packets fit the gap and are themselves Opus") {
  CHECK_FALSE(opus_silence_for(119));
  for (std::uint64_t gap : {120u, 240u, 500u, 960u, 48000u}) {
    const auto silence = opus_silence_for(gap);
    REQUIRE(silence);
    CHECK(silence->samples <= gap);
    CHECK(opus_packet_samples(silence->packet) == silence->samples);
  }
  CHECK(opus_silence_for(5000)->packet == std::array<std::uint8_t, 3>{0xf8, 0xff, 0xfe});
}

namespace {

void check_ogg(int settle_every, std::size_t pages_expected) {
  CAPTURE(settle_every);
  OggOpusWriter ogg(77, {2, 0, 48000});
  Bytes stream = ogg.headers({"Ann", "Ann", ""});
  const Bytes packet(300, 0xf8);
  for (int i = 0; i < 100; ++i) {
    const Bytes pages = ogg.add(packet, 960, 8640);
    stream.insert(stream.end(), pages.begin(), pages.end());
    if (settle_every == 0 || i % settle_every != 0) continue;
    const Bytes settled = ogg.flush();
    stream.insert(stream.end(), settled.begin(), settled.end());
  }
  const Bytes last = ogg.finish(95500);
  stream.insert(stream.end(), last.begin(), last.end());
  std::size_t at = 0, packets = 0, page = 0;
  std::uint64_t granule = 0;
  while (at < stream.size()) {
    REQUIRE(text(stream, at, 4) == "OggS");
    granule = little(stream, at + 6, 8);
    CHECK(little(stream, at + 18, 4) == page++);
    const std::size_t segments = stream.at(at + 26);
    std::size_t body = 0;
    for (std::size_t i = 0; i < segments; ++i) {
      body += stream.at(at + 27 + i);
      packets += stream.at(at + 27 + i) < 255;
    }
    const bool end = at + 27 + segments + body == stream.size();
    CHECK((stream.at(at + 5) & 4) == (end ? 4 : 0));
    at += 27 + segments + body;
  }
  CHECK(packets == 102);
  CHECK(granule == 95500);
  CHECK(page == 2 + pages_expected);
}

}  // namespace

TEST_CASE("Ogg pages carry all packets, positions and the end mark") {
  check_ogg(0, 12);
  check_ogg(1, 100);
  check_ogg(5, 21);
  check_ogg(8, 14);
}
