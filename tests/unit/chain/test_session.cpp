// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>

#include "ext/chain/session.hpp"
#include "tests/support/sealed_stream.hpp"

using namespace dv;
using namespace dv::test;
using chain::Session;

namespace {

constexpr UserId kLeaver = 7, kStayer = 8;

void tell(Session &session, const KeyUpdate &update, Time now) {
  session.apply(std::get<DaveUpdate>(update), now);
}

}  // namespace

TEST_CASE("a sender without keys is remembered while a stream of his is there") {
  for (const bool known : {false, true}) {
    Session session(1);
    if (known) tell(session, plain_session(1), 1s);
    auto first = session.sender(kLeaver), second = session.sender(kLeaver);
    CHECK(first == second);
    CHECK(first->decryptor.plain_allowed(3600s) == known);
    first.reset();
    session.let_go(kLeaver);
    CHECK(session.senders() == 1);
    second.reset();
    session.let_go(kLeaver);
    CHECK(session.senders() == 0);
    session.let_go(kLeaver);
    CHECK(session.sender(kLeaver)->decryptor.plain_allowed(3600s) == known);
  }
}

TEST_CASE("a sender with keys is remembered until they run out, and longer by who holds him") {
  for (const bool held : {false, true}) {
    Session session(1);
    tell(session, dave_epoch(1, 1, {kLeaver, kStayer}), 1s);
    auto stream = session.sender(kLeaver);
    if (!held) stream.reset();
    session.let_go(kLeaver);
    CHECK(session.senders() == 2);
    tell(session, dave_epoch(1, 2, {kStayer}), 5s);
    session.expire_keys(14s);
    CHECK(session.senders() == 2);
    session.expire_keys(5s + dave::kTransitionOverlap + 1ms);
    CHECK(session.senders() == (held ? 2 : 1));
    CHECK(session.keys_expire() == kNever);
    CHECK(session.sender(kStayer)->decryptor.has_ratchet(3600s));
    stream.reset();
    session.let_go(kLeaver);
    CHECK(session.senders() == 1);
  }
}

TEST_CASE("who comes back after his keys were wiped has the session's window for plain frames") {
  Session session(1);
  tell(session, plain_session(1), 1s);
  session.let_go(kLeaver);
  tell(session, dave_epoch(1, 1, {kStayer}), 5s);
  const auto sender = session.sender(kLeaver);
  CHECK(sender->decryptor.plain_allowed(5s + dave::kTransitionOverlap));
  CHECK_FALSE(sender->decryptor.plain_allowed(5s + dave::kTransitionOverlap + 1ms));
  CHECK_FALSE(sender->there_before_us);
}
