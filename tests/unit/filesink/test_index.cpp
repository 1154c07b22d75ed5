// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>
#include <sys/stat.h>

#include <atomic>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "gst/filesink/session_index.hpp"
#include "gst/filesink/spurts.hpp"
#include "gst/filesink/strand_pool.hpp"
#include "gst/filesink/stream_order.hpp"
#include "temp_dir.hpp"

using namespace dv;
using nlohmann::json;

TEST_CASE("lines are JSON whatever the names are") {
  static const std::string names[] = {
      "plain",         "\"quoted\" \\ back", "new\nline\r\t",        std::string("nul\0x", 5),
      "</script><b>&", "\xff\xfe bad",       "é 🦊 \xe2\x80\xae", "\x01\x1f\x7f"};
  for (const auto &name : names) {
    const std::string line =
        JsonLine("user").id("user", 123456789012345678u).text("name", name).str();
    CHECK(line.find('\n') == line.size() - 1);
    CHECK(line.find('<') == std::string::npos);
    const json parsed = json::parse(line);
    CHECK(parsed["user"] == "123456789012345678");
    if (name.find('\xff') == std::string::npos) CHECK(parsed["name"] == name);
  }
}

TEST_CASE("times are seconds with microseconds") {
  CHECK(JsonLine("t").seconds("at", 1500ms).str() == "{\"type\":\"t\",\"at\":1.500000}\n");
  CHECK(JsonLine("t").seconds("at", -Time(2000)).str() == "{\"type\":\"t\",\"at\":-0.000002}\n");
  CHECK(utc_text(std::chrono::seconds(1767225600) + 1ms) == "2026-01-01T00:00:00.001000Z");
}

TEST_CASE("the index is appended to line by line, also after a crash") {
  TempDir dir;
  {
    SessionIndex index;
    REQUIRE_FALSE(index.open(dir / "i.jsonl"));
    CHECK_FALSE(index.append(JsonLine("one")));
    CHECK(read_text(dir / "i.jsonl") == "{\"type\":\"one\"}\n");
  }
  std::ofstream(dir / "i.jsonl", std::ios::app) << "{\"type\":\"to";
  SessionIndex index;
  REQUIRE_FALSE(index.open(dir / "i.jsonl"));
  CHECK_FALSE(index.append(JsonLine("two")));
  CHECK(read_text(dir / "i.jsonl") == "{\"type\":\"one\"}\n{\"type\":\"to\n{\"type\":\"two\"}\n");
  struct stat st {};
  REQUIRE(stat((dir / "i.jsonl").c_str(), &st) == 0);
  CHECK((st.st_mode & 0777) == 0600);
}

TEST_CASE("an index on a full disk fails once") {
  SessionIndex index;
  REQUIRE_FALSE(index.open("/dev/full"));
  auto error = index.append(JsonLine("one"));
  REQUIRE(error);
  CHECK(error->code == ENOSPC);
  CHECK_FALSE(index.append(JsonLine("two")));
  CHECK_FALSE(index.is_open());
}

TEST_CASE("frames become talk spurts and gaps") {
  SpurtTracker tracker;
  std::vector<Stretch> all;
  auto add = [&](Time start, std::uint64_t seq, bool concealed = false, bool silence = false) {
    for (const auto &s : tracker.add({start, 20ms, 1, seq, concealed, silence})) all.push_back(s);
  };
  add(0ms, 1);
  add(20ms, 2);
  add(40ms, 3, true);
  add(60ms, 4, true);
  add(80ms, 5);
  add(140ms, 8);
  add(160ms, 9, false, true);
  add(1000ms, 10);
  for (const auto &s : tracker.finish()) all.push_back(s);
  using K = Stretch::Kind;
  const std::vector<Stretch> expected{{K::concealed, 40ms, 80ms},
                                      {K::lost, 100ms, 140ms},
                                      {K::speech, 0ms, 160ms},
                                      {K::speech, 1000ms, 1020ms}};
  CHECK(all == expected);
}

TEST_CASE("speech is told in pieces that join, with a peak for each tenth of a second") {
  SpurtTracker tracker;
  std::vector<Stretch> all;
  for (std::uint64_t i = 0; i < 1100; ++i) {
    const auto found = tracker.add({20ms * i, 20ms, 1, i, false, false, i < 5 ? 1.0F : 0.25F});
    all.insert(all.end(), found.begin(), found.end());
  }
  for (const auto &s : tracker.finish()) all.push_back(s);
  REQUIRE(all.size() == 3);
  CHECK(all[0].start == 0ms);
  CHECK(all[0].end == 10s);
  CHECK(all[1].start == all[0].end);
  CHECK(all[2].start == all[1].end);
  CHECK(all[2].end == 22s);
  REQUIRE(all[0].peaks.size() == 100);
  CHECK(all[0].peaks[0] == 63);
  CHECK(all[0].peaks[1] == 32);
  CHECK(all[2].peaks.size() == 20);
}

TEST_CASE("numbers of another stream are no loss") {
  SpurtTracker tracker;
  tracker.add({0ms, 20ms, 1, 100, false, false});
  CHECK(tracker.add({20ms, 20ms, 2, 900, false, false}).empty());
  CHECK(tracker.add({40ms, 20ms, 2, 90000, false, false}).empty());
}

namespace {

/** What came through, as arrival times in milliseconds. */
struct Passed {
  StreamOrder<Time> order{[this](Time &&arrival) {
    times.push_back(static_cast<int>(arrival / 1ms));
    return going_on;
  }};
  std::vector<int> times;
  bool going_on = true;

  bool pass(std::uint64_t stream, Time arrival, Time now = 0ms) {
    return order.pass(stream, Time(arrival), arrival, now);
  }
};
using Times = std::vector<int>;

}  // namespace

TEST_CASE("a new stream of a user waits for what went in before it") {
  Passed p;
  p.order.entered(7, 1, 0ms);
  p.order.entered(7, 1, 20ms);
  p.order.entered(8, 3, 30ms);
  p.order.entered(7, 2, 40ms);
  p.order.entered(7, 1, 60ms);
  p.order.entered(7, 1, 80ms);
  p.pass(2, 40ms);
  p.pass(3, 30ms);
  CHECK(p.times == Times{30});
  p.pass(1, 0ms);
  CHECK(p.times == Times{30, 0});
  // Each sets the next one free.
  p.pass(1, 20ms);
  CHECK(p.times == Times{30, 0, 20, 40});
  p.pass(1, 60ms);
  p.pass(1, 80ms);
  CHECK(p.times == Times{30, 0, 20, 40, 60, 80});
}

TEST_CASE("three streams of a user come out one after the other, however they come in") {
  for (const bool ends : {true, false}) {
    Passed p;
    p.order.entered(7, 1, 0ms);
    p.order.entered(7, 1, 10ms);
    p.order.entered(7, 2, 20ms);
    p.order.entered(7, 3, 40ms);
    p.pass(3, 40ms);
    p.order.ended(3);
    p.pass(2, 20ms);
    p.order.ended(2);
    CHECK(p.times.empty());
    p.pass(1, 0ms);
    CHECK(p.times == Times{0});
    // The last frame of the first is lost on the way: its end says so, or the time that has passed.
    if (ends) {
      p.order.ended(1);
    } else {
      p.order.expire(999ms);
      CHECK(p.times == Times{0});
      p.order.expire(1s);
    }
    CHECK(p.times == Times{0, 20, 40});
  }
}

TEST_CASE("a stop hands on what is kept, frames of nobody pass, a failure is told") {
  Passed p;
  p.order.entered(7, 1, 0ms);
  p.order.entered(7, 2, 40ms);
  p.order.entered(0, 9, 50ms);
  p.pass(2, 40ms);
  p.pass(9, 50ms);
  CHECK(p.times == Times{50});
  p.order.stop();
  CHECK(p.times == Times{50, 40});
  p.order.entered(7, 1, 60ms);
  p.going_on = false;
  CHECK_FALSE(p.pass(1, 60ms));
  CHECK(p.times == Times{50, 40, 60});
}

namespace {
struct Counting final : Strand {
  std::atomic<int> work{0}, done{0}, inside{0};
  std::atomic<bool> twice{false};
  bool run() override {
    if (inside.exchange(1) != 0) twice = true;
    ++done;
    inside = 0;
    return --work > 0;
  }
};
}  // namespace

TEST_CASE("a pool does all posted work, each strand in one thread at a time") {
  std::vector<std::shared_ptr<Counting>> strands;
  {
    StrandPool pool(4);
    for (int i = 0; i < 50; ++i) {
      strands.push_back(std::make_shared<Counting>());
      strands.back()->work = 100;
      pool.post(strands.back());
    }
  }
  for (const auto &strand : strands) {
    CHECK(strand->done == 100);
    CHECK_FALSE(strand->twice);
  }
}
