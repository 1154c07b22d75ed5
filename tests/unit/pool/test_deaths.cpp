// SPDX-License-Identifier: LGPL-2.1-or-later
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>

#include "ext/worker/forbidden.hpp"
#include "tests/unit/pool/pool_bench.hpp"

using namespace dv;
using namespace dv::test;
using Hook = worker::TestHook;

namespace {

struct Mortal {
  explicit Mortal(PoolConfig pool = test_config(), const ChainConfig &config = {},
                  bool live = false)
      : engine(WorkerPool::open(name, pool, config, live, recorder)), feed(*engine) {}
  void finish() {
    engine->drain(77);
    REQUIRE(eventually([this] { return recorder.passed(77); }));
  }
  /** All workers there are get the signal; waits until there is one to get it. */
  void signal_all(int number) {
    REQUIRE(eventually([this] { return !engine->workers().empty(); }));
    for (const auto pid : engine->workers()) kill(static_cast<pid_t>(pid), number);
  }
  /** Waits until all of it is answered: then the one worker is there, and has done something. */
  void answered() {
    REQUIRE(eventually([this] {
      std::lock_guard lock(recorder.mutex);
      return recorder.sink.of_tag.size() == feed.tag;
    }));
    REQUIRE(engine->workers().size() == 1);
  }
  std::uint64_t restarts() { return recorder.noticed(WorkerNotice::Kind::restarted); }
  void hook(const Hook &what, bool sticky = false) { WorkerPool::test_hook(name, what, sticky); }
  static std::string next_name() {
    static int n = 0;
    return "deaths-" + std::to_string(n++);
  }

  const std::string name = next_name();  // workers of an earlier test may be ending still
  EngineRecorder recorder;
  std::unique_ptr<Engine> engine;
  Feed feed;
};

}  // namespace

TEST_CASE("killed under load: no frame is lost, order stays, sound goes on") {
  // Decoders of this mode forget within the packets that a successor is primed with. Those of
  // speech at low rates never forget a steady tone quite, which is no matter of losing anything.
  Talk talk(8, KeyStore::next_session_id(), false, false);
  Mortal pooled(test_config(2));
  pooled.feed.keys(talk.keys);
  std::vector<Datagram> all;
  for (int part = 0; part < 6; ++part) {
    auto some = talk.rounds(40);
    pooled.feed.submit(some);
    if (part < 5) pooled.signal_all(SIGKILL);
    all.insert(all.end(), some.begin(), some.end());
  }
  pooled.finish();
  CHECK(pooled.restarts() >= 1);
  CHECK(pooled.recorder.count(Verdict::delivered) == all.size());
  const auto want = in_process({}, talk.keys, all);
  auto got = pooled.recorder.streams();
  check_order(got, 240);
  for (const auto &[ssrc, frames] : want) {
    CAPTURE(ssrc);
    CHECK(frames.back().facts.extended_seq == got[ssrc].back().facts.extended_seq);
    CHECK(snr(frames, got[ssrc], 0) > 60);
  }
}

TEST_CASE("streams of other workers are untouched by a death") {
  Talk talk(4);
  Mortal pooled(test_config(2));
  pooled.feed.keys(talk.keys);
  std::vector<Datagram> all = talk.rounds(50);
  pooled.feed.submit(all);
  REQUIRE(eventually([&] { return pooled.engine->workers().size() == 2; }));
  kill(static_cast<pid_t>(pooled.engine->workers()[0]), SIGKILL);
  auto rest = talk.rounds(50);
  pooled.feed.submit(rest);
  all.insert(all.end(), rest.begin(), rest.end());
  pooled.finish();
  auto want = in_process({}, talk.keys, all);
  auto got = pooled.recorder.streams();
  check_order(got, 100);
  int identical = 0;
  for (const auto &[ssrc, frames] : want) identical += snr(frames, got[ssrc], 0) == 200;
  CHECK(identical >= 2);
}

TEST_CASE("a worker that is stopped is replaced, and nothing is lost") {
  auto config = test_config(1);
  config.reply_timeout = 400ms;
  Talk talk(3);
  Mortal pooled(config);
  pooled.feed.keys(talk.keys);
  pooled.feed.submit(talk.rounds(20));
  pooled.signal_all(SIGSTOP);
  pooled.feed.submit(talk.rounds(20));
  pooled.finish();
  CHECK(pooled.recorder.count(Verdict::delivered) == 120);
  check_order(pooled.recorder.streams(), 40);
}

TEST_CASE("a worker that runs in circles is replaced") {
  auto config = test_config(1);
  config.reply_timeout = 400ms;
  Talk talk(1);
  Mortal pooled(config);
  pooled.feed.keys(talk.keys);
  pooled.feed.submit(talk.rounds(10));
  pooled.answered();
  pooled.hook({Hook::Action::hang});
  pooled.feed.submit(talk.rounds(10));
  pooled.finish();
  CHECK(pooled.restarts() == 1);
  CHECK(pooled.recorder.count(Verdict::delivered) == 20);
}

TEST_CASE("a packet that kills its decoder costs itself only") {
  Talk talk(3);
  Mortal pooled(test_config(1));
  pooled.feed.keys(talk.keys);
  std::vector<Datagram> all = talk.rounds(10);
  pooled.feed.submit(all);
  // The 16th packet of the second speaker, in every worker that ever opens it.
  const std::uint16_t poison = static_cast<std::uint16_t>(65501 + 15);
  pooled.hook({Hook::Action::crash_on_packet, talk.session.id(), 101, poison}, true);
  pooled.feed.submit(talk.rounds(20));
  pooled.finish();
  CHECK(pooled.recorder.count(Verdict::worker_lost) == 1);
  CHECK(pooled.recorder.count(Verdict::delivered) == 89);
  CHECK(pooled.restarts() == 2);
  auto got = pooled.recorder.streams();
  CHECK(got[100].size() == 30);
  CHECK(got[102].size() == 30);
  REQUIRE(got[101].size() == 30);  // with one that is made up in its place
  CHECK((got[101][15].facts.flags & kFrameConcealed) != 0);
}

TEST_CASE("a worker that eats memory hits its limit and is replaced" * doctest::skip(kSanitized)) {
  auto config = test_config(1);
  config.memory_limit = std::uint64_t{96} << 20;
  Talk talk(1);
  Mortal pooled(config);
  pooled.feed.keys(talk.keys);
  pooled.feed.submit(talk.rounds(10));
  pooled.answered();
  pooled.hook({Hook::Action::eat_memory});
  REQUIRE(eventually([&] { return pooled.restarts() == 1; }));
  pooled.feed.submit(talk.rounds(10));
  pooled.finish();
  CHECK(pooled.recorder.count(Verdict::delivered) == 20);
}

TEST_CASE("a mad worker harms nobody: no crash, no sound in the wrong stream") {
  Talk talk(3);
  const auto config = test_config(1);
  Mortal pooled(config);
  pooled.feed.keys(talk.keys);
  std::vector<Datagram> all = talk.rounds(10);
  pooled.feed.submit(all);
  for (int round = 0; round < 20; ++round) {
    CAPTURE(round);
    auto one = talk.rounds(1);
    pooled.feed.submit(one);
    all.insert(all.end(), one.begin(), one.end());
    pooled.answered();
    pooled.hook({Hook::Action::scribble, static_cast<std::uint64_t>(round), 50000});
    auto some = talk.rounds(5);
    pooled.feed.submit(some);
    all.insert(all.end(), some.begin(), some.end());
    if (!pooled.recorder.failure().empty()) break;
  }
  pooled.finish();
  // What it said can not be true or false, but each packet has been answered once.
  std::lock_guard lock(pooled.recorder.mutex);
  CHECK(pooled.recorder.sink.of_tag.size() == all.size());
  for (const auto &[tag, times] : pooled.recorder.sink.times_judged) REQUIRE(times == 1);
  for (const auto &f : pooled.recorder.sink.frames) REQUIRE(f.facts.ssrc - 100 < 3);
}

TEST_CASE("workers that die before they do anything end in a clear error") {
  Talk talk(1);
  Mortal pooled(test_config(1));
  pooled.hook({Hook::Action::crash_now}, true);
  pooled.feed.keys(talk.keys);
  pooled.feed.submit(talk.rounds(5));
  REQUIRE(eventually([&] { return !pooled.recorder.failure().empty(); }));
  CHECK(pooled.recorder.failure().find("gst-discord-worker") != std::string::npos);
  pooled.finish();
  CHECK(pooled.recorder.count(Verdict::worker_lost) == 5);
}

TEST_CASE("each forbidden act ends the worker that tries it") {
  for (std::uint64_t act = 0; act < worker::kForbiddenCount; ++act) {
    CAPTURE(worker::kForbiddenActs[act]);
    Talk talk(1);
    Mortal pooled(test_config(1));
    pooled.feed.keys(talk.keys);
    pooled.feed.submit(talk.rounds(10));
    pooled.answered();
    pooled.hook({Hook::Action::forbidden_act, act});
    CHECK(eventually([&] { return pooled.restarts() == 1; }));
    std::lock_guard lock(pooled.recorder.mutex);
    for (const WorkerNotice &n : pooled.recorder.notices) {
      CAPTURE(n.detail);
      if (n.kind == WorkerNotice::Kind::log) CHECK(kSanitized);
      if (n.kind != WorkerNotice::Kind::restarted || kSanitized) continue;
      const bool by_memory = act == worker::kFirstByMemory || act == worker::kFirstByMemory + 1;
      const int expected = by_memory ? SIGSEGV : SIGSYS;
      CHECK(n.detail == "it ended: signal " + std::to_string(expected));
    }
  }
}

TEST_CASE("a repeated packet is known as such after its worker died") {
  for (const bool decode : {true, false}) {
    CAPTURE(decode);
    ChainConfig config;
    config.decode = decode;
    Talk talk(1);
    Mortal pooled(test_config(1), config);
    pooled.feed.keys(talk.keys);
    const auto all = talk.rounds(10);
    pooled.feed.submit(all);
    pooled.answered();
    pooled.signal_all(SIGKILL);
    pooled.feed.submit({all.back()});
    pooled.feed.submit(talk.rounds(1));
    pooled.finish();
    CHECK(pooled.recorder.count(Verdict::duplicate) == 1);
    CHECK(pooled.recorder.count(Verdict::delivered) == 11);
  }
}

TEST_CASE("keys are as old for a successor as they were for the worker that died") {
  Talk talk(1, KeyStore::next_session_id(), true);
  Mortal pooled(test_config(1));
  pooled.feed.keys(talk.keys);
  pooled.feed.submit(talk.rounds(10));
  pooled.answered();
  // The call goes on for more than a day, and counters reach the second generation of keys.
  talk.arrival += std::chrono::nanoseconds(100000s).count();
  talk.streams[0].frames().set_counter(std::uint64_t{1} << dave::kGenerationBits);
  pooled.feed.submit(talk.rounds(10));
  pooled.answered();
  pooled.signal_all(SIGKILL);
  pooled.feed.submit(talk.rounds(10));
  pooled.finish();
  CHECK(pooled.restarts() == 1);
  CHECK(pooled.recorder.count(Verdict::delivered) == 30);
}

TEST_CASE("an idle worker ends, and its streams go on in the next one") {
  Talk talk(2, KeyStore::next_session_id(), true, false);
  Mortal pooled(test_config(1));
  pooled.feed.keys(talk.keys);
  auto all = talk.rounds(30);
  pooled.feed.submit(all);
  REQUIRE(eventually([&] { return pooled.recorder.noticed(WorkerNotice::Kind::started) == 1; }));
  // The last of it waits behind nothing: all was in order.
  REQUIRE(eventually([&] { return pooled.recorder.noticed(WorkerNotice::Kind::ended) == 1; }));
  auto rest = talk.rounds(30);
  pooled.feed.submit(rest);
  all.insert(all.end(), rest.begin(), rest.end());
  pooled.finish();
  auto got = pooled.recorder.streams();
  check_order(got, 60);
  const auto want = in_process({}, talk.keys, all);
  for (const auto &[ssrc, frames] : want) CHECK(snr(frames, got[ssrc], 0) > 60);
}
