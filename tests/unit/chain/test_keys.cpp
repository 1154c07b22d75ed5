// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/chain/decoder_budget.hpp"
#include "tests/unit/chain/harness.hpp"

using namespace dv;
using namespace dv::test;

namespace {

constexpr UserId kUser = 7;
constexpr Ssrc kSsrc = 11;

ChainConfig forwarding() {
  ChainConfig config;
  config.decode = false;
  return config;
}

/** A call under epoch 1 with one speaker. */
struct Call : Harness {
  explicit Call(const ChainConfig &config = {}, std::uint16_t seq = 100)
      : Harness(config, false), speaker(session, kSsrc, kUser, seq) {
    apply(session.transport_key());
    apply(speaker.binding());
    epoch(1);
    speak_under(1);
  }
  void epoch(std::uint64_t number) { apply(dave_epoch(1, number, {kUser})); }
  void speak_under(std::uint64_t number) { speaker.frames().set_key(base_secret(kUser, number)); }
  Bytes next() { return speaker.send(source.next()); }
  std::uint64_t say() {
    const auto tag = receive(next());
    pass(20ms);
    return tag;
  }

  SealedStream speaker;
  OpusSource source;
};

std::vector<unsigned> numbers_from(unsigned first, unsigned count) {
  std::vector<unsigned> out;
  for (unsigned i = 0; i < count; ++i) out.push_back(first + i);
  return out;
}

}  // namespace

TEST_CASE("packets wait for the transport key, the user and the epoch, and none is lost") {
  for (const ChainConfig &config : {ChainConfig{}, forwarding()}) {
    Harness h(config, false);
    SealedStream speaker(h.session, kSsrc, kUser, 65530);
    speaker.frames().set_key(base_secret(kUser, 1));
    OpusSource source;
    const auto say = [&](int times) {
      for (int i = 0; i < times; ++i) {
        h.receive(speaker.send(source.next()));
        h.pass(20ms);
      }
    };
    say(10);
    h.apply(h.session.transport_key());
    say(10);
    CHECK(h.sink.frames.empty());
    h.apply(dave_epoch(1, 1, {kUser}));
    say(10);
    CHECK(h.sink.frames.empty());
    h.apply(speaker.binding());
    say(10);
    h.pass(200ms);
    h.check_closed();
    CHECK(h.sink.account[Verdict::delivered] == 40);
    REQUIRE(h.sink.frames.size() == 40);
    for (std::size_t i = 0; i < 40; ++i)
      CHECK(h.sink.frames[i].facts.extended_seq == 65536 + 65530 + i);
    CHECK(h.sink.losses.empty());
  }
}

TEST_CASE("what never gets its keys is dropped with the reason, after the time to wait") {
  Harness h({}, false);
  SealedStream speaker(h.session, kSsrc, kUser);
  speaker.frames().set_key(base_secret(kUser, 1));
  OpusSource source;
  const auto expect = [&](Verdict verdict) {
    const auto tag = h.receive(speaker.send(source.next()));
    h.pass(2s - 1ms);
    CHECK_FALSE(h.judged(tag));
    h.pass(1ms);
    CHECK(h.verdict(tag) == verdict);
  };
  expect(Verdict::no_transport_key);
  h.apply(h.session.transport_key());
  expect(Verdict::unknown_user);
  h.apply(speaker.binding());
  expect(Verdict::no_dave_key);
  h.apply(dave_epoch(1, 1, {8}));
  expect(Verdict::no_dave_key);
  h.check_closed();
}

TEST_CASE("frames that come before the key of their epoch are put in their place") {
  for (const ChainConfig &config : {ChainConfig{}, forwarding()}) {
    Call c(config);
    for (int i = 0; i < 20; ++i) c.say();
    c.speak_under(2);
    for (int i = 0; i < 90; ++i) c.say();  // 1.8 s
    CHECK(c.sink.frames.size() == 20);
    c.epoch(2);
    for (int i = 0; i < 20; ++i) c.say();
    c.pass(200ms);
    c.check_closed();
    CHECK(c.numbers() == numbers_from(100, 130));
    CHECK(c.sink.account[Verdict::delivered] == 130);
    CHECK(c.sink.losses.empty());
  }
}

TEST_CASE("no hole is given up in the place of packets that wait") {
  Call c;
  for (int i = 0; i < 10; ++i) c.say();
  c.speak_under(2);
  for (int i = 0; i < 5; ++i) c.say();
  SealOptions padding;
  padding.padding = 8;
  // Needs no key, and has a number behind those that wait.
  CHECK(c.verdict(c.receive(c.speaker.send({}, 0, padding))) == Verdict::padding_only);
  c.pass(1s);
  c.epoch(2);
  for (int i = 0; i < 10; ++i) c.say();
  c.check_closed();
  CHECK(c.sink.account[Verdict::delivered] == 25);
  CHECK(c.sink.losses.empty());
}

TEST_CASE("a hole from before the wait is given up in its own time") {
  Call c;
  for (int i = 0; i < 10; ++i) c.say();
  c.next();
  c.say();
  c.speak_under(2);
  for (int i = 0; i < 8; ++i) c.say();
  CHECK(c.numbers() == numbers_from(100, 12));
  c.epoch(2);
  c.check_closed();
  CHECK(c.numbers() == numbers_from(100, 20));
}

TEST_CASE("frames of the old epoch that were overtaken by the new one go on at once") {
  Call c;
  for (int i = 0; i < 10; ++i) c.say();
  const Bytes last_of_old = c.next();
  c.speak_under(2);
  for (int i = 0; i < 5; ++i) c.say();
  const auto tag = c.receive(last_of_old);
  CHECK(c.verdict(tag) == Verdict::delivered);
  c.epoch(2);
  c.pass(200ms);
  c.check_closed();
  CHECK(c.numbers() == numbers_from(100, 16));
}

TEST_CASE("plain silence queues behind what waits for its key") {
  for (const ChainConfig &config : {ChainConfig{}, forwarding()}) {
    Call c(config);
    for (int i = 0; i < 10; ++i) c.say();
    c.speak_under(2);
    for (int i = 0; i < 5; ++i) c.say();
    const Bytes silence{0xf8, 0xff, 0xfe};
    SealOptions plain;
    plain.plain_silence = true;
    for (int i = 0; i < 5; ++i) {
      c.receive(c.speaker.send(silence, 960, plain));
      c.pass(20ms);
    }
    CHECK(c.sink.frames.size() == 10);
    c.epoch(2);
    c.pass(200ms);
    c.check_closed();
    CHECK(c.numbers() == numbers_from(100, 20));
    CHECK((c.sink.frames[19].facts.flags & kFrameSilence) != 0);
  }
}

TEST_CASE("plain silence goes on when what it waited behind is given up") {
  Call c(forwarding());
  c.say();
  c.speak_under(2);
  const auto hopeless = c.say();
  SealOptions plain;
  plain.plain_silence = true;
  const auto silence = c.receive(c.speaker.send(Bytes{0xf8, 0xff, 0xfe}, 960, plain));
  c.pass(3s);
  CHECK(c.verdict(hopeless) != Verdict::delivered);
  CHECK(c.verdict(silence) == Verdict::delivered);
  c.check_closed();
}

TEST_CASE("a damaged frame is judged as soon as one behind it opens, and is made up") {
  Call c;
  for (int i = 0; i < 10; ++i) c.say();
  Bytes frame;
  c.speaker.frames().seal(c.source.next(), frame);
  frame[4] ^= 1;
  const auto bad = c.receive(c.speaker.send_frame(frame));
  CHECK_FALSE(c.judged(bad));
  c.pass(20ms);
  c.say();
  CHECK(c.verdict(bad) == Verdict::dave_auth);
  CHECK(c.numbers() == numbers_from(100, 12));
  CHECK((c.sink.frames[10].facts.flags & kFrameConcealed) != 0);
  c.check_closed();
}

TEST_CASE("replayed, foreign and plain frames are told apart and never heard") {
  Call c;
  for (int i = 0; i < 10; ++i) c.say();
  Bytes good, foreign;
  const Bytes opus = c.source.next();
  c.speaker.frames().seal(opus, good);
  dave::FrameEncryptor other;
  other.set_key(base_secret(8, 1));
  other.set_counter(1000);
  other.seal(opus, foreign);
  c.receive(c.speaker.send_frame(good));
  const auto replayed = c.receive(c.speaker.send_frame(good));
  const auto wrong_key = c.receive(c.speaker.send_frame(foreign));
  const auto plain = c.receive(c.speaker.send_frame(opus));
  c.say();
  CHECK(c.verdict(replayed) == Verdict::dave_replay);
  CHECK(c.verdict(wrong_key) == Verdict::dave_auth);
  CHECK(c.verdict(plain) == Verdict::dave_not_encrypted);
  c.check_closed();
  CHECK(c.sink.account[Verdict::delivered] == 12);
}

TEST_CASE("a second copy of a datagram is a duplicate, before any key is tried") {
  for (const ChainConfig &config : {ChainConfig{}, forwarding()}) {
    Call c(config);
    for (int i = 0; i < 5; ++i) c.say();
    const Bytes d = c.next();
    c.receive(d);
    CHECK(c.verdict(c.receive(d)) == Verdict::duplicate);
    c.speak_under(2);
    const Bytes waits = c.next();
    c.receive(waits);
    CHECK(c.verdict(c.receive(waits)) == Verdict::duplicate);
    c.epoch(2);
    c.pass(200ms);
    c.check_closed();
    CHECK(c.sink.account[Verdict::delivered] == 7);
  }
}

TEST_CASE("frames from before this member was welcomed are not meant for it") {
  Harness h({}, false);
  SealedStream speaker(h.session, kSsrc, kUser);
  OpusSource source;
  const auto say = [&] {
    const auto tag = h.receive(speaker.send(source.next()));
    h.pass(20ms);
    return tag;
  };
  h.apply(h.session.transport_key());
  h.apply(speaker.binding());
  speaker.frames().set_key(base_secret(kUser, 4));
  std::vector<std::uint64_t> foreign;
  for (int i = 0; i < 5; ++i) foreign.push_back(say());
  h.apply(dave_epoch(1, 5, {kUser}));
  // Everybody still speaks under the old epoch until the transition is executed.
  for (int i = 0; i < 5; ++i) foreign.push_back(say());
  speaker.frames().set_key(base_secret(kUser, 5));
  std::vector<std::uint64_t> own;
  for (int i = 0; i < 10; ++i) own.push_back(say());
  for (auto tag : foreign) CHECK(h.verdict(tag) == Verdict::not_entitled);
  h.pass(200ms);
  for (auto tag : own) CHECK(h.verdict(tag) == Verdict::delivered);
  h.check_closed();
}

TEST_CASE("a version 0 session turns to 1 and back without loss") {
  Harness h;
  SealedStream speaker(h.session, kSsrc, kUser, 100);
  h.apply(speaker.binding());
  OpusSource source;
  const auto say = [&](int times) {
    for (int i = 0; i < times; ++i) {
      h.receive(speaker.send(source.next()));
      h.pass(20ms);
    }
  };
  say(10);
  h.apply(dave_epoch(1, 1, {kUser}));
  say(10);  // plain, within the window
  speaker.frames().set_key(base_secret(kUser, 1));
  say(10);
  speaker.frames().set_plain();
  h.pass(11s);
  say(10);  // before the downgrade is known here
  h.apply(plain_session(1));
  say(10);
  h.pass(200ms);
  h.check_closed();
  CHECK(h.sink.account[Verdict::delivered] == 50);
  CHECK(h.numbers() == numbers_from(100, 50));
}

TEST_CASE("the store of waiting packets is bounded, the oldest goes first") {
  ChainConfig config = forwarding();
  config.max_waiting = 10;
  Harness h(config, false);
  SealedStream speaker(h.session, kSsrc, kUser, 100);
  OpusSource source;
  std::vector<std::uint64_t> tags;
  for (int i = 0; i < 15; ++i) tags.push_back(h.receive(speaker.send(source.next())));
  for (std::size_t i = 0; i < 5; ++i) CHECK(h.verdict(tags[i]) == Verdict::waiting_overflow);
  h.apply(h.session.transport_key());
  h.apply(plain_session(1));
  for (int i = 0; i < 5; ++i) tags.push_back(h.receive(speaker.send(source.next())));
  for (std::size_t i = 5; i < 10; ++i) CHECK(h.verdict(tags[i]) == Verdict::waiting_overflow);
  h.apply(speaker.binding());
  h.check_closed();
  CHECK(h.sink.account[Verdict::delivered] == 10);
}

TEST_CASE("the previous transport key still opens after a new one") {
  Harness h;
  SealedStream speaker(h.session, kSsrc, kUser);
  h.apply(speaker.binding());
  OpusSource source;
  h.receive(speaker.send(source.next()));
  Bytes other(32, 0x77);
  h.apply(TransportKeyUpdate{1, TransportMode::xchacha20_poly1305_rtpsize, Secret(other)});
  h.receive(speaker.send(source.next()));
  h.check_closed();
  CHECK(h.sink.account[Verdict::delivered] == 2);
}

TEST_CASE("video, its retransmission and other payload types cost no decryption") {
  Harness h;
  SealedStream speaker(h.session, kSsrc, kUser), video(h.session, 12, kUser);
  h.apply(SsrcUpdate{1, 12, kUser, StreamKind::video});
  OpusSource source;
  CHECK(h.verdict(h.receive(video.send(source.next()))) == Verdict::not_audio);
  Bytes d = speaker.send(source.next());
  d[1] = 101;  // would not verify either
  CHECK(h.verdict(h.receive(d)) == Verdict::not_audio);
  // Known too late: what waited for a name is no audio.
  SealedStream unnamed(h.session, 13, kUser);
  const auto tag = h.receive(unnamed.send(source.next()));
  h.apply(SsrcUpdate{1, 13, kUser, StreamKind::rtx});
  CHECK(h.verdict(tag) == Verdict::not_audio);
  h.check_closed();
}

TEST_CASE("an SSRC that changes hands starts anew") {
  Harness h;
  SealedStream first(h.session, kSsrc, kUser, 100), second(h.session, kSsrc, 8, 100);
  OpusSource source;
  h.apply(first.binding());
  for (int i = 0; i < 10; ++i) h.receive(first.send(source.next()));
  h.apply(second.binding());
  for (int i = 0; i < 10; ++i) h.receive(second.send(source.next()));
  h.check_closed();
  CHECK(h.sink.account[Verdict::delivered] == 20);
  REQUIRE(h.sink.frames.size() == 20);
  for (std::size_t i = 0; i < 20; ++i) CHECK(h.sink.frames[i].facts.user == (i < 10 ? kUser : 8));
}

TEST_CASE("the next user of an SSRC loses nothing when the news of it comes late") {
  constexpr UserId kNext = 8;
  for (const ChainConfig &config : {ChainConfig{}, forwarding()}) {
    // Numbers far from the former user's, the same ones, and such as seem to be overtaken.
    for (const std::uint16_t start : {40000, 110, 105}) {
      CAPTURE(start);
      Call c(config);
      SealedStream next(c.session, kSsrc, kNext, start, 4000000000);
      next.frames().set_key(base_secret(kNext, 1));
      OpusSource words;
      c.apply(dave_epoch(1, 1, {kUser, kNext}));
      for (int i = 0; i < 10; ++i) c.say();
      for (int i = 0; i < 5; ++i) {
        c.receive(next.send(words.next()));
        c.pass(20ms);
      }
      c.say();  // the last word of the former user, who is slower
      c.apply(next.binding());
      for (int i = 0; i < 5; ++i) c.receive(next.send(words.next()));
      c.check_closed();
      CHECK(c.sink.account[Verdict::delivered] == 21);
      REQUIRE(c.sink.frames.size() == 21);
      for (std::size_t i = 0; i < 21; ++i)
        CHECK(c.sink.frames[i].facts.user == (i < 11 ? kUser : kNext));
      CHECK(c.sink.losses.empty());
    }
  }
}

TEST_CASE("what was under way when an SSRC was taken back waits for the next name") {
  Call c;
  for (int i = 0; i < 10; ++i) c.say();
  SealedStream next(c.session, kSsrc, 8, 5000, 7);
  next.frames().set_key(base_secret(8, 1));
  OpusSource words;
  c.apply(dave_epoch(1, 1, {kUser, 8}));
  const auto early = c.receive(next.send(words.next()));
  c.apply(SsrcUpdate{1, kSsrc, 0});
  CHECK_FALSE(c.judged(early));
  c.apply(next.binding());
  c.pass(200ms);
  CHECK(c.verdict(early) == Verdict::delivered);
  const auto never = c.receive(c.speaker.send(c.source.next()));
  c.apply(SsrcUpdate{1, kSsrc, 0});
  c.pass(3s);
  CHECK(c.verdict(never) == Verdict::unknown_user);
  c.check_closed();
}

TEST_CASE("forged datagrams make no stream and no wakeup") {
  Harness h;
  SealedStream speaker(h.session, kSsrc, kUser);
  OpusSource source;
  Bytes d = speaker.send(source.next());
  d.back() ^= 1;
  CHECK(h.verdict(h.receive(d)) == Verdict::transport_auth);
  CHECK(h.verdict(h.receive(ByteView(d).first(31))) == Verdict::malformed);
  CHECK(h.verdict(h.receive(Bytes(8))) == Verdict::malformed);
  CHECK(h.chain.next_wakeup() == kNever);
}

TEST_CASE("more streams than allowed are refused, and forgotten ones make room") {
  ChainConfig config;
  config.max_streams = 2;
  Harness h(config);
  OpusSource source;
  std::vector<SealedStream> speakers;
  for (Ssrc ssrc : {1U, 2U, 3U}) {
    speakers.emplace_back(h.session, ssrc, ssrc);
    h.apply(speakers.back().binding());
  }
  h.receive(speakers[0].send(source.next()));
  h.receive(speakers[1].send(source.next()));
  CHECK(h.verdict(h.receive(speakers[2].send(source.next()))) == Verdict::overload);
  h.chain.forget(1, 1, h.now);
  CHECK(h.sink.frames.size() == 1);
  const auto tag = h.receive(speakers[2].send(source.next()));
  h.check_closed();
  CHECK(h.verdict(tag) == Verdict::delivered);
}

TEST_CASE("RTCP leaves as the whole compound") {
  Harness h;
  const Bytes compound = [] {
    Writer w;
    w.u8(0x80).u8(200).u16(6).u32(kSsrc).u64(1).u32(2).u32(3).u32(4);
    w.u8(0x81).u8(202).u16(2).u32(kSsrc).u32(0);
    return w.release();
  }();
  CHECK(h.verdict(h.receive(h.session.seal_rtcp(compound))) == Verdict::delivered);
  REQUIRE(h.sink.frames.size() == 1);
  CHECK(h.sink.frames[0].facts.kind == FrameKind::rtcp);
  CHECK(h.sink.frames[0].facts.ssrc == kSsrc);
  CHECK(h.sink.frames[0].data == compound);
  Bytes cut = compound;
  cut.pop_back();
  CHECK(h.verdict(h.receive(h.session.seal_rtcp(cut))) == Verdict::malformed);
}

TEST_CASE("without decoding each packet leaves at once as plain RTP") {
  Harness h(forwarding());
  SealedStream speaker(h.session, kSsrc, kUser, 65535, 0xffffff00);
  h.apply(speaker.binding());
  OpusSource source;
  const Bytes opus = source.next();
  SealOptions options;
  options.marker = true;
  options.padding = 9;
  options.extension_words = 3;
  options.csrcs = 3;
  h.receive(speaker.send(opus, 960, options));
  REQUIRE(h.sink.frames.size() == 1);
  const auto &frame = h.sink.frames[0];
  CHECK(frame.facts.kind == FrameKind::rtp);
  const auto header = parse_rtp(frame.data);
  REQUIRE(header);
  CHECK(header->clear_size == kRtpFixedHeader);
  CHECK(header->marker);
  CHECK_FALSE(header->padding);
  CHECK_FALSE(header->extension);
  CHECK(header->payload_type == kOpusPayloadType);
  CHECK(header->seq == 65535);
  CHECK(header->timestamp == 0xffffff00);
  CHECK(header->ssrc == kSsrc);
  CHECK(Bytes(frame.data.begin() + kRtpFixedHeader, frame.data.end()) == opus);
  h.check_closed();
}

TEST_CASE("a flush drops what is held, and keys stay") {
  Call c;
  c.say();
  const Bytes lost = c.next();
  const auto held = c.receive(c.next());
  c.speak_under(2);
  const auto waiting = c.receive(c.next());
  c.chain.flush();
  CHECK(c.verdict(held) == Verdict::flushed);
  CHECK(c.verdict(waiting) == Verdict::flushed);
  CHECK(c.chain.next_wakeup() == kNever);
  c.epoch(2);
  c.say();
  c.check_closed();
  CHECK(c.sink.losses.empty());
}

TEST_CASE("the end of a session judges what waits for it, and wipes its keys") {
  Call c;
  for (int i = 0; i < 3; ++i) c.say();
  c.speak_under(2);
  const auto tag = c.say();
  c.apply(SessionEndUpdate{1});
  CHECK(c.judged(tag));
  CHECK(c.sink.frames.size() == 3);
  const auto after = c.receive(c.next());
  c.pass(3s);
  CHECK(c.verdict(after) == Verdict::no_transport_key);
  c.check_closed();
}

TEST_CASE("further senders of an epoch leave the keys of the others alone") {
  for (const ChainConfig &config : {ChainConfig{}, forwarding()}) {
    Call c(config);
    KeyUpdate more = dave_epoch(1, 1, {kUser + 1});
    std::get<DaveUpdate>(more).more = true;
    c.apply(more);
    c.pass(11s);
    const auto late = c.say();
    SealedStream other(c.session, kSsrc + 1, kUser + 1);
    other.frames().set_key(base_secret(kUser + 1, 1));
    c.apply(other.binding());
    const auto others = c.receive(other.send(c.source.next()));
    c.check_closed();
    CHECK(c.verdict(late) == Verdict::delivered);
    CHECK(c.verdict(others) == Verdict::delivered);
  }
}

TEST_CASE("keys that are told late are as old as they are: later generations and overlaps stay") {
  for (const bool told_its_age : {false, true}) {
    Harness h(forwarding(), false);
    SealedStream speaker(h.session, kSsrc, kUser, 100);
    speaker.frames().set_key(base_secret(kUser, 1));
    speaker.frames().set_counter((std::uint64_t{1} << dave::kGenerationBits) + 5);
    OpusSource source;
    h.apply(h.session.transport_key());
    h.apply(speaker.binding());
    auto epoch = dave_epoch(1, 1, {kUser});
    // Generation 1 is possible after 98,690 s.
    if (told_its_age) std::get<DaveUpdate>(epoch).age = 100000s;
    h.apply(epoch);
    const auto tag = h.receive(speaker.send(source.next()));
    h.pass(3s);
    CHECK((h.verdict(tag) == Verdict::delivered) == told_its_age);
  }
}

TEST_CASE("beyond the most streams the one that was silent for longest goes, and may come back") {
  ChainConfig config;
  config.max_streams = 8;
  Harness h(config);
  std::vector<std::unique_ptr<SealedStream>> speakers;
  OpusSource source;
  const auto say = [&](std::size_t i) {
    h.receive(speakers[i]->send(source.next()));
    h.pass(20ms);
  };
  for (Ssrc ssrc = 1; ssrc <= 30; ++ssrc) {
    speakers.push_back(std::make_unique<SealedStream>(h.session, ssrc, 100 + ssrc));
    h.apply(speakers.back()->binding());
    say(ssrc - 1);
    say(0);  // never silent, never in the way
  }
  say(5);
  h.check_closed();
  CHECK(h.sink.account[Verdict::delivered] == 61);
  CHECK(h.sink.losses.empty());
}

TEST_CASE("chains of one thread have a bounded number of decoders between them") {
  using chain::DecoderBudget;
  DecoderBudget budget;
  RecordingSink sink;
  ReceiveChain first({}, sink, &budget), second({}, sink, &budget);
  SealedSession session(1);
  const Bytes opus = OpusSource().next();
  Time now = 1000s;
  std::uint64_t tag = 0;
  for (ReceiveChain *c : {&first, &second}) {
    c->apply(session.transport_key(), now);
    c->apply(plain_session(1), now);
  }
  std::size_t most = 0;
  for (Ssrc ssrc = 1; ssrc <= 1000; ++ssrc) {
    SealedStream speaker(session, ssrc, 100 + ssrc);
    for (ReceiveChain *c : {&first, &second}) c->apply(speaker.binding(), now);
    for (int i = 0; i < 20; ++i) {
      const Bytes datagram = speaker.send(opus);
      PacketIn in{1, ++tag, now.count(), false, datagram};
      ReceiveChain &chain = ssrc % 2 != 0 ? first : second;
      chain.receive(in, now);
      now += 20ms;
      chain.advance(now);
    }
    most = std::max(most, budget.live());
  }
  for (ReceiveChain *c : {&first, &second}) c->drain(now);
  CHECK(sink.account[Verdict::delivered] == 20000);
  CHECK(most == DecoderBudget::kMost);
}
