// SPDX-License-Identifier: LGPL-2.1-or-later
#include <array>
#include <map>
#include <random>
#include <set>
#include <tuple>

#include "tests/unit/chain/harness.hpp"

using namespace dv;
using namespace dv::test;

namespace {

constexpr Time kTick = 20ms;
constexpr int kMaxDisplacement = 3;  // ticks: well within the latency
constexpr int kEpochTicks = 500;     // a new key every 10 s
constexpr int kEarliestKey = -50;    // 1 s before it is used
constexpr int kLatestKey = 90;       // 1.8 s after
constexpr int kStreamsPerSession = 3;

/** A speaker whose packets are counted once each, however often they arrive. */
struct Speaker {
  SealedStream stream;
  std::set<std::uint64_t> arrived;  // index of each packet that did
  std::uint64_t sent = 0;
};

struct Arrival {
  SessionId session;
  Bytes datagram;
};

class Network {
 public:
  Network(const ChainConfig &config, unsigned seed)
      : random_(seed), h_(config, false), sessions_{SealedSession(1), make_second()} {
    OpusSource source;
    for (int i = 0; i < 200; ++i) opus_.push_back(source.next());
    for (SealedSession &session : sessions_) {
      h_.apply(session.transport_key());
      for (Ssrc i = 0; i < kStreamsPerSession; ++i) {
        // The same numbers in both sessions: they must not be mixed up.
        const Ssrc ssrc = 100 + i;
        speakers_.push_back({SealedStream(session, ssrc, session.id() * 10 + i,
                                          static_cast<std::uint16_t>(random_())),
                             {},
                             0});
        h_.apply(speakers_.back().stream.binding());
      }
    }
  }

  void run(int packets) {
    int tick = 0;
    for (; static_cast<int>(h_.sink.account.received) < packets; ++tick) {
      if (tick % kEpochTicks == 0) new_epoch(tick);
      send(tick);
      arrive(tick);
      h_.pass(kTick);
    }
    // What is on its way, packets and keys, arrives.
    for (const int end = tick + kLatestKey - kEarliestKey; tick < end; ++tick) {
      arrive(tick);
      h_.pass(kTick);
    }
  }

  void check(bool decode) {
    h_.chain.drain(h_.now);
    REQUIRE(h_.sink.account.pending() == 0);
    for (const auto &[tag, times] : h_.sink.times_judged) REQUIRE(times == 1);
    std::uint64_t expected = 0;
    for (const Speaker &speaker : speakers_) expected += speaker.arrived.size();
    CHECK(h_.sink.account[Verdict::delivered] == expected);
    CHECK(h_.sink.account[Verdict::malformed] + h_.sink.account[Verdict::transport_auth] +
              h_.sink.account[Verdict::not_audio] ==
          hostile_);
    CHECK(h_.sink.account[Verdict::padding_only] == padding_);
    CHECK(h_.sink.account[Verdict::duplicate] == copies_);
    std::map<std::pair<SessionId, Ssrc>, std::uint64_t> last;
    std::set<std::tuple<SessionId, Ssrc, std::uint64_t>> seen;
    for (const auto &frame : h_.sink.frames) {
      const auto &f = frame.facts;
      REQUIRE(seen.insert({f.session, f.ssrc, f.extended_seq}).second);
      REQUIRE(f.user == f.session * 10 + f.ssrc - 100);
      auto &before = last[{f.session, f.ssrc}];
      if (decode) REQUIRE(f.extended_seq > before);
      before = f.extended_seq;
    }
  }

 private:
  static SealedSession make_second() {
    return SealedSession(2, TransportMode::xchacha20_poly1305_rtpsize);
  }
  bool chance(int percent) { return static_cast<int>(random_() % 100) < percent; }

  void new_epoch(int tick) {
    const auto number = static_cast<std::uint64_t>(tick / kEpochTicks + 1);
    for (SealedSession &session : sessions_) {
      const int spread = kLatestKey - kEarliestKey;
      // Keys come before and after they are used; senders go over one by one.
      const int early = number == 1 ? 0 : static_cast<int>(random_() % spread);
      keys_.emplace(tick + early, std::pair(session.id(), number));
      for (std::size_t i = 0; i < speakers_.size(); ++i)
        if (speakers_[i].stream.user() / 10 == session.id())
          switches_.emplace(tick + (number == 1 ? 0 : -kEarliestKey), std::pair(i, number));
    }
  }

  void send(int tick) {
    for (auto [at, end] = switches_.equal_range(tick); at != end; ++at) {
      SealedStream &stream = speakers_[at->second.first].stream;
      stream.frames().set_key(base_secret(stream.user(), at->second.second));
    }
    for (Speaker &speaker : speakers_) {
      SealOptions options;
      options.padding = chance(10) ? static_cast<std::uint8_t>(1 + random_() % 20) : 0;
      options.extension_words = chance(50) ? 2 : 0;
      options.csrcs = chance(5) ? 1 : 0;
      const bool empty = options.padding != 0 && chance(5);
      const auto session = static_cast<SessionId>(speaker.stream.user() / 10);
      const Bytes datagram =
          empty ? speaker.stream.send({}, 0, options)
                : speaker.stream.send(opus_[random_() % opus_.size()], 960, options);
      const std::uint64_t index = speaker.sent++;
      if (chance(5)) continue;
      padding_ += empty ? 1 : 0;
      if (!empty) speaker.arrived.insert(index);
      in_flight_.emplace(
          tick + (chance(5) ? 1 + static_cast<int>(random_() % kMaxDisplacement) : 0),
          Arrival{session, datagram});
      if (!chance(2)) continue;
      ++copies_;
      in_flight_.emplace(tick + kMaxDisplacement + static_cast<int>(random_() % 5),
                         Arrival{session, datagram});
    }
  }

  void arrive(int tick) {
    for (auto [at, end] = keys_.equal_range(tick); at != end; ++at) {
      const auto [session, number] = at->second;
      h_.apply(dave_epoch(session, number, {session * 10, session * 10 + 1, session * 10 + 2}));
    }
    for (auto [at, end] = in_flight_.equal_range(tick); at != end; ++at) {
      h_.receive(at->second.datagram, false, at->second.session);
      if (chance(2)) hostile(at->second);
    }
    in_flight_.erase(tick);
  }

  void hostile(Arrival arrival) {
    Bytes &d = arrival.datagram;
    switch (random_() % 4) {
      case 0:
        d[random_() % d.size()] ^= static_cast<std::uint8_t>(1 << random_() % 8);
        // A changed version or type makes it something else, which is judged too.
        break;
      case 1:
        d.resize(random_() % 30);
        break;
      case 2:
        for (auto &byte : d) byte = static_cast<std::uint8_t>(random_());
        break;
      default:
        d[1] = 101;
        break;
    }
    h_.receive(d, false, arrival.session);
    ++hostile_;
  }

  std::mt19937 random_;
  Harness h_;
  std::array<SealedSession, 2> sessions_;
  std::vector<Speaker> speakers_;
  std::vector<Bytes> opus_;
  std::multimap<int, Arrival> in_flight_;
  std::multimap<int, std::pair<SessionId, std::uint64_t>> keys_;
  std::multimap<int, std::pair<std::size_t, std::uint64_t>> switches_;
  std::uint64_t hostile_ = 0, padding_ = 0, copies_ = 0;
};

}  // namespace

TEST_CASE("random traffic: the account closes, nothing in time is lost, nothing comes twice") {
  for (bool decode : {true, false}) {
    ChainConfig config;
    config.decode = decode;
    config.rate = 8000;
    config.channels = 1;
    Network network(config, decode ? 4 : 5);
    network.run(50000);
    network.check(decode);
  }
}
