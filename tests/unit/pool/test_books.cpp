// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>

#include "ext/decrypt/pool/engine.hpp"
#include "ext/decrypt/pool/journal.hpp"
#include "ext/decrypt/pool/key_codec.hpp"
#include "ext/decrypt/pool/key_mirror.hpp"
#include "ext/decrypt/pool/stats_book.hpp"

using namespace dv;

namespace {

Bytes rtp(Ssrc ssrc) { return Writer().u8(0x80).u8(120).u16(1).u32(2).u32(ssrc).release(); }

std::uint64_t all_pending(const StatsBook &book) {
  std::uint64_t n = book.others().pending();
  for (const auto &s : book.streams()) n += s.account.pending();
  return n;
}

}  // namespace

TEST_CASE("the SSRC of a datagram is where RTP and RTCP have it") {
  CHECK(claimed_ssrc(rtp(0xdeadbeef)) == 0xdeadbeef);
  CHECK(claimed_ssrc(Bytes{0x80, 200, 0, 1, 0, 0, 0, 9}) == 9);
  CHECK(claimed_ssrc(Bytes{0x80, 120, 0, 1, 0, 0, 0, 9}) == 0);
  CHECK(claimed_ssrc({}) == 0);
  CHECK_FALSE(looks_like_rtcp(rtp(1)));
}

TEST_CASE("the account closes in sum and per stream") {
  StatsBook book;
  std::vector<std::uint64_t> tags;
  for (int i = 0; i < 30; ++i) tags.push_back(book.received(1, rtp(static_cast<Ssrc>(i % 3))));
  CHECK(book.total().pending() == 30);
  for (std::size_t i = 0; i < tags.size(); ++i) {
    book.verdict(tags[i], i % 2 == 0 ? Verdict::delivered : Verdict::late);
  }
  CHECK(book.total().pending() == 0);
  CHECK(book.total()[Verdict::late] == 15);
  CHECK(book.streams().size() == 3);
  CHECK(all_pending(book) == 0);
}

TEST_CASE("SSRCs that only claim to exist are bounded and do not push out speakers") {
  StatsBook book;
  const auto real = book.received(1, rtp(1));
  book.verdict(real, Verdict::delivered);
  std::vector<std::uint64_t> tags;
  for (Ssrc i = 2; i < 20000; ++i) tags.push_back(book.received(1, rtp(i)));
  CHECK(book.streams().size() <= StatsBook::kMaxStreams);
  CHECK(book.streams().front().ssrc == 1);
  for (const auto tag : tags) book.verdict(tag, Verdict::transport_auth);
  CHECK(book.total().pending() == 0);
  CHECK(all_pending(book) == 0);
}

TEST_CASE("a live clock runs by itself, a recorded one by its packets") {
  EngineClock recorded(false);
  CHECK(recorded.now() == Time(0));
  recorded.arrived(500);
  recorded.arrived(400);
  CHECK(recorded.now() == Time(500));
  EngineClock live(true);
  const Time t = live.now();
  CHECK(t > Time(0));
  CHECK(live.now() >= t);
}

TEST_CASE("the journal keeps what is unanswered, and the last packets for a successor") {
  Journal journal;
  Stream &stream = journal.make_stream(1, 2, 3);
  std::vector<Ticket> tickets;
  for (std::uint8_t i = 0; i < 140; ++i) {
    Record r;
    r.client = 1;
    r.stream = &stream;
    r.worker = 0;
    tickets.push_back(journal.add(std::move(r), Bytes(10, i)));
  }
  CHECK(stream.unanswered == 140);
  CHECK(journal.unanswered_of(0) == tickets);
  for (std::size_t i = 0; i < 130; ++i) journal.answered(tickets[i], Journal::kPrimes);
  CHECK(stream.unanswered == 10);
  REQUIRE(stream.recent.size() == Journal::kPrimes);
  CHECK(journal.find(stream.recent.front())->data[0] == 30);
  CHECK(journal.find(tickets[0]) == nullptr);
  journal.answered(tickets[135], 0);
  CHECK(journal.find(tickets[135]) == nullptr);
  CHECK(journal.unanswered_of(0).size() == 9);
}

TEST_CASE("a ticket of a record that is gone, or that never was, finds nothing") {
  Journal journal;
  const Ticket first = journal.add({}, {});
  journal.remove(first);
  const Ticket second = journal.add({}, {});
  CHECK(journal.find(first) == nullptr);
  CHECK(journal.find(second) != nullptr);
  CHECK(journal.find(kNoTicket) == nullptr);
  CHECK(journal.find(12345) == nullptr);
}

namespace {

struct Told {
  KeyMirror::Send send() {
    return [this](const worker::ToWorker &m) {
      // Views in the message live as long as the call.
      const Bytes bytes = worker::encode(1, m);
      const auto received = worker::decode_to_worker(bytes);
      if (const auto *d = std::get_if<worker::DaveEpoch>(&received->message)) {
        std::vector<UserId> users;
        for (const auto &s : d->senders) users.push_back(s.user);
        epochs.push_back({d->version, users});
        ages.push_back(Time(static_cast<Time::rep>(d->age)));
        more.push_back(d->more);
      } else if (std::holds_alternative<worker::TransportKey>(received->message)) {
        ++transport;
      } else if (const auto *s = std::get_if<worker::SsrcBinding>(&received->message)) {
        bound.push_back(s->ssrc);
      }
    };
  }
  std::vector<std::pair<int, std::vector<UserId>>> epochs;
  std::vector<bool> more;
  std::vector<Time> ages;
  std::vector<Ssrc> bound;
  int transport = 0;
};

DaveUpdate epoch(std::uint16_t version, std::vector<UserId> users) {
  DaveUpdate d{1, version, 1, {}};
  for (const UserId u : users) d.senders.push_back({u, Secret(Bytes(16, 1))});
  return d;
}

}  // namespace

TEST_CASE("a worker is told only what its streams need") {
  KeyMirror mirror(1);
  mirror.remember(TransportKeyUpdate{1, TransportMode::aes256_gcm_rtpsize, Secret(Bytes(32, 1))},
                  Time(0));
  mirror.remember(SsrcUpdate{1, 10, 100}, Time(0));
  mirror.remember(SsrcUpdate{1, 11, 101}, Time(0));
  mirror.remember(epoch(1, {100, 101}), Time(0));
  Told told;
  KnownSession known;
  mirror.introduce(1, 10, nullptr, known, Time(0), told.send());
  CHECK(told.transport == 1);
  CHECK(told.bound == std::vector<Ssrc>{10});
  REQUIRE(told.epochs.size() == 1);
  CHECK(told.epochs[0].second == std::vector<UserId>{100});
  CHECK_FALSE(told.more[0]);

  const KeyUpdate next = epoch(1, {100, 101});
  mirror.remember(next, Time(0));
  mirror.pass_on(
      next, known, [](Ssrc s) { return s == 10; }, Time(0), told.send());
  REQUIRE(told.epochs.size() == 2);
  CHECK(told.epochs[1].second == std::vector<UserId>{100});
}

TEST_CASE("old epochs that are over are told nobody") {
  KeyMirror mirror(1);
  for (int i = 0; i < 3; ++i) mirror.remember(epoch(1, {100}), Time(0));
  mirror.remember(SsrcUpdate{1, 10, 100}, Time(0));
  const KeyUpdate over = OldEpochsEndUpdate{1};
  mirror.remember(over, Time(0));
  Told told;
  KnownSession known;
  mirror.introduce(1, 10, nullptr, known, Time(0), told.send());
  CHECK(told.epochs.size() == 1);
  mirror.pass_on(
      over, known, [](Ssrc) { return true; }, Time(0), told.send());
  CHECK(told.epochs.size() == 1);
}

TEST_CASE("a user who is named late gets the epochs that name him") {
  KeyMirror mirror(1);
  mirror.remember(epoch(1, {100}), Time(0));
  mirror.remember(epoch(1, {100, 101}), Time(0));
  Told told;
  KnownSession known;
  mirror.introduce(1, 11, nullptr, known, Time(0), told.send());
  CHECK(told.epochs.size() == 2);  // without anybody: the state of the session
  const KeyUpdate named = SsrcUpdate{1, 11, 101};
  mirror.remember(named, Time(0));
  mirror.pass_on(
      named, known, [](Ssrc) { return true; }, Time(0), told.send());
  REQUIRE(told.epochs.size() == 3);
  CHECK(told.epochs[2].second == std::vector<UserId>{101});
  CHECK(told.more[2]);  // the keys of those told before stay
}

TEST_CASE("users come and go: who has left is forgotten, and told of anew if he returns") {
  KeyMirror mirror(1);
  mirror.remember(epoch(1, {1}), Time(0));
  mirror.remember(SsrcUpdate{1, 5, 1}, Time(0));
  Told told;
  KnownSession known;
  mirror.introduce(1, 5, nullptr, known, Time(0), told.send());
  const auto come = [&](UserId user) {
    mirror.remember(SsrcUpdate{1, 10, user}, Time(0));
    KnownSession result;
    mirror.introduce(1, 10, &known, result, Time(0), told.send());
    known = std::move(result);
  };
  for (UserId user = 1000; user < 2000; ++user) {
    come(user);
    mirror.remember(SsrcUpdate{1, 10, 0}, Time(0));
    CHECK(known.users.size() <= known.most_users);
  }
  CHECK(known.most_users == 64);
  CHECK(known.users.count(1) == 1);
  CHECK(told.epochs.size() == 1);  // none names them
  CHECK(known.users.count(1000) == 0);
  mirror.remember(epoch(1, {1, 1000}), Time(0));
  come(1000);
  REQUIRE(told.epochs.size() == 2);
  CHECK(told.epochs[1].second == std::vector<UserId>{1000});
}

TEST_CASE("a session that is plain now is not made to look encrypted by a newcomer") {
  KeyMirror mirror(1);
  mirror.remember(SsrcUpdate{1, 10, 100}, Time(0));
  mirror.remember(SsrcUpdate{1, 11, 101}, Time(0));
  mirror.remember(epoch(1, {100, 101}), Time(0));
  mirror.remember(epoch(0, {}), Time(0));
  Told told;
  KnownSession known, more;
  mirror.introduce(1, 10, nullptr, known, Time(0), told.send());
  mirror.introduce(1, 11, &known, more, Time(0), told.send());
  CHECK(told.epochs.back().first == 0);
}

TEST_CASE("a worker that comes later is told how old the keys are, and of all that still open") {
  KeyMirror mirror(1);
  mirror.remember(SsrcUpdate{1, 10, 100}, Time(0));
  mirror.remember(epoch(1, {100}), Time(0));
  // Members come and go: more epochs within the time that old keys live than one would think.
  for (int i = 0; i < 5; ++i) mirror.remember(epoch(1, {100}), 100s + i * 1s);
  Told told;
  KnownSession known;
  mirror.introduce(1, 10, nullptr, known, 105s, told.send());
  CHECK(told.ages == std::vector<Time>{105s, 5s, 4s, 3s, 2s, 1s});
  mirror.remember(epoch(1, {100}), 113s);
  Told later;
  KnownSession anew;
  mirror.introduce(1, 10, nullptr, anew, 114s, later.send());
  // Those whose successor is older than the overlap open nothing any more.
  CHECK(later.ages == std::vector<Time>{12s, 11s, 10s, 1s});
}
