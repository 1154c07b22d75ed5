// SPDX-License-Identifier: LGPL-2.1-or-later
#include <doctest/doctest.h>

#include <deque>
#include <map>

#include "ext/crypto/dave/group_codes.hpp"
#include "ext/crypto/dave/media_decryptor.hpp"
#include "ext/crypto/dave/session.hpp"
#include "ext/crypto/mls/group.hpp"
#include "tests/support/vectors.hpp"

using namespace dv;
using namespace dv::dave;
using test::from_hex;
using test::hex_field;
using test::load_vectors;
using test::to_hex;
using Json = nlohmann::json;

static UserId user_field(const Json &object, const char *field) {
  return std::stoull(object.at(field).get<std::string>());
}

TEST_CASE("codes-and-fingerprints.json") {
  const Json v = load_vectors("dave/codes-and-fingerprints.json");
  for (const auto &c : v.at("displayable_codes"))
    CHECK(displayable_code(hex_field(c, "data"), c.at("length"), c.at("group_size")) ==
          c.at("code").get<std::string>());
  for (const auto &c : v.at("displayable_code_errors")) {
    const Bytes data(c.at("data_bytes").get<std::size_t>());
    CHECK_FALSE(displayable_code(data, c.at("length"), c.at("group_size")));
  }
  for (const auto &p : v.at("pairwise")) {
    const Bytes a = hex_field(p, "key_a");
    const Bytes b = hex_field(p, "key_b");
    const UserId user_a = user_field(p, "user_a");
    const UserId user_b = user_field(p, "user_b");
    CHECK(to_hex(key_fingerprint(a, user_a)) == p.at("fingerprint_a"));
    CHECK(to_hex(key_fingerprint(b, user_b)) == p.at("fingerprint_b"));
    const auto fingerprint = pairwise_fingerprint(a, user_a, b, user_b);
    REQUIRE(fingerprint);
    CHECK(to_hex(*fingerprint) == p.at("pairwise"));
    CHECK(pairwise_code(b, user_b, a, user_a) == p.at("code").get<std::string>());
  }
}

static std::unique_ptr<mls::KeyPackageBundle> bundle_of(const Json &v) {
  auto bundle =
      mls::load_key_package(hex_field(v, "key_package"), Secret(hex_field(v, "init_priv")),
                            Secret(hex_field(v, "encryption_priv")));
  REQUIRE(bundle);
  return std::make_unique<mls::KeyPackageBundle>(std::move(*bundle));
}

template <class T>
static std::size_t count(const Actions &actions) {
  std::size_t n = 0;
  for (const auto &a : actions) n += std::holds_alternative<T>(a);
  return n;
}
static std::size_t sent(const Actions &actions, std::uint8_t op) {
  std::size_t n = 0;
  for (const auto &a : actions) {
    if (const auto *json = std::get_if<SendJson>(&a)) n += json->op == op;
    if (const auto *binary = std::get_if<SendBinary>(&a)) n += binary->op == op;
  }
  return n;
}

static std::string problems(const Actions &actions) {
  std::string all;
  for (const auto &a : actions) {
    if (const auto *p = std::get_if<Problem>(&a)) all += p->what + "; ";
  }
  return all;
}

/** A session whose key packages are those of the recording. */
struct Recorded {
  std::deque<std::unique_ptr<mls::KeyPackageBundle>> packages;
  std::map<UserId, FrameDecryptor> decryptors;
  Time now = 1s;
  Session session;

  explicit Recorded(const Json &v) : session(config(v)) {}
  Recorded(const Recorded &) = delete;

  SessionConfig config(const Json &v) {
    SessionConfig c;
    c.self = user_field(v, "user_id");
    c.channel = user_field(v, "channel_id");
    c.session = 1;
    c.signature_key = Secret(hex_field(v, "signature_priv"));
    c.key_package_source = [this] {
      std::unique_ptr<mls::KeyPackageBundle> next;
      if (!packages.empty()) {
        next = std::move(packages.front());
        packages.pop_front();
      }
      return next;
    };
    return c;
  }

  Actions event(const Json &step) {
    const int op = step.at("op");
    if (step.contains("payload"))
      return session.on_binary(static_cast<std::uint8_t>(op), hex_field(step, "payload"));
    const Json &d = step.at("d");
    switch (op) {
      case 4:
        return session.on_session_description(d.at("dave_protocol_version"));
      case 11: {
        std::vector<UserId> users;
        for (const auto &u : d.at("user_ids")) users.push_back(std::stoull(u.get<std::string>()));
        return session.on_clients_connect(users);
      }
      case 13:
        return session.on_client_disconnect(user_field(d, "user_id"));
      case 21:
        return session.on_prepare_transition(d.at("transition_id"), d.at("protocol_version"));
      case 22:
        return session.on_execute_transition(d.at("transition_id"));
      case 24:
        return session.on_prepare_epoch(d.at("protocol_version"), d.at("epoch"));
    }
    FAIL("unknown op in the recording");
    return {};
  }

  void install(const Actions &actions) {
    for (const auto &a : actions) {
      const auto *update = std::get_if<DaveUpdate>(&a);
      if (update == nullptr) continue;
      for (auto &[user, decryptor] : decryptors) {
        if (update->version == 0) decryptor.allow_plain(now);
      }
      for (const auto &s : update->senders)
        decryptors.try_emplace(s.user, 0u).first->second.add_ratchet(s.base_secret.view(), now);
    }
  }
};

static void check_state(const Session &session, const Json &state) {
  const mls::Group &group = *session.group();
  CHECK(session.epoch() == state.at("epoch"));
  CHECK(group.own_leaf() == state.at("leaf_index"));
  CHECK(to_hex(group.tree().root_hash()) == state.at("tree_hash"));
  CHECK(to_hex(group.context().confirmed_transcript_hash) == state.at("confirmed_transcript_hash"));
  CHECK(to_hex(group.interim_hash()) == state.at("interim_transcript_hash"));
  CHECK(to_hex(group.context_bytes()) == state.at("group_context"));
  // The epoch secret itself is not kept; everything that follows from it is here.
  CHECK(to_hex(group.secrets().init.view()) == state.at("init_secret"));
  CHECK(to_hex(group.secrets().exporter.view()) == state.at("exporter_secret"));
  CHECK(to_hex(group.secrets().membership.view()) == state.at("membership_key"));
  CHECK(to_hex(group.secrets().confirmation.view()) == state.at("confirmation_key"));
  CHECK(to_hex(session.epoch_authenticator()) == state.at("epoch_authenticator"));
  CHECK(session.privacy_code() == state.at("privacy_code"));
  const auto members = group.members();
  REQUIRE(members.size() == state.at("roster").size());
  for (std::size_t i = 0; i < members.size(); ++i) {
    const Json &expected = state.at("roster").at(i);
    CHECK(members[i].leaf == expected.at("leaf_index"));
    CHECK(members[i].user == user_field(expected, "user_id"));
    CHECK(to_hex(members[i].signature_key) == expected.at("signature_key"));
  }
}

/** Keys of others come with the update; our own only when the transition is executed. */
static void check_base_secrets(const Actions &actions, const Json &state, UserId self) {
  for (const auto &a : actions) {
    const auto *update = std::get_if<DaveUpdate>(&a);
    if (update == nullptr) continue;
    CHECK(update->senders.size() + 1 == state.at("base_secrets").size());
    for (const auto &s : update->senders) {
      CHECK(s.user != self);
      CHECK(to_hex(s.base_secret.view()) == state.at("base_secrets").at(std::to_string(s.user)));
    }
  }
}

static void check_frames(Recorded &r, const Json &frames) {
  for (const auto &f : frames) {
    const Bytes frame = hex_field(f, "frame");
    const Bytes payload = hex_field(f, "payload");
    Bytes out(frame.size());
    auto &decryptor = r.decryptors.try_emplace(user_field(f, "user_id"), 0u).first->second;
    if (r.session.version() == 0) decryptor.allow_plain(r.now);
    const auto opened = decryptor.open(frame, r.now, out);
    CHECK(opened.delivered());
    CHECK(to_hex(ByteView(out).first(opened.size)) == to_hex(payload));
  }
}

static void replay(const char *file) {
  const Json v = load_vectors(file);
  const UserId self = user_field(v, "user_id");
  Recorded r(v);
  for (const auto &step : v.at("steps")) {
    r.now += 100ms;
    if (step.contains("frames")) {
      check_frames(r, step.at("frames"));
      if (!step.contains("op")) continue;
    }
    CAPTURE(std::string(file));
    CAPTURE(step.at("seq").get<int>());
    if (step.contains("key_packages")) {
      for (const auto &k : step.at("key_packages")) r.packages.push_back(bundle_of(k));
    }
    const Actions actions = r.event(step);
    INFO(problems(actions));
    CHECK(r.packages.empty());
    CHECK(sent(actions, kOpInvalidCommitWelcome) == 0);
    CHECK(sent(actions, kOpKeyPackage) == (step.contains("key_packages") ? 1 : 0));
    r.install(actions);
    if (!step.contains("state")) continue;
    check_state(r.session, step.at("state"));
    check_base_secrets(actions, step.at("state"), self);
    CHECK(count<DaveUpdate>(actions) == 1);
  }
}

TEST_CASE("scenario-*.json: whole recorded calls, states and frames") {
  for (const char *file :
       {"dave/scenario-initial-group.json", "dave/scenario-join-and-follow.json",
        "dave/scenario-join-with-path-secret.json", "dave/scenario-path-with-adds.json",
        "dave/scenario-downgrade-upgrade.json", "dave/scenario-large-group.json",
        "dave/scenario-second-implementation.json"})
    replay(file);
}

static void begin(Recorded &r, const Json &v) {
  r.packages.push_back(bundle_of(v));
  r.session.on_session_description(1);
  r.session.on_binary(kOpExternalSender, hex_field(v, "external_sender"));
  std::vector<UserId> users;
  for (const auto &u : v.at("recognized_users")) users.push_back(std::stoull(u.get<std::string>()));
  r.session.on_clients_connect(users);
}

TEST_CASE("refusals.json: Welcomes") {
  const Json v = load_vectors("dave/refusals.json");
  for (const auto &w : v.at("welcomes")) {
    CAPTURE(w.at("name").get<std::string>());
    Recorded r(v);
    begin(r, v);
    const Actions actions = r.session.on_binary(kOpWelcome, hex_field(w, "payload"));
    INFO(problems(actions));
    const bool ok = w.at("expect") == "ok";
    CHECK((r.session.epoch() != 0) == ok);
    CHECK(sent(actions, kOpReadyForTransition) == (ok ? 1 : 0));
    CHECK(sent(actions, kOpInvalidCommitWelcome) == (ok ? 0 : 1));
    CHECK(sent(actions, kOpKeyPackage) == (ok ? 0 : 1));
    CHECK(count<DaveUpdate>(actions) == (ok ? 1 : 0));
  }
}

static void join_member(Recorded &r, const Json &v) {
  begin(r, v);
  const Json &member = v.at("member");
  r.session.on_binary(kOpWelcome, hex_field(member, "join_payload"));
  REQUIRE(r.session.epoch() == member.at("state").at("epoch"));
  std::size_t commits = 0;
  for (const auto &p : member.at("cached_proposals"))
    commits +=
        sent(r.session.on_binary(kOpProposals, from_hex(p.get<std::string>())), kOpCommitWelcome);
  CHECK(commits == member.at("cached_proposals").size());
}

TEST_CASE("refusals.json: commits") {
  const Json v = load_vectors("dave/refusals.json");
  for (const auto &c : v.at("member").at("commits")) {
    CAPTURE(c.at("name").get<std::string>());
    Recorded r(v);
    join_member(r, v);
    if (c.contains("additional_proposals"))
      r.session.on_binary(kOpProposals, hex_field(c, "additional_proposals"));
    const auto before = r.session.epoch();
    const Actions actions = r.session.on_binary(kOpAnnounceCommit, hex_field(c, "payload"));
    const bool ok = c.at("expect") == "ok";
    INFO(problems(actions));
    CHECK(r.session.epoch() == (ok ? before + 1 : 0));
    CHECK(sent(actions, kOpReadyForTransition) == (ok ? 1 : 0));
    CHECK(sent(actions, kOpInvalidCommitWelcome) == (ok ? 0 : 1));
    CHECK(sent(actions, kOpKeyPackage) == (ok ? 0 : 1));
  }
}

TEST_CASE("refusals.json: proposals") {
  const Json v = load_vectors("dave/refusals.json");
  for (const auto &p : v.at("member").at("proposals")) {
    CAPTURE(p.at("name").get<std::string>());
    Recorded r(v);
    join_member(r, v);
    const auto before = r.session.epoch();
    const Actions actions = r.session.on_binary(kOpProposals, hex_field(p, "payload"));
    CHECK(sent(actions, kOpCommitWelcome) == (p.at("expect") == "commit" ? 1 : 0));
    CHECK(sent(actions, kOpInvalidCommitWelcome) == 0);
    CHECK(r.session.epoch() == before);
  }
}
