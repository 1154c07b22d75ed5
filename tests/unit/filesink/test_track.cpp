// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <future>
#include <mutex>

#include "gst/filesink/track.hpp"

using namespace dv;

namespace {

/** What the outputs of one test share: a gate that holds writing up, and what was written. */
struct Disk {
  std::mutex mutex;
  std::condition_variable changed;
  bool stuck = false, held_up = false;
  int fail_after = -1;
  std::uint64_t written = 0, silence = 0, silence_calls = 0, settled = 0;
  std::vector<std::uint64_t> order;  // first sample of each frame, silence as 0
  std::uint64_t bytes = 0;           // of frames

  /** Until a writer waits for the disk. */
  void wait_held_up() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return held_up; });
  }
  void release() {
    std::lock_guard lock(mutex);
    stuck = false;
    changed.notify_all();
  }
};

class FakeOutput final : public TrackOutput {
 public:
  explicit FakeOutput(Disk &disk) : disk_(disk) {}
  std::optional<FileError> write_silence(std::uint64_t samples) override {
    std::lock_guard lock(disk_.mutex);
    disk_.silence += samples;
    ++disk_.silence_calls;
    return std::nullopt;
  }
  std::optional<FileError> write(ByteView data, std::uint64_t samples) override {
    std::unique_lock lock(disk_.mutex);
    disk_.held_up = disk_.stuck;
    disk_.changed.notify_all();
    disk_.changed.wait(lock, [this] { return !disk_.stuck; });
    if (disk_.fail_after == 0) return FileError{ENOSPC, "write to", "fake"};
    if (disk_.fail_after > 0) --disk_.fail_after;
    disk_.written += samples;
    disk_.bytes += data.size();
    disk_.order.push_back(data[0]);
    return std::nullopt;
  }
  std::optional<FileError> settle() override {
    std::lock_guard lock(disk_.mutex);
    ++disk_.settled;
    return std::nullopt;
  }
  std::optional<FileError> finish() override { return std::nullopt; }
  const OutputFile &file() const override { return file_; }

 private:
  Disk &disk_;
  OutputFile file_;
};

class FakeHost final : public TrackHost {
 public:
  explicit FakeHost(Disk &disk) : disk_(disk) {}
  std::unique_ptr<TrackOutput> open_output(const TrackInfo &, const PcmFormat &, bool,
                                           FileError &) override {
    return std::make_unique<FakeOutput>(disk_);
  }
  void track_opened(const TrackReport &) override { ++opened; }
  void track_stretch(const TrackInfo &, const Stretch &) override {}
  void track_failed(const TrackInfo &, const FileError &) override { ++failed; }
  void track_closed(const TrackReport &report) override {
    last = report;
    closed.set_value();
  }

  std::atomic<int> opened{0}, failed{0};
  TrackReport last;
  std::promise<void> closed;

 private:
  Disk &disk_;
};

TrackFrame frame(std::uint8_t mark, Time position = kNever) {
  TrackFrame f;
  f.buffer.reset(gst_buffer_new_allocate(nullptr, 960 * 4, nullptr));
  gst_buffer_memset(f.buffer.get(), 0, mark, 960 * 4);
  f.samples = 960;
  f.position = position;
  return f;
}

/** Comes to its turn when what was posted before has had its own. */
struct Marker final : Strand {
  std::promise<void> passed;
  bool run() override {
    passed.set_value();
    return false;
  }
};

struct Setup {
  Setup() { gst_init(nullptr, nullptr); }
  std::shared_ptr<Track> track(Time max_queued = 20s, Time batch = {}) {
    return std::make_shared<Track>(host, pool, TrackInfo{1, 7, 1, "Ann"},
                                   Track::Config{{48000, true, false}, max_queued, batch});
  }
  /** Returns when the single writer has nothing left to do. */
  void pass_through() {
    auto marker = std::make_shared<Marker>();
    auto passed = marker->passed.get_future();
    single.post(std::move(marker));
    passed.wait();
  }
  void end(Track &t, Time at) {
    t.finish(at, "eos");
    host.closed.get_future().wait();
  }
  Disk disk;
  FakeHost host{disk};
  StrandPool pool{2}, single{1};
};

}  // namespace

TEST_CASE("frames are written in order, silence up to the common end") {
  Setup s;
  auto track = s.track();
  for (std::uint8_t i = 1; i <= 100; ++i) {
    CHECK(track->push(frame(i, 1s + 20ms * i), false) == Track::Push::ok);
  }
  s.end(*track, 10s);
  CHECK(s.host.opened == 1);
  CHECK(s.disk.order.size() == 100);
  CHECK(std::is_sorted(s.disk.order.begin(), s.disk.order.end()));
  CHECK(s.disk.written + s.disk.silence == 480000);
  CHECK(s.host.last.end == 10s);
  CHECK(s.host.last.reason == "eos");
  CHECK(track->push(frame(1), false) == Track::Push::failed);
}

TEST_CASE("a stuck disk fills the queue, then live input is told so at once") {
  Setup s;
  s.disk.stuck = true;
  auto track = s.track(1s);
  CHECK(track->push(frame(1), false) == Track::Push::ok);
  s.disk.wait_held_up();
  int taken = 1;
  while (track->push(frame(1), false) == Track::Push::ok) ++taken;
  CHECK(taken == 51);
  CHECK(track->push(frame(1), false) == Track::Push::full);
  s.disk.release();
  s.end(*track, 0s);
  CHECK(s.disk.written == static_cast<std::uint64_t>(taken) * 960);
}

TEST_CASE("other input waits for room and loses nothing") {
  Setup s;
  s.disk.stuck = true;
  auto track = s.track(100ms);
  auto pushing = std::async(std::launch::async, [&] {
    for (int i = 0; i < 100; ++i) {
      if (track->push(frame(1), true) != Track::Push::ok) return false;
    }
    return true;
  });
  s.disk.release();
  CHECK(pushing.get());
  s.end(*track, 0s);
  CHECK(s.disk.written == 96000);
}

TEST_CASE("a push that waits for room is ended by wake and by finish") {
  Setup s;
  s.disk.stuck = true;
  auto track = s.track(100ms);
  auto push_until_refused = [&] {
    while (track->push(frame(1), true) == Track::Push::ok) {
    }
  };
  auto woken = std::async(std::launch::async, push_until_refused);
  track->wake();
  woken.wait();
  track->finish(0s, "eos");
  push_until_refused();
  s.disk.release();
  s.host.closed.get_future().wait();
}

TEST_CASE("a failure is told once and ends the track alone") {
  Setup s;
  s.disk.fail_after = 3;
  auto track = s.track();
  for (std::uint8_t i = 0; i < 100; ++i) track->push(frame(i), true);
  s.end(*track, 10s);
  CHECK(s.host.failed == 1);
  CHECK(s.disk.written == 3 * 960);
  CHECK(track->failed());
  CHECK(s.host.last.reason.find("fake") != std::string::npos);
}

TEST_CASE("hours of silence are written in pieces, so that others have their turn") {
  Setup s;
  auto track = s.track();
  track->push(frame(1, std::chrono::hours(3)), true);
  s.end(*track, 0s);
  CHECK(s.disk.silence == 3ull * 3600 * 48000);
  CHECK(s.disk.silence_calls == 3 * 360);
  CHECK(s.disk.written == 960);
}

TEST_CASE("a source that changes its format goes on in the same file") {
  Setup s;
  auto track = s.track();
  track->push(frame(1, 0s), true);
  TrackFrame mono = frame(1, 20ms);
  mono.pcm = PcmFormat{48000, 1, 4, true};
  track->push(std::move(mono), true);
  TrackFrame opus = frame(1, 40ms);
  opus.opus = true;
  track->push(std::move(opus), true);
  s.end(*track, 0s);
  CHECK(s.disk.written == 2 * 960);
  CHECK(s.host.last.unusable == 1);
}

TEST_CASE("frames are written in batches, the first and what is left over in time") {
  Setup s;
  auto track = std::make_shared<Track>(s.host, s.single, TrackInfo{1, 7, 1, "Ann"},
                                       Track::Config{{48000, true, false}, 20s, 100ms});
  using Marks = std::vector<std::uint64_t>;
  track->push(frame(1), false);
  s.pass_through();
  CHECK(s.disk.order == Marks{1});
  for (std::uint8_t i = 2; i <= 5; ++i) track->push(frame(i), false);
  s.pass_through();
  CHECK(s.disk.order == Marks{1});
  track->push(frame(6), false);
  s.pass_through();
  CHECK(s.disk.order == Marks{1, 2, 3, 4, 5, 6});
  CHECK(s.disk.settled == 2);
  track->push(frame(7), false);
  track->hurry();
  s.pass_through();
  CHECK(s.disk.order.size() == 7);
  track->hurry();
  s.pass_through();
  CHECK(s.disk.settled == 3);
  track->push(frame(8), false);
  s.end(*track, 0s);
  CHECK(s.disk.order == Marks{1, 2, 3, 4, 5, 6, 7, 8});
}

TEST_CASE("a queue smaller than a batch is emptied all the same") {
  Setup s;
  auto track = s.track(40ms, 1s);
  for (std::uint8_t i = 0; i < 50; ++i) CHECK(track->push(frame(i), true) == Track::Push::ok);
  s.end(*track, 0s);
  CHECK(s.disk.written == 50 * 960);
}

TEST_CASE("silence grows when nothing comes") {
  Setup s;
  auto track = s.track();
  track->advance(5s);
  track->push(frame(1, 1s), true);
  track->advance(5s);
  track->advance(6s);
  s.end(*track, 2s);
  CHECK(s.disk.silence + s.disk.written == 6 * 48000);
}

TEST_CASE("samples follow a clock that is 8 ms late; what is made up, and packets, stay") {
  const struct {
    const char *name;
    bool opus, concealed;
    std::uint64_t written;
  } cases[] = {{"samples", false, false, 100 * 960 + 99},
               {"made up", false, true, 100 * 960},
               {"packets", true, false, 100 * 960}};
  for (const auto &c : cases) {
    CAPTURE(c.name);
    Setup s;
    auto track = s.track();
    for (std::uint8_t i = 0; i < 100; ++i) {
      TrackFrame f = frame(i, 20ms * i + (i > 0 ? 8ms : 0ms));
      f.seq = i;
      f.has_seq = true;
      f.opus = c.opus;
      f.concealed = c.concealed;
      CHECK(track->push(std::move(f), true) == Track::Push::ok);
    }
    s.end(*track, 0s);
    CHECK(s.disk.written == c.written);
    CHECK(s.disk.bytes == (c.opus ? 100 * 960 : c.written) * 4);
    CHECK(s.disk.silence == 0);
    CHECK(s.host.last.placement.drift_samples == c.written - 100 * 960);
  }
}
