// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <doctest/doctest.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "ext/decrypt/pool/local_engine.hpp"
#include "ext/decrypt/pool/worker_pool.hpp"
#include "tests/support/opus_source.hpp"
#include "tests/support/recording_sink.hpp"
#include "tests/support/sealed_stream.hpp"

namespace dv::test {

/** Workers of such a build have no limit of memory and make calls that are not on their list. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

/** Waits for something that other threads or processes bring about; generous, machines stall. */
inline bool eventually(const std::function<bool()> &condition) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

/** Keeps what an engine says; thread-safe. */
class EngineRecorder final : public EngineSink {
 public:
  void frame(const FrameOut &frame) override {
    std::lock_guard lock(mutex);
    sink.frame(frame);
  }
  void verdict(SessionId s, Ssrc ssrc, std::uint64_t tag, Verdict v) override {
    std::lock_guard lock(mutex);
    sink.verdict(s, ssrc, tag, v);
  }
  void lost(SessionId s, Ssrc ssrc, std::uint64_t first, std::uint64_t count,
            std::uint64_t concealed) override {
    std::lock_guard lock(mutex);
    sink.lost(s, ssrc, first, count, concealed);
  }
  void barrier(std::uint64_t id) override {
    std::lock_guard lock(mutex);
    barriers.insert(id);
  }
  void failed(const std::string &reason) override {
    std::lock_guard lock(mutex);
    failures.push_back(reason);
  }
  void notice(const WorkerNotice &notice) override {
    // A worker has words only when something is wrong with it.
    if (notice.kind == WorkerNotice::Kind::log) {
      std::fprintf(stderr, "worker %lld: %s\n", static_cast<long long>(notice.pid),
                   notice.detail.c_str());
    }
    std::lock_guard lock(mutex);
    notices.push_back(notice);
  }

  bool passed(std::uint64_t id) {
    std::lock_guard lock(mutex);
    return barriers.count(id) != 0;
  }
  std::uint64_t count(Verdict v) {
    std::lock_guard lock(mutex);
    return sink.account[v];
  }
  std::size_t frames() {
    std::lock_guard lock(mutex);
    return sink.frames.size();
  }
  std::size_t noticed(WorkerNotice::Kind kind) {
    std::lock_guard lock(mutex);
    std::size_t n = 0;
    for (const auto &x : notices) n += x.kind == kind;
    return n;
  }
  std::string failure() {
    std::lock_guard lock(mutex);
    return failures.empty() ? "" : failures.front();
  }
  /** What each stream got, in order. */
  std::map<Ssrc, std::vector<RecordedFrame>> streams() {
    std::lock_guard lock(mutex);
    std::map<Ssrc, std::vector<RecordedFrame>> sorted;
    for (const auto &f : sink.frames) sorted[f.facts.ssrc].push_back(f);
    return sorted;
  }

  std::mutex mutex;
  RecordingSink sink;
  std::set<std::uint64_t> barriers;
  std::vector<std::string> failures;
  std::vector<WorkerNotice> notices;
};

/** The same test at full size: minutes, and figures of this machine on the screen. */
inline bool long_form() { return std::getenv("DV_LONG") != nullptr; }

struct Datagram {
  SessionId session;
  std::int64_t arrival;
  Bytes data;
};

/** Speakers of one session, and what they send, 20 ms a round. */
struct Talk {
  explicit Talk(int count, SessionId id = KeyStore::next_session_id(), bool dave = false,
                bool voice = true)
      : session(id) {
    keys.push_back(session.transport_key());
    std::vector<UserId> users;
    for (int i = 0; i < count; ++i) {
      const auto ssrc = static_cast<Ssrc>(100 + i);
      streams.emplace_back(session, ssrc, 9000 + ssrc, static_cast<std::uint16_t>(65500 + i));
      sources.emplace_back(OpusSource::Config{
          .seed = static_cast<unsigned>(i + 1), .bitrate = voice ? 32000 : 64000, .voice = voice});
      keys.push_back(streams.back().binding());
      users.push_back(streams.back().user());
      if (dave) streams.back().frames().set_key(base_secret(users.back(), 1));
    }
    keys.push_back(dave ? dave_epoch(session.id(), 1, users) : plain_session(session.id()));
  }
  Datagram next(std::size_t i) {
    return {session.id(), arrival, streams[i].send(sources[i].next())};
  }
  std::vector<Datagram> rounds(int n) {
    std::vector<Datagram> all;
    for (int r = 0; r < n; ++r) {
      for (std::size_t i = 0; i < streams.size(); ++i) all.push_back(next(i));
      arrival += 20'000'000;
    }
    return all;
  }

  SealedSession session;
  std::vector<SealedStream> streams;
  std::vector<OpusSource> sources;
  std::vector<KeyUpdate> keys;
  std::int64_t arrival = 1'000'000'000;
};

inline PoolConfig test_config(std::uint32_t workers = 2) {
  PoolConfig c;
  const char *path = std::getenv("GST_DISCORD_WORKER");
  c.worker_path = path != nullptr ? path : "gst-discord-worker";
  c.max_workers = workers;
  c.idle_timeout = Time(0);
  return c;
}

/** Submits datagrams to an engine and keeps the account. */
struct Feed {
  explicit Feed(Engine &e) : engine(e) {}
  void keys(const std::vector<KeyUpdate> &updates) {
    for (const auto &u : updates) engine.apply(u);
  }
  void submit(const std::vector<Datagram> &all, std::size_t batch = 16) {
    for (std::size_t i = 0; i < all.size(); i += batch) {
      std::vector<PacketIn> packets;
      for (std::size_t k = i; k < std::min(all.size(), i + batch); ++k) {
        packets.push_back({all[k].session, ++tag, all[k].arrival, false, all[k].data});
      }
      engine.submit(packets);
    }
  }
  Engine &engine;
  std::uint64_t tag = 0;
};

inline void check_same(std::map<Ssrc, std::vector<RecordedFrame>> a,
                       std::map<Ssrc, std::vector<RecordedFrame>> b) {
  REQUIRE(a.size() == b.size());
  for (auto &[ssrc, frames] : a) {
    CAPTURE(ssrc);
    auto &others = b[ssrc];
    REQUIRE(frames.size() == others.size());
    bool same = true;
    for (std::size_t i = 0; i < frames.size(); ++i) {
      const FrameOut &x = frames[i].facts, &y = others[i].facts;
      same = same && frames[i].data == others[i].data && x.extended_seq == y.extended_seq &&
             x.rtp_time == y.rtp_time && x.arrival == y.arrival && x.flags == y.flags &&
             x.samples == y.samples && x.user == y.user && x.kind == y.kind;
    }
    CHECK(same);
  }
}

/** What the chain makes of it in this process. */
inline std::map<Ssrc, std::vector<RecordedFrame>> in_process(const ChainConfig &config,
                                                             const std::vector<KeyUpdate> &keys,
                                                             const std::vector<Datagram> &all) {
  EngineRecorder recorder;
  LocalEngine engine(config, false, recorder);
  Feed feed(engine);
  feed.keys(keys);
  feed.submit(all);
  engine.drain(1);
  return recorder.streams();
}

/** Each stream has so many frames, numbered without a gap. */
inline void check_order(const std::map<Ssrc, std::vector<RecordedFrame>> &streams,
                        std::size_t frames) {
  for (const auto &[ssrc, list] : streams) {
    CAPTURE(ssrc);
    REQUIRE(list.size() == frames);
    bool ordered = true;
    for (std::size_t i = 1; i < list.size(); ++i) {
      ordered = ordered && list[i].facts.extended_seq == list[i - 1].facts.extended_seq + 1;
    }
    CHECK(ordered);
  }
}

/** In dB, from frame `from` on; 200: the same to the bit. */
inline double snr(const std::vector<RecordedFrame> &want, const std::vector<RecordedFrame> &got,
                  std::size_t from) {
  double signal = 0, noise = 0;
  for (std::size_t i = from; i < want.size() && i < got.size(); ++i) {
    const auto *a = reinterpret_cast<const std::int16_t *>(want[i].data.data());
    const auto *b = reinterpret_cast<const std::int16_t *>(got[i].data.data());
    for (std::size_t k = 0; k < want[i].data.size() / 2; ++k) {
      signal += double(a[k]) * a[k];
      noise += (double(a[k]) - b[k]) * (double(a[k]) - b[k]);
    }
  }
  return noise == 0 ? 200 : 10 * std::log10(signal / noise);
}

}  // namespace dv::test
