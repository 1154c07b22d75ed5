// SPDX-License-Identifier: LGPL-2.1-or-later
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <sstream>

#include "ext/chain/decoder_budget.hpp"
#include "tests/unit/pool/pool_bench.hpp"

// Many channels at one pool of workers, and speakers who come and go.

using namespace dv;
using namespace dv::test;
using Clock = std::chrono::steady_clock;

namespace {

/** Counts what comes back; keeps no sound. */
class CountingSink final : public EngineSink {
 public:
  void frame(const FrameOut &) override {}
  void verdict(SessionId, Ssrc, std::uint64_t tag, Verdict v) override {
    ++by[static_cast<std::size_t>(v)];
    ++answered;
    if (on_answer) on_answer(tag);
  }
  void lost(SessionId, Ssrc, std::uint64_t, std::uint64_t n, std::uint64_t) override { lost_ += n; }
  void barrier(std::uint64_t) override { ++barriers; }
  void failed(const std::string &) override { ++failures; }
  void notice(const WorkerNotice &n) override {
    restarts += n.kind == WorkerNotice::Kind::restarted;
  }
  std::uint64_t count(Verdict v) const { return by[static_cast<std::size_t>(v)]; }

  std::function<void(std::uint64_t tag)> on_answer;
  std::array<std::atomic<std::uint64_t>, kVerdicts> by{};
  std::atomic<std::uint64_t> answered{0}, lost_{0}, barriers{0}, failures{0}, restarts{0};
};

/** One line of /proc/PID/status, in its unit (KiB or a count). */
std::size_t status_of(std::int64_t pid, const std::string &field) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(field + ":", 0) == 0) return std::stoul(line.substr(field.size() + 1));
  }
  return 0;
}

/** Packets that are made once and sealed anew each time. */
const std::vector<Bytes> &speech() {
  static const std::vector<Bytes> packets = [] {
    OpusSource source;
    std::vector<Bytes> all;
    for (int i = 0; i < 100; ++i) all.push_back(source.next());
    return all;
  }();
  return packets;
}

/** One channel with one speaker. */
struct Channel {
  Channel() : session(KeyStore::next_session_id()), stream(session, 7, 70) {}
  void open(const std::string &pool, bool live) {
    engine = WorkerPool::open(pool, test_config(4), {}, live, sink);
    engine->apply(session.transport_key());
    engine->apply(plain_session(session.id()));
    engine->apply(stream.binding());
  }
  void say(int packets) {
    std::vector<Bytes> data;
    for (int i = 0; i < packets; ++i) data.push_back(stream.send(speech()[at++ % speech().size()]));
    std::vector<PacketIn> batch;
    for (const Bytes &d : data) batch.push_back({session.id(), ++tag, arrival, false, d});
    engine->submit(batch);
    arrival += 20'000'000;
  }
  SealedSession session;
  SealedStream stream;
  CountingSink sink;
  std::unique_ptr<Engine> engine;
  std::uint64_t tag = 0;
  std::size_t at = 0;
  std::int64_t arrival = 1'000'000'000;
};

double percentile(std::vector<double> values, double part) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(part * static_cast<double>(values.size() - 1))];
}

}  // namespace

TEST_CASE("100 channels share 4 workers, and one that floods does not starve the others") {
  constexpr std::size_t kChannels = 100;
  // Live streams fill a worker with 8 of them before there is another: the flood is with these.
  constexpr std::size_t kBeside = 8;
  const int rounds = long_form() ? 1500 : 40;
  // First packets are held for a while, in case that earlier ones come.
  constexpr int kSettled = 10;
  std::vector<std::unique_ptr<Channel>> channels;
  for (std::size_t i = 0; i < kChannels; ++i) {
    channels.push_back(std::make_unique<Channel>());
    channels.back()->open("shared", true);
  }
  CountingSink &flood = channels[0]->sink;
  // How many packets of the flood were answered between an others' packet and its answer.
  std::mutex mutex;
  std::vector<std::uint64_t> overtaken;
  std::size_t answers = 0;
  bool settled = false;
  std::vector<double> waited_ms;
  std::vector<std::pair<std::uint64_t, Clock::time_point>> sent(kChannels);
  for (std::size_t i = 1; i < kChannels; ++i) {
    channels[i]->sink.on_answer = [&, i](std::uint64_t) {
      std::lock_guard lock(mutex);
      ++answers;
      if (!settled) return;
      if (i < kBeside) overtaken.push_back(flood.answered - sent[i].first);
      waited_ms.push_back(
          std::chrono::duration<double, std::milli>(Clock::now() - sent[i].second).count());
    };
  }
  const auto start = Clock::now();
  std::uint64_t backlog = 0;
  for (int r = 0; r < rounds; ++r) {
    if (r == kSettled) {
      std::lock_guard lock(mutex);
      settled = true;
    }
    // In real time at full size; otherwise there is a heap of work to wait behind.
    channels[0]->say(r == kSettled && !long_form() ? 4000 : 100);
    for (std::size_t i = 1; i < kChannels; ++i) {
      {
        std::lock_guard lock(mutex);
        sent[i] = {flood.answered, Clock::now()};
      }
      channels[i]->say(1);
    }
    backlog = std::max(backlog, channels[0]->tag - flood.answered);
    // One at a time of each: an answer belongs to the packet sent last.
    REQUIRE(eventually([&] {
      std::lock_guard lock(mutex);
      return answers == static_cast<std::size_t>(r + 1) * (kChannels - 1);
    }));
    if (long_form()) std::this_thread::sleep_until(start + (r + 1) * 20ms);
  }
  REQUIRE(eventually([&] { return flood.answered == channels[0]->tag; }));
  CHECK(channels[0]->engine->workers().size() == 4);
  for (const auto &c : channels) {
    CHECK(c->sink.count(Verdict::delivered) == c->tag);
    CHECK(c->sink.restarts == 0);
  }
  // What the flood may have in a worker's ring, and what waits in the other ring to be taken.
  const auto most = *std::max_element(overtaken.begin(), overtaken.end());
  CHECK(most <= kClientShare + kReplySlots);
  MESSAGE("waited ms: p50 ", percentile(waited_ms, 0.5), " p99 ", percentile(waited_ms, 0.99),
          "; behind at most ", most, " packets of the flood, of which up to ", backlog, " waited");
}

TEST_CASE("10,000 speakers come and go") {
  const std::size_t speakers = long_form() ? 10000 : 6000;
  for (const bool goodbye : {true, false}) {
    CAPTURE(goodbye);
    CountingSink sink;
    const std::string name = goodbye ? "goodbye" : "silent";
    const auto engine = WorkerPool::open(name, test_config(1), {}, false, sink);
    SealedSession session(KeyStore::next_session_id());
    engine->apply(session.transport_key());
    engine->apply(plain_session(session.id()));
    std::uint64_t tag = 0;
    std::int64_t arrival = 1'000'000'000;
    const auto talk = [&](Ssrc ssrc) {
      SealedStream stream(session, ssrc, ssrc + 100000);
      engine->apply(stream.binding());
      for (int i = 0; i < 10; ++i) {
        const Bytes datagram = stream.send(speech()[static_cast<std::size_t>(i)]);
        arrival += 20'000'000;
        if (i == 5) continue;  // a hole, which is still open when the next one talks
        engine->submit(std::vector{PacketIn{session.id(), ++tag, arrival, false, datagram}});
      }
      if (!goodbye) return;
      engine->forget(session.id(), ssrc, ssrc);
      engine->apply(SsrcUpdate{session.id(), ssrc, 0});
    };
    const auto settled = [&] { return eventually([&] { return sink.answered + 4 >= tag; }); };
    for (Ssrc ssrc = 1; ssrc <= 300; ++ssrc) talk(ssrc);
    REQUIRE(settled());
    const auto pid = engine->workers().at(0);
    const std::size_t threads = status_of(getpid(), "Threads");
    const std::size_t worker_before = status_of(pid, "VmRSS");
    const std::size_t host_before = mallinfo2().uordblks / 1024;
    for (Ssrc ssrc = 301; ssrc <= speakers; ++ssrc) talk(ssrc);
    REQUIRE(settled());
    const std::size_t worker_after = status_of(pid, "VmRSS");
    const std::size_t host_after = mallinfo2().uordblks / 1024;
    CHECK(status_of(getpid(), "Threads") == threads);
    CHECK(status_of(pid, "Threads") == 1);
    CHECK(sink.restarts == 0);
    engine->drain(77);
    const std::uint64_t expected = goodbye ? speakers + 1 : 1;
    REQUIRE(eventually([&] { return sink.barriers == expected; }));
    CHECK(sink.count(Verdict::delivered) == tag);
    CHECK(sink.lost_ == speakers);
    MESSAGE(speakers, " speakers, ", tag, " packets; worker ", worker_before, " -> ", worker_after,
            " KiB, host's heap ", host_before, " -> ", host_after, " KiB");
    if (kSanitized) continue;
    // Without a goodbye 4096 streams stay.
    const std::size_t kept_worker = goodbye ? 512 : 4096 * 20;
    const std::size_t kept_host = goodbye ? 128 : 4096 * 16;
    CHECK(worker_after < worker_before + kept_worker);
    CHECK(host_after < host_before + kept_host);
  }
}
