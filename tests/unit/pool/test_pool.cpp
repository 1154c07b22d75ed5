// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/unit/pool/pool_bench.hpp"

using namespace dv;
using namespace dv::test;

namespace {

struct Pooled {
  explicit Pooled(const ChainConfig &config = {}, PoolConfig pool = test_config(),
                  bool live = false, const std::string &name = "test")
      : engine(WorkerPool::open(name, pool, config, live, recorder)), feed(*engine) {}
  void finish() {
    engine->drain(77);
    REQUIRE(eventually([this] { return recorder.passed(77); }));
  }
  EngineRecorder recorder;
  std::unique_ptr<Engine> engine;
  Feed feed;
};

void loses_and_swaps(std::vector<Datagram> &all, std::size_t speakers) {
  // One packet of each speaker lost, two swapped, one doubled.
  for (std::size_t s = 0; s < speakers; ++s) {
    std::swap(all[20 * speakers + s], all[22 * speakers + s]);
    all.push_back(all.back());
  }
  all.erase(all.begin() + static_cast<std::ptrdiff_t>(40 * speakers),
            all.begin() + static_cast<std::ptrdiff_t>(41 * speakers));
}

}  // namespace

TEST_CASE("PCM through workers is bit for bit that of this process") {
  for (const bool dave : {false, true}) {
    CAPTURE(dave);
    Talk talk(5, KeyStore::next_session_id(), dave);
    auto all = talk.rounds(100);
    loses_and_swaps(all, 5);
    for (const auto format : {SampleFormat::s16, SampleFormat::f32}) {
      ChainConfig config;
      config.format = format;
      Pooled pooled(config);
      pooled.feed.keys(talk.keys);
      pooled.feed.submit(all);
      pooled.finish();
      CHECK(pooled.recorder.count(Verdict::duplicate) == 5);
      check_same(in_process(config, talk.keys, all), pooled.recorder.streams());
    }
  }
}

TEST_CASE("a speaker who comes later takes no keys from those who are there") {
  Talk talk(3, KeyStore::next_session_id(), true);
  const auto all = talk.rounds(600);  // longer than old keys live
  ChainConfig config;
  config.decode = false;
  Pooled pooled(config);
  pooled.feed.keys(talk.keys);
  pooled.feed.submit(all);
  pooled.finish();
  CHECK(pooled.recorder.count(Verdict::delivered) == 1800);
  check_same(in_process(config, talk.keys, all), pooled.recorder.streams());
}

TEST_CASE("without decoding RTP comes through workers as in this process") {
  Talk talk(3);
  const auto all = talk.rounds(50);
  ChainConfig config;
  config.decode = false;
  Pooled pooled(config);
  pooled.feed.keys(talk.keys);
  pooled.feed.submit(all);
  pooled.finish();
  CHECK(pooled.recorder.frames() == 150);
  check_same(in_process(config, talk.keys, all), pooled.recorder.streams());
}

TEST_CASE("keys that come after the packets open them") {
  Talk talk(4, KeyStore::next_session_id(), true);
  const auto all = talk.rounds(5);
  Pooled pooled;
  pooled.feed.submit(all);
  pooled.feed.keys(talk.keys);
  pooled.finish();
  CHECK(pooled.recorder.count(Verdict::delivered) == 20);
}

/** 200 packets of one speaker, one lost; while they are under way the number becomes `next`'s. */
static std::vector<UserId> users_of_frames(UserId next) {
  Talk talk(1);
  Pooled pooled;
  pooled.feed.keys(talk.keys);
  // Recorded input has no clock but its own: the first packets come out when later ones go in.
  pooled.feed.submit(talk.rounds(20));
  REQUIRE(eventually([&] { return pooled.recorder.frames() != 0; }));
  auto all = talk.rounds(180);
  all.erase(all.begin() + 100);  // a hole, whose frame is made up
  pooled.feed.submit(all);
  pooled.engine->apply(SsrcUpdate{talk.session.id(), 100, next});
  pooled.finish();
  CHECK(pooled.recorder.count(Verdict::delivered) == 199);
  const auto streams = pooled.recorder.streams();
  REQUIRE(streams.count(100) == 1);
  std::vector<UserId> users;
  for (const RecordedFrame &frame : streams.at(100)) users.push_back(frame.facts.user);
  CHECK(users.size() == 200);
  return users;
}

TEST_CASE("what is under way when a number is nobody's any more stays its speaker's") {
  for (const UserId user : users_of_frames(0)) CHECK(user == 9100);
}

// Without end-to-end encryption nothing in a packet tells whose it is; the news decides.
TEST_CASE("a number that changes hands is its new speaker's from the news on") {
  const auto users = users_of_frames(77);
  CHECK(users.front() == 9100);
  for (std::size_t i = 1; i < users.size(); ++i) {
    CHECK((users[i] == users[i - 1] || (users[i - 1] == 9100 && users[i] == 77)));
  }
}

TEST_CASE("who is named only while packets are under way is named by their answers") {
  Talk talk(1);
  Pooled pooled;
  pooled.feed.submit(talk.rounds(20));
  pooled.feed.keys(talk.keys);
  pooled.engine->apply(SsrcUpdate{talk.session.id(), 100, 0});
  pooled.finish();
  CHECK(pooled.recorder.count(Verdict::delivered) +
            pooled.recorder.count(Verdict::unknown_user) ==
        20);
  auto streams = pooled.recorder.streams();
  for (const RecordedFrame &frame : streams[100]) CHECK(frame.facts.user == 9100);
}

TEST_CASE("every packet gets one verdict, whatever it is") {
  Talk talk(1);
  Pooled pooled;
  pooled.feed.keys(talk.keys);
  std::vector<Datagram> all = talk.rounds(3);
  all.push_back({talk.session.id(), talk.arrival, {}});
  all.push_back({talk.session.id(), talk.arrival, Bytes(7, 0x80)});
  all.push_back({talk.session.id(), talk.arrival, Bytes(1500, 0x80)});
  all.push_back({talk.session.id(), talk.arrival, Bytes(5000, 0x80)});
  all.push_back({4711, talk.arrival, Bytes(100, 0x80)});
  pooled.feed.submit(all);
  pooled.finish();
  std::lock_guard lock(pooled.recorder.mutex);
  CHECK(pooled.recorder.sink.of_tag.size() == all.size());
  for (const auto &[tag, times] : pooled.recorder.sink.times_judged) CHECK(times == 1);
}

TEST_CASE("a flush answers everything at once and the streams start anew") {
  Talk talk(3);
  Pooled pooled;
  pooled.feed.keys(talk.keys);
  pooled.feed.submit(talk.rounds(20));
  pooled.engine->flush();
  {
    std::lock_guard lock(pooled.recorder.mutex);
    CHECK(pooled.recorder.sink.of_tag.size() == 60);
  }
  const std::size_t before = pooled.recorder.frames();
  pooled.feed.submit(talk.rounds(10));
  pooled.finish();
  CHECK(pooled.recorder.frames() == before + 30);
}

TEST_CASE("a stream that is forgotten gives out what it held first") {
  Talk talk(1);
  Pooled pooled;
  pooled.feed.keys(talk.keys);
  pooled.feed.submit({talk.next(0)});
  talk.next(0);
  pooled.feed.submit({talk.next(0)});
  pooled.engine->forget(talk.session.id(), 100, 5);
  REQUIRE(eventually([&] { return pooled.recorder.passed(5); }));
  CHECK(pooled.recorder.count(Verdict::delivered) == 2);
}

TEST_CASE("a live hole runs out in the worker without another packet") {
  Talk talk(1);
  ChainConfig config;
  config.latency = 20ms;
  Pooled pooled(config, test_config(), true);
  pooled.feed.keys(talk.keys);
  pooled.feed.submit({talk.next(0)});
  talk.next(0);
  pooled.feed.submit({talk.next(0)});
  CHECK(eventually([&] { return pooled.recorder.frames() == 3; }));
}

TEST_CASE("clients of one name share workers and do not see each other's streams") {
  Talk a(3), b(3);
  {
    Pooled one, other;
    one.feed.keys(a.keys);
    other.feed.keys(b.keys);
    const auto of_a = a.rounds(30), of_b = b.rounds(30);
    one.feed.submit(of_a);
    other.feed.submit(of_b);
    one.finish();
    other.finish();
    CHECK(one.engine->workers() == other.engine->workers());
    CHECK(one.engine->workers().size() == 2);
    check_same(in_process({}, a.keys, of_a), one.recorder.streams());
    check_same(in_process({}, b.keys, of_b), other.recorder.streams());
  }
}

TEST_CASE("a worker that is not there is an error that says what to do") {
  auto config = test_config();
  config.worker_path = "/nonexistent/gst-discord-worker";
  Talk talk(1);
  Pooled pooled({}, config, false, "missing");
  pooled.feed.keys(talk.keys);
  pooled.feed.submit(talk.rounds(3));
  REQUIRE(eventually([&] { return !pooled.recorder.failure().empty(); }));
  CHECK(pooled.recorder.failure().find("/nonexistent/gst-discord-worker") != std::string::npos);
  CHECK(pooled.recorder.failure().find("GST_DISCORD_WORKER") != std::string::npos);
  pooled.finish();
  CHECK(pooled.recorder.count(Verdict::worker_lost) == 3);
}

TEST_CASE("an executable that is no worker is an error") {
  auto config = test_config();
  config.worker_path = "/bin/true";
  Talk talk(1);
  Pooled pooled({}, config, false, "other");
  pooled.feed.submit(talk.rounds(1));
  CHECK(eventually([&] { return !pooled.recorder.failure().empty(); }));
}

TEST_CASE("a day's work needs no system call that is not on the list" * doctest::skip(kSanitized)) {
  auto config = test_config(2);
  config.sandbox = worker::Sandbox::strict;
  Talk talk(4, KeyStore::next_session_id(), true);
  auto all = talk.rounds(60);
  loses_and_swaps(all, 4);
  for (const bool live : {false, true}) {
    CAPTURE(live);
    Pooled pooled({}, config, live, live ? "strict-live" : "strict");
    pooled.feed.keys(talk.keys);
    pooled.feed.submit(all);
    pooled.finish();
    CHECK(pooled.recorder.noticed(WorkerNotice::Kind::restarted) == 0);
    CHECK(pooled.recorder.count(Verdict::duplicate) + pooled.recorder.count(Verdict::delivered) +
              pooled.recorder.count(Verdict::late) ==
          all.size());
  }
}
