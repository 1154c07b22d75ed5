// SPDX-License-Identifier: LGPL-2.1-or-later
#include <signal.h>

#include <random>
#include <thread>

#include "tests/server/build_paths.hpp"
#include "tests/server/speech.hpp"
#include "tests/unit/pool/pool_bench.hpp"

// Workers die, or worse, while many people talk. What they say is real speech, since how fast a
// decoder forgets its past depends on what it hears.

using namespace dv;
using namespace dv::test;
using Hook = worker::TestHook;

namespace {

/** People of one call, each with the speech of one of the voices there are. */
struct Crowd {
  static constexpr unsigned kVoices = 8;

  explicit Crowd(unsigned count) : session(KeyStore::next_session_id()) {
    keys.push_back(session.transport_key());
    keys.push_back(plain_session(session.id()));
    for (unsigned i = 0; i < count; ++i) {
      streams.emplace_back(session, 100 + i, 9000 + i, static_cast<std::uint16_t>(65000 + i));
      speech.push_back(server::load_speech(DV_SPEECH_DIR, i % kVoices));
      REQUIRE(speech.back());
      keys.push_back(streams.back().binding());
    }
  }
  /** One packet of each. */
  std::vector<Datagram> round() {
    std::vector<Datagram> all;
    for (std::size_t i = 0; i < streams.size(); ++i) {
      const auto &packets = speech[i]->packets;
      // Who has the same voice is elsewhere in the text.
      const std::size_t n = (at + 37 * i) % packets.size();
      all.push_back({session.id(), arrival, streams[i].send(packets[n])});
    }
    ++at;
    arrival += 20'000'000;
    return all;
  }

  SealedSession session;
  std::vector<SealedStream> streams;
  std::vector<std::shared_ptr<const server::Speech>> speech;
  std::vector<KeyUpdate> keys;
  std::size_t at = 0;
  std::int64_t arrival = 1'000'000'000;
};

/** A pool whose workers come to harm, except the one that was there first. */
struct Victims {
  explicit Victims(Engine &e) : engine(e) {}
  void wait_for(std::size_t workers) {
    REQUIRE(eventually([&] { return engine.workers().size() == workers; }));
    spared = engine.workers().front();
  }
  void kill_one() {
    auto pids = engine.workers();
    std::erase(pids, spared);
    if (pids.empty()) return;
    kill(static_cast<pid_t>(pids[random() % pids.size()]), SIGKILL);
    ++killed;
  }
  Engine &engine;
  std::int64_t spared = 0;
  std::mt19937 random{1};
  int killed = 0;
};

}  // namespace

TEST_CASE("kill -9 at random every 200 ms while 50 people talk") {
  constexpr unsigned kPeople = 50;
  const int rounds = long_form() ? 3000 : 150;
  constexpr int kRoundsPerKill = 10;
  Crowd crowd(kPeople);
  auto config = test_config(4);
  EngineRecorder recorder;
  const auto engine = WorkerPool::open("storm", config, {}, long_form(), recorder);
  Feed feed(*engine);
  feed.keys(crowd.keys);
  Victims victims(*engine);
  std::vector<Datagram> all;
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < rounds; ++i) {
    auto one = crowd.round();
    feed.submit(one);
    all.insert(all.end(), one.begin(), one.end());
    if (i == 0) victims.wait_for(4);
    if (i % kRoundsPerKill == kRoundsPerKill - 1) victims.kill_one();
    // At full size in real time, so that deaths meet a worker in every state.
    if (long_form()) std::this_thread::sleep_until(start + (i + 1) * 20ms);
  }
  engine->drain(77);
  REQUIRE(eventually([&] { return recorder.passed(77); }));
  CHECK(recorder.failure() == "");
  CHECK(recorder.count(Verdict::delivered) == all.size());
  CHECK(recorder.sink.losses.empty());
  const auto got = recorder.streams();
  check_order(got, static_cast<std::size_t>(rounds));
  const auto want = in_process({}, crowd.keys, all);
  int identical = 0;
  double worst = 200;
  for (const auto &[ssrc, frames] : want) {
    CAPTURE(ssrc);
    const double db = snr(frames, got.at(ssrc), 0);
    CHECK(db >= 60);
    identical += db == 200;
    worst = std::min(worst, db);
  }
  // Those of the worker that was spared.
  CHECK(identical >= static_cast<int>(kPeople / 4));
  MESSAGE(victims.killed, " kills, ", recorder.noticed(WorkerNotice::Kind::restarted),
          " restarts, ", all.size(), " packets, ", identical, " of ", kPeople,
          " streams bit-identical, worst of the others ", worst, " dB");
}

TEST_CASE("a mad worker writes random bytes into its region: no crash, others are untouched") {
  constexpr std::uint64_t kBytesPerPacket = 16;
  const std::uint64_t wanted = long_form() ? 1'000'000 : 20'000;
  Crowd crowd(4);
  EngineRecorder recorder;
  // Streams go to workers in turn: 100 and 102 to the mad one in place 0.
  const auto engine = WorkerPool::open("mad", test_config(2), {}, false, recorder);
  Feed feed(*engine);
  feed.keys(crowd.keys);
  WorkerPool::test_hook("mad", {Hook::Action::go_mad, 7, kBytesPerPacket}, true, 0);
  std::vector<Datagram> all;
  while (feed.tag / 2 * kBytesPerPacket < wanted) {
    auto one = crowd.round();
    feed.submit(one);
    for (std::size_t i : {1, 3}) all.push_back(std::move(one[i]));
  }
  engine->drain(77);
  REQUIRE(eventually([&] { return recorder.passed(77); }));
  CHECK(recorder.failure() == "");
  CHECK(recorder.noticed(WorkerNotice::Kind::restarted) > 1);
  {
    std::lock_guard lock(recorder.mutex);
    CHECK(recorder.sink.of_tag.size() == feed.tag);
    bool once = true, known = true;
    for (const auto &[tag, times] : recorder.sink.times_judged) once = once && times == 1;
    for (const auto &f : recorder.sink.frames) known = known && f.facts.ssrc - 100 < 4;
    CHECK(once);
    CHECK(known);
  }
  auto got = recorder.streams();
  const auto want = in_process({}, crowd.keys, all);
  for (const Ssrc ssrc : {101, 103}) CHECK(snr(want.at(ssrc), got[ssrc], 0) == 200);
  const std::uint64_t written = feed.tag / 2 * kBytesPerPacket;
  MESSAGE(written, " random bytes, ", recorder.noticed(WorkerNotice::Kind::restarted),
          " workers replaced");
}

TEST_CASE("who leaves takes nothing along of what he has said, even if a worker dies then") {
  Crowd crowd(4);
  EngineRecorder recorder;
  const auto engine = WorkerPool::open("leaving", test_config(1), {}, false, recorder);
  Feed feed(*engine);
  feed.keys(crowd.keys);
  feed.submit(crowd.round());
  REQUIRE(eventually([&] { return engine->workers().size() == 1; }));
  for (int i = 0; i < 100; ++i) feed.submit(crowd.round());
  for (auto &stream : crowd.streams)
    engine->apply(SsrcUpdate{crowd.session.id(), stream.ssrc(), 0});
  kill(static_cast<pid_t>(engine->workers().front()), SIGKILL);
  engine->drain(77);
  REQUIRE(eventually([&] { return recorder.passed(77); }));
  CHECK(recorder.count(Verdict::delivered) == feed.tag);
  std::lock_guard lock(recorder.mutex);
  for (const auto &f : recorder.sink.frames) REQUIRE(f.facts.user == 9000 + f.facts.ssrc - 100);
}

TEST_CASE("a worker of another version is an error that names both") {
  auto config = test_config(1);
  const char *other = std::getenv("DV_OTHER_WORKER");
  REQUIRE(other != nullptr);
  config.worker_path = other;
  Crowd crowd(1);
  EngineRecorder recorder;
  const auto engine = WorkerPool::open("version", config, {}, false, recorder);
  Feed feed(*engine);
  feed.keys(crowd.keys);
  feed.submit(crowd.round());
  REQUIRE(eventually([&] { return !recorder.failure().empty(); }));
  CHECK(recorder.failure().find("version 99") != std::string::npos);
  CHECK(recorder.failure().find("version " + std::to_string(worker::kProtocolVersion)) !=
        std::string::npos);
  CHECK(recorder.failure().find("GST_DISCORD_WORKER") != std::string::npos);
  CHECK(recorder.count(Verdict::worker_lost) == 1);
}
