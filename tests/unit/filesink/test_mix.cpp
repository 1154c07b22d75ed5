// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <future>
#include <random>

#include "gst/filesink/flusher.hpp"
#include "gst/filesink/mix.hpp"
#include "gst/filesink/pauses.hpp"
#include "gst/filesink/split_output.hpp"
#include "gst/filesink/wav_output.hpp"
#include "temp_dir.hpp"

using namespace dv;

namespace {

std::unique_ptr<OutputFile> new_file(const std::string &path, std::size_t buffer = 0) {
  auto file = std::make_unique<OutputFile>();
  OutputFile::Options options;
  options.buffer = buffer;
  REQUIRE_FALSE(file->create(path, options));
  return file;
}

Bytes pcm_of(const std::vector<std::int16_t> &samples) {
  Bytes out;
  for (const std::int16_t s : samples) {
    out.push_back(static_cast<std::uint8_t>(s));
    out.push_back(static_cast<std::uint8_t>(s >> 8));
  }
  return out;
}

const std::size_t kHeader = wav_header({}, {}, 0).size();

}  // namespace

TEST_CASE("a mix is the clipped sum of what was added, in whatever order") {
  const PcmFormat mono{1000, 1, 2, false};
  struct Voice {
    std::uint64_t at;
    std::vector<std::int16_t> samples;
  };
  std::mt19937 random(3);
  for (int round = 0; round < 20; ++round) {
    std::vector<Voice> pieces;
    std::vector<int> sum(9000);
    for (int i = 0; i < 300; ++i) {
      Voice piece{random() % 8000, {}};
      for (unsigned n = 1 + random() % 999; n > 0; --n) {
        piece.samples.push_back(static_cast<std::int16_t>(random()));
        sum[piece.at + piece.samples.size() - 1] += piece.samples.back();
      }
      pieces.push_back(piece);
    }
    TempDir dir;
    Mix mix(new_file(dir / "mix.wav"), mono, {});
    REQUIRE_FALSE(mix.start());
    for (const auto &piece : pieces) REQUIRE_FALSE(mix.add(piece.at, pcm_of(piece.samples)));
    REQUIRE_FALSE(mix.finish(9000));
    std::vector<std::int16_t> expected;
    for (const int s : sum) {
      expected.push_back(static_cast<std::int16_t>(std::clamp(s, -32768, 32767)));
    }
    const Bytes file = read_file(dir / "mix.wav");
    CHECK(Bytes(file.begin() + static_cast<long>(kHeader), file.end()) == pcm_of(expected));
    CHECK(Bytes(file.begin(), file.begin() + static_cast<long>(kHeader)) ==
          wav_header(mono, {}, 18000));
  }
}

TEST_CASE("what comes half an hour late is still added") {
  const PcmFormat mono{100, 1, 2, false};
  TempDir dir;
  Mix mix(new_file(dir / "mix.wav"), mono, {});
  REQUIRE_FALSE(mix.start());
  const std::vector<std::int16_t> ones(50, 1);
  for (std::uint64_t second = 0; second < 1800; ++second) {
    REQUIRE_FALSE(mix.add(second * 100 + 25, pcm_of(ones)));
  }
  for (std::uint64_t second = 0; second < 1800; second += 7) {
    REQUIRE_FALSE(mix.add(second * 100, pcm_of(ones)));
  }
  REQUIRE_FALSE(mix.finish(10));
  CHECK(mix.length() == 179975);
  const Bytes file = read_file(dir / "mix.wav");
  for (std::size_t i = 0; i < 179975; ++i) {
    const std::size_t second = i / 100, at = i % 100;
    const int expected = (at >= 25 && at < 75 ? 1 : 0) + (second % 7 == 0 && at < 50 ? 1 : 0);
    if (file.at(kHeader + i * 2) != expected) FAIL_CHECK("sample " << i);
  }
}

TEST_CASE("a mix of floats is clipped to full scale") {
  const PcmFormat mono{48000, 1, 4, true};
  TempDir dir;
  Mix mix(new_file(dir / "mix.wav"), mono, {});
  REQUIRE_FALSE(mix.start());
  const float in[] = {0.5F, 0.75F, -0.75F, 0.25F};
  const auto *bytes = reinterpret_cast<const std::uint8_t *>(in);
  REQUIRE_FALSE(mix.add(0, ByteView(bytes, 16)));
  REQUIRE_FALSE(mix.add(0, ByteView(bytes, 16)));
  REQUIRE_FALSE(mix.finish(4));
  const Bytes file = read_file(dir / "mix.wav");
  float out[4];
  std::memcpy(out, file.data() + file.size() - 16, 16);
  CHECK(out[0] == 1.0F);
  CHECK(out[1] == 1.0F);
  CHECK(out[2] == -1.0F);
  CHECK(out[3] == 0.5F);
}

TEST_CASE("where frames go around pauses") {
  struct Case {
    bool cut;
    Time running;
    std::optional<Time> placed;
    Time position;
  };
  const Case cases[] = {
      {false, 0s, 0s, 0s},
      {false, 999ms, 999ms, 999ms},
      {false, 1s, std::nullopt, 1s},
      {false, 2s, std::nullopt, 2s},
      {false, 3s, 3s, 3s},
      {false, 7s, std::nullopt, 7s},
      {true, 999ms, 999ms, 999ms},
      {true, 1s, std::nullopt, 1s},
      {true, 2s, std::nullopt, 1s},
      {true, 3s, 1s, 1s},
      {true, 4s, 2s, 2s},
      {true, 5s, std::nullopt, 3s},
      {true, 9s, std::nullopt, 3s},
  };
  for (const auto &c : cases) {
    Pauses pauses(c.cut);
    CHECK(pauses.place(c.running) == c.running);
    CHECK(pauses.set(true, 1s));
    CHECK_FALSE(pauses.set(true, 2s));
    CHECK(pauses.set(false, 3s));
    CHECK_FALSE(pauses.set(false, 4s));
    CHECK(pauses.set(true, 5s));
    CAPTURE(c.running.count());
    CHECK(pauses.place(c.running) == c.placed);
    CHECK(pauses.position(c.running) == c.position);
  }
}

TEST_CASE("parts end when they have reached a size, and join without a seam") {
  TempDir dir;
  unsigned rolled = 0;
  SplitOutput split(
      {0, 100000}, 4,
      [&](unsigned number, FileError &) -> std::unique_ptr<TrackOutput> {
        auto wav = std::make_unique<WavOutput>(new_file(dir / std::to_string(number)), PcmFormat{},
                                               TrackTags{});
        if (wav->start()) return nullptr;
        return wav;
      },
      [&](const SplitOutput::Part &closed, const SplitOutput::Part &opened) {
        ++rolled;
        CHECK(closed.bytes >= 100000);
        CHECK(closed.bytes < 100000 + 48000 * 4 + 19200);
        CHECK(opened.start == closed.start + closed.samples);
        CHECK(opened.number == rolled + 1);
      });
  Bytes expected, pcm(960 * 4);
  REQUIRE_FALSE(split.write_silence(50000));
  expected.resize(200000);
  for (int i = 0; i < 400; ++i) {
    for (std::size_t b = 0; b < pcm.size(); ++b) pcm[b] = static_cast<std::uint8_t>(b * 7 + i);
    REQUIRE_FALSE(split.write(pcm, 960));
    expected.insert(expected.end(), pcm.begin(), pcm.end());
  }
  REQUIRE_FALSE(split.finish());
  CHECK(rolled >= 10);
  Bytes joined;
  for (unsigned n = 1; n <= rolled + 1; ++n) {
    const Bytes part = read_file(dir / std::to_string(n));
    joined.insert(joined.end(), part.begin() + static_cast<long>(kHeader), part.end());
  }
  CHECK(joined == expected);
}

TEST_CASE("a buffered file is the same when it is complete") {
  TempDir dir;
  for (const std::size_t buffer : {std::size_t{0}, std::size_t{10}, std::size_t{1} << 16}) {
    const std::string path = dir / std::to_string(buffer);
    auto file = new_file(path, buffer);
    Bytes expected;
    for (std::uint8_t i = 0; i < 200; ++i) {
      REQUIRE_FALSE(file->write_at(file->size(), Bytes(i, i)));
      expected.insert(expected.end(), i, i);
      CHECK(file->size() == expected.size());
      if (i % 50 != 0) continue;
      REQUIRE_FALSE(file->write_at(0, Bytes(1, i)));
      if (expected.empty()) expected.resize(1);
      expected[0] = i;
      REQUIRE_FALSE(file->extend_to(expected.size() + 3));
      expected.resize(expected.size() + 3);
    }
    REQUIRE_FALSE(file->finish());
    CHECK(read_file(path) == expected);
  }
}

TEST_CASE("each file system is synced once a round, for all that wait for it") {
  TempDir dir;
  std::atomic<int> rounds{0}, result{0};
  std::promise<void> enough;
  const int owners[2] = {};
  {
    Flusher flusher(
        [&](int) {
          if (++rounds == 5) enough.set_value();
          return result.load();
        },
        std::chrono::milliseconds(1));
    flusher.add(&owners[0], dir.path());
    flusher.add(&owners[0], dir.path());
    flusher.add(&owners[1], dir.path());
    flusher.add(&owners[1], dir / "missing");
    enough.get_future().wait();
    CHECK(flusher.take_error(&owners[0]) == 0);
    result = EIO;
    for (const auto &owner : owners) {
      int error = 0;
      while (error == 0) error = flusher.take_error(&owner);
      CHECK(error == EIO);
    }
    flusher.remove(&owners[0]);
    CHECK(flusher.take_error(&owners[0]) == 0);
    flusher.remove(&owners[1]);
  }
  CHECK(Flusher::shared() == Flusher::shared());
}
