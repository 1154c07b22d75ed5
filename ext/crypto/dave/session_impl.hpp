// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <deque>
#include <set>
#include <utility>

#include "ext/crypto/dave/session.hpp"
#include "ext/crypto/mls/group.hpp"

namespace dv::dave {

/** The state of `dave.md` 2.3. Handlers append to the actions of the event that they answer. */
class Session::Impl {
 public:
  explicit Impl(SessionConfig config);

  void session_description(std::uint16_t version);
  void clients_connect(const std::vector<UserId> &users);
  void client_disconnect(UserId user) { recognised_.erase(user); }
  void prepare_transition(std::uint16_t id, std::uint16_t version);
  void execute_transition(std::uint16_t id);
  void prepare_epoch(std::uint16_t version, std::uint64_t epoch);
  void external_sender(ByteView payload);
  void proposals(ByteView payload);
  void announce_commit(ByteView payload);
  void welcome(ByteView payload);
  void media_broken();
  void problem(const char *what) { actions_.push_back(Problem{what}); }
  void malformed(const char *what);

  bool established() const { return group_ && group_->epoch() > 0; }
  Actions take_actions() { return std::exchange(actions_, {}); }

  const SessionConfig config_;
  mls::KeyPair signature_;
  SessionStats stats_;
  std::optional<mls::Group> group_;
  std::uint16_t active_version_ = 0;
  std::uint16_t prepared_version_ = 0;

 private:
  struct Transition {
    std::uint16_t id = 0;
    std::uint16_t version = 0;
    std::uint64_t epoch = 0;
    Secret own_secret;
    std::string privacy_code;
    std::vector<UserId> members;
  };
  struct Report {
    std::uint16_t id = 0;
    mls::Hash message{};
    bool operator==(const Report &) const = default;
  };

  std::uint16_t supported(std::uint16_t version);
  /** Drops the group and what belongs to it, and offers a new key package. */
  void reset();
  void drop_group();
  void make_pending_group();
  mls::Extensions group_extensions() const;
  bool offer_key_package();

  void append_proposals(ByteView messages);
  void revoke_proposals(ByteView refs);
  /** False if nothing was new. */
  bool take_proposals(ByteView messages, bool may_hold);
  void hold(ByteView messages);
  void commit();
  mls::Result<mls::Group> join(ByteView bytes) const;
  void joined(std::uint16_t id, mls::Group group);
  void epoch_began();
  /** Op 31, once for a transition, and everything new. */
  void recover(std::uint16_t id, ByteView message, const char *why);

  void prepare(std::uint16_t id, std::uint16_t version);
  void execute(Transition transition);
  Transition describe(std::uint16_t id, std::uint16_t version) const;
  void tell_receiving_keys(std::uint16_t version);
  void tell_sending_key(Transition &t);
  DaveUpdate receiving_keys(std::uint16_t version) const;
  Secret base_secret(UserId user) const;

  Actions actions_;
  std::uint16_t group_version_ = 0;  // of ops 4 and 24: what a new epoch will run
  Bytes external_sender_;
  std::unique_ptr<mls::KeyPackageBundle> package_;
  std::unique_ptr<mls::KeyPackageBundle> previous_package_;
  std::set<UserId> recognised_;
  std::deque<Transition> transitions_;  // oldest first
  std::deque<Report> reported_;
  std::deque<Bytes> held_;  // proposals that name users we have not been told of
  std::optional<std::uint16_t> last_executed_;
  Bytes receiving_epoch_;  // authenticator of the epoch whose keys were told last
  Secret sending_secret_;  // as told last
  bool media_reported_ = false;
};

}  // namespace dv::dave
