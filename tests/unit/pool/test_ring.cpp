// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>

#include <random>

#include "tests/unit/pool/regions.hpp"

using namespace dv;
using namespace dv::test;
using namespace dv::worker;

namespace {

constexpr std::uint32_t kSlots = 16;

Request request(std::uint64_t ticket) {
  Request r;
  r.client = 1;
  r.session = 2;
  r.ssrc = 3;
  r.epoch = 4;
  r.control = 5;
  r.ticket = ticket;
  r.arrival = -6;
  return r;
}

}  // namespace

TEST_CASE("a request comes out as it went in") {
  Regions regions(kSlots, kSlots);
  auto host = regions.host();
  auto worker = regions.worker();
  const Bytes data(1500, 0xab);
  host.write(request(77), data);
  CHECK(worker.available() == 0);
  host.publish();
  REQUIRE(worker.available() == 1);
  const auto r = read_request(worker.next());
  REQUIRE(r);
  CHECK(r->ticket == 77);
  CHECK(r->client == 1);
  CHECK(r->session == 2);
  CHECK(r->ssrc == 3);
  CHECK(r->epoch == 4);
  CHECK(r->control == 5);
  CHECK(r->arrival == -6);
  CHECK(ByteView(worker.next() + kSlotHeader, r->size).size() == 1500);
  CHECK(worker.next()[kSlotHeader + 1499] == 0xab);
}

TEST_CASE("the open request is named until it is done") {
  Regions regions(kSlots, kSlots);
  auto host = regions.host();
  auto worker = regions.worker();
  host.write(request(1), {});
  host.publish();
  CHECK(host.open_request() == 0);
  worker.open();
  CHECK(host.open_request() == 1);
  worker.done();
  CHECK(host.open_request() == 0);
  REQUIRE(host.refresh());
  CHECK(host.taken_by_worker() == 1);
  CHECK(host.room() == kSlots);
}

TEST_CASE("a long frame goes through several slots, also around the end") {
  Regions regions(kSlots, kSlots);
  auto host = regions.host();
  auto worker = regions.worker();
  Bytes data(kMaxFrame), scratch;
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::uint8_t>(i * 7);
  for (int round = 0; round < 5; ++round) {
    Reply reply;
    reply.size = static_cast<std::uint32_t>(data.size());
    reply.ticket = static_cast<std::uint64_t>(round);
    REQUIRE(worker.room(reply_slots_for(data.size())));
    worker.write(reply, data);
    worker.complete();
    worker.publish();
    REQUIRE(host.refresh());
    const auto got = host.peek();
    REQUIRE(got);
    REQUIRE(host.complete(*got));
    const ByteView out = host.data(*got, scratch);
    CHECK(Bytes(out.begin(), out.end()) == data);
    host.take(*got);
    CHECK_FALSE(host.reply_ready());
    host.release();
  }
}

TEST_CASE("what is not complete is not seen") {
  Regions regions(kSlots, kSlots);
  auto host = regions.host();
  auto worker = regions.worker();
  worker.write(Reply{}, Bytes(10));
  worker.publish();
  REQUIRE(host.refresh());
  CHECK_FALSE(host.reply_ready());
  worker.complete();
  worker.publish();
  REQUIRE(host.refresh());
  CHECK(host.reply_ready());
}

TEST_CASE("indices that make no sense are refused") {
  Regions regions(kSlots, kSlots);
  auto host = regions.host();
  host.write(request(1), {});
  host.publish();
  store_word(regions.replies.get(), Word::request_tail, 2);
  CHECK_FALSE(host.refresh());
  store_word(regions.replies.get(), Word::request_tail, 1);
  CHECK(host.refresh());
  store_word(regions.replies.get(), Word::request_tail, 0);
  CHECK_FALSE(host.refresh());
  store_word(regions.replies.get(), Word::request_tail, 1);
  store_word(regions.replies.get(), Word::reply_head, kSlots + 1);
  CHECK_FALSE(host.refresh());
  store_word(regions.replies.get(), Word::reply_head, ~std::uint64_t{0});
  CHECK_FALSE(host.refresh());
}

TEST_CASE("random bytes in place of slots are refused or harmless") {
  std::mt19937 random(1);
  Bytes slot(kReplySlot);
  for (int i = 0; i < 20000; ++i) {
    for (std::size_t k = 0; k < kSlotHeader; ++k) slot[k] = static_cast<std::uint8_t>(random());
    slot[0] %= 6;
    if (const auto r = read_reply(slot.data())) {
      CHECK(r->size <= kMaxFrame);
      CHECK(reply_slots_for(r->size) <= 12);
    }
    if (const auto r = read_request(slot.data())) CHECK(r->size <= kMaxDatagram);
  }
}

TEST_CASE("one sleep is worth one signal") {
  Regions regions(kSlots, kSlots);
  auto host = regions.host();
  auto worker = regions.worker();
  host.write(request(1), {});
  CHECK_FALSE(host.publish());
  worker.announce_sleep();
  host.write(request(2), {});
  CHECK(host.publish());
  host.write(request(3), {});
  CHECK_FALSE(host.publish());
  worker.awake();
  worker.announce_sleep();
  host.write(request(4), {});
  CHECK(host.publish());
  host.announce_sleep();
  worker.write(Reply{}, {});
  worker.complete();
  CHECK(worker.publish());
  host.awake();
  worker.write(Reply{}, {});
  worker.complete();
  CHECK_FALSE(worker.publish());
}
