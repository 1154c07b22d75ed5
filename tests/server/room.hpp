// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ext/crypto/dave/media_decryptor.hpp"
#include "ext/crypto/dave/media_encryptor.hpp"
#include "ext/crypto/dave/session.hpp"
#include "ext/crypto/mls/delivery.hpp"
#include "tests/server/loop.hpp"

namespace dv::server {

class Call;
class Core;

/** Faults of the delivery service that wait for their occasion. */
struct RoomFaults {
  int corrupt_commits = 0;   ///< so many op 29 reach real clients damaged
  int corrupt_welcomes = 0;  ///< so many op 30 reach real clients damaged
};

/** What a sealed frame was sealed under. */
struct Sealed {
  Bytes frame;
  int version = 0;
  std::uint64_t epoch = 0;
};

/**
 * The delivery service of one call (dave.md, section 2): the group's external sender. It collects
 * key packages, proposes who is to be added and removed, picks one commit per epoch, hands it out
 * with the Welcomes, and runs the transitions. Virtual speakers are full members with sessions of
 * their own.
 */
class Room {
 public:
  Room(Core &core, Call &call, ChannelId channel);
  ~Room();
  Room(const Room &) = delete;
  Room &operator=(const Room &) = delete;

  /** What op 4 tells a newcomer. */
  int version() const { return transition_ && transition_->version == 0 ? 0 : version_; }
  std::uint64_t epoch() const { return epoch_; }

  void add_virtual(UserId user);
  /** A real client's op 4 is out. `dave_version` is the highest it knows. */
  void add_client(UserId user, int dave_version);
  /** Op 25 before op 4. */
  void send_external_sender(UserId user);
  void remove(UserId user);

  /** Ops 26 and 28 of a member. */
  void binary(UserId user, std::uint8_t op, ByteView payload);
  /** Ops 23 and 31 of a member. */
  void transition(UserId user, int op, int id);

  /** A virtual speaker's frame; nothing while he has no key. */
  std::optional<Sealed> seal(UserId user, ByteView opus, bool plain_silence);
  /** The user can hear what others send now, or is alone. */
  bool can_hear(UserId user) const;
  bool can_speak(UserId user) const;
  /** What a virtual member makes of a real client's frame. */
  void listen(UserId user, ByteView frame);

  // On command
  void downgrade();
  void upgrade();
  /** A new group for all. */
  void reset();
  /** A virtual member is removed and added again with a new key package: a new epoch with a path.
   */
  bool readd(UserId user);
  /** The newest announced commit once more, to real clients. */
  void repeat_commit();
  void send_to_clients(std::uint8_t op, ByteView payload);
  RoomFaults faults;

 private:
  struct Virtual;
  struct Member;
  struct Proposal {
    mls::Hash ref{};
    Bytes message;
    UserId user = 0;
    bool add = false;
    std::set<UserId> told;
  };
  struct Candidate {
    UserId user = 0;
    mls::CommitInfo commit;
  };
  struct Transition {
    std::uint16_t id = 0;
    int version = 0;
    std::set<UserId> waiting;
    Loop::TimerId timer = 0;
  };
  struct Letter {
    UserId to = 0;
    int op = 0;
    Bytes payload;
    std::uint64_t a = 0, b = 0;  // of JSON: transition or epoch, version
  };

  // room.cpp: who is there, what is proposed
  void propose();
  void propose_changes();
  void hand_out_proposals();
  void withdraw(UserId user);
  void clear_group();
  bool sole_member_reset();
  bool in_group(UserId user) const { return leaves_.leaf_of(user).has_value(); }
  bool gets_proposals(UserId user) const;
  Bytes group_id() const;

  // room_commit.cpp: what is committed, and the transition to it
  void commit(Member &from, ByteView payload);
  const char *refusal(const Member &from, const mls::CommitInfo &commit) const;
  bool preferred(const Member &from) const;
  void accept(const Candidate &winner);
  void hand_out_welcomes(const mls::CommitInfo &commit, std::uint16_t id,
                         const std::set<UserId> &added);
  void begin_transition(std::uint16_t id, int version, std::set<UserId> waiting);
  void execute_transition();
  void invalid_commit(UserId user, int id);
  std::uint16_t next_transition();

  // room_members.cpp: messages to members, and what virtual ones do
  void send_external_sender(Member &member);
  void send_binary(UserId to, std::uint8_t op, Bytes payload);
  void send_transition(UserId to, int op, std::uint64_t a, std::uint64_t b);
  void deliver_next();
  void to_virtual(Member &member, const Letter &letter);
  void act(Member &member, dave::Actions actions);
  void keys(Member &member, const DaveUpdate &update);

  Core &core_;
  Call &call_;
  ChannelId channel_;
  std::optional<mls::ProposalSigner> signer_;
  int version_ = 1;
  std::map<UserId, std::unique_ptr<Member>> members_;
  std::uint64_t epoch_ = 0;  // 0: no group yet
  mls::LeafTable leaves_;
  std::deque<Proposal> proposals_;  // of this epoch, not revoked
  std::optional<Candidate> second_choice_;
  Loop::TimerId choice_timer_ = 0;
  std::optional<Transition> transition_;
  std::uint16_t last_transition_ = 0;
  Bytes last_announcement_;
  std::deque<Letter> letters_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace dv::server
