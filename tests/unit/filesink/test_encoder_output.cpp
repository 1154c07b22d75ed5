// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>
#include <sys/resource.h>

#include <csignal>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "gst/filesink/encoder_output.hpp"
#include "tests/unit/filesink/temp_dir.hpp"

using namespace dv;

namespace {

constexpr std::uint64_t kFrame = 960;
constexpr std::size_t kOggHeader = 27;

/** A call that made the file longer. */
struct Growth {
  std::string call;
  std::uint64_t before, after;
};

struct Run {
  std::vector<Growth> growth;
  std::string failed;  ///< the call that did
  Bytes file;
};

/** The file system takes no byte of a file beyond this one. */
class FullDisk {
 public:
  explicit FullDisk(std::uint64_t size) {
    std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{static_cast<rlim_t>(size), before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FullDisk() { setrlimit(RLIMIT_FSIZE, &before_); }
  FullDisk(const FullDisk &) = delete;
  FullDisk &operator=(const FullDisk &) = delete;

 private:
  rlimit before_{};
};

/** A long spurt, which fills pages, and three short ones, which end in the middle of one. */
Run record(std::uint64_t disk, std::size_t buffer) {
  gst_init(nullptr, nullptr);
  const TempDir dir;
  const FullDisk full(disk);
  auto file = std::make_unique<OutputFile>();
  REQUIRE_FALSE(file->create(dir / "a.opus", {.buffer = buffer}));
  const Ref<GstElement> host(GST_ELEMENT(gst_object_ref_sink(gst_bin_new("host"))));
  EncoderOutput output(GST_BIN(host.get()), std::move(file),
                       {.format = TrackFormat::opus, .name = "track", .serial = 7});
  Run run;
  const auto step = [&](const char *call, auto &&f) {
    if (!run.failed.empty()) return;
    const std::uint64_t before = output.file().size();
    if (f()) run.failed = call;
    if (output.file().size() > before) run.growth.push_back({call, before, output.file().size()});
  };
  step("start", [&] { return output.start().has_value(); });
  std::mt19937 random(1);
  for (const int frames : {30, 3, 5, 4}) {
    for (int i = 0; i < frames; ++i) {
      Bytes pcm(kFrame * 4);
      for (auto &byte : pcm) byte = static_cast<std::uint8_t>(random());
      step("write", [&] { return output.write(pcm, kFrame).has_value(); });
    }
    step("settle", [&] { return output.settle().has_value(); });
  }
  const auto error = output.finish();
  if (run.failed.empty() && error) run.failed = "finish";
  run.file = read_file(dir / "a.opus");
  if (run.failed.empty())
    run.growth.push_back({"finish", run.growth.back().after, run.file.size()});
  return run;
}

bool whole_pages(const Bytes &file) {
  std::size_t at = 0;
  while (at < file.size()) {
    if (at + kOggHeader > file.size() || file[at] != 'O') return false;
    const std::size_t segments = file[at + 26];
    if (at + kOggHeader + segments > file.size()) return false;
    std::size_t body = 0;
    for (std::size_t i = 0; i < segments; ++i) body += file[at + kOggHeader + i];
    at += kOggHeader + segments + body;
  }
  return at == file.size();
}

}  // namespace

TEST_CASE("a page that a full disk tears is taken back, whichever call wrote it") {
  const Run whole = record(RLIM_INFINITY, 0);
  CHECK(whole.failed.empty());
  CHECK(whole_pages(whole.file));
  std::set<std::string> calls;
  for (const Growth &g : whole.growth) {
    CAPTURE(g.call);
    CAPTURE(g.before);
    const Run torn = record((g.before + g.after) / 2, 0);
    CHECK_FALSE(torn.failed.empty());
    CHECK(torn.file.size() == g.before);
    CHECK(whole_pages(torn.file));
    calls.insert(g.call);
  }
  CHECK(calls == std::set<std::string>{"finish", "settle", "write"});
}

TEST_CASE("a full disk tears no page of what waited in the process either") {
  const Run whole = record(RLIM_INFINITY, 1 << 20);
  REQUIRE(whole.file.size() > 1000);
  for (std::uint64_t size = 100; size < whole.file.size(); size += 97) {
    CAPTURE(size);
    const Run torn = record(size, 1 << 20);
    CHECK(torn.failed == "finish");
    CHECK(torn.file.size() <= size);
    CHECK(whole_pages(torn.file));
  }
}
