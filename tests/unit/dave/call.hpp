// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <map>
#include <memory>
#include <random>
#include <string>

#include "ext/crypto/dave/media_decryptor.hpp"
#include "ext/crypto/dave/media_encryptor.hpp"
#include "ext/crypto/dave/session.hpp"
#include "ext/crypto/mls/delivery.hpp"

/** A call with its voice gateway in one process: random histories of groups run in it. */
namespace dv::test {

/** What a client sends: ops 23, 26, 28 and 31. */
struct Answer {
  std::uint8_t op = 0;
  Bytes payload;
  std::uint16_t transition_id = 0;
};
using Answers = std::vector<Answer>;

/** What ops 29 and 30 carry: a transition id, then the commit or the Welcome. */
Bytes with_id(std::uint16_t id, const Bytes &message);

/** A client of the call, of whatever make. */
class Participant {
 public:
  virtual ~Participant() = default;
  virtual Answers session_description(std::uint16_t version) = 0;
  virtual Answers clients_connect(const std::vector<UserId> &users) = 0;
  virtual Answers client_disconnect(UserId user) = 0;
  virtual Answers prepare_transition(std::uint16_t id, std::uint16_t version) = 0;
  virtual Answers execute_transition(std::uint16_t id) = 0;
  virtual Answers prepare_epoch(std::uint16_t version, std::uint64_t epoch) = 0;
  virtual Answers binary(std::uint8_t op, ByteView payload) = 0;

  virtual Bytes authenticator() = 0;
  virtual Bytes seal(ByteView media) = 0;
  /** Empty if it does not open. */
  virtual Bytes open(UserId from, ByteView frame) = 0;
  /** Adopts whichever of its outstanding commits is announced, and survives what it must. */
  virtual bool robust() const { return true; }
};

/** Our own client: a session with the media half behind it. */
class OwnParticipant : public Participant {
 public:
  OwnParticipant(UserId self, ChannelId channel);
  Answers session_description(std::uint16_t version) override;
  Answers clients_connect(const std::vector<UserId> &users) override;
  Answers client_disconnect(UserId user) override;
  Answers prepare_transition(std::uint16_t id, std::uint16_t version) override;
  Answers execute_transition(std::uint16_t id) override;
  Answers prepare_epoch(std::uint16_t version, std::uint64_t epoch) override;
  Answers binary(std::uint8_t op, ByteView payload) override;
  Bytes authenticator() override { return session_.epoch_authenticator(); }
  Bytes seal(ByteView media) override;
  Bytes open(UserId from, ByteView frame) override;
  const dave::Session &session() const { return session_; }

 private:
  Answers act(dave::Actions actions);
  void receive(const DaveUpdate &update);

  dave::Session session_;
  dave::FrameEncryptor encryptor_;
  std::map<UserId, dave::FrameDecryptor> decryptors_;
  bool plain_ = false;
  Time now_ = 1s;
};

/** What goes wrong on purpose, each once in this many rounds; 0 is never. */
struct Faults {
  unsigned crossing = 0;  ///< A commit that does not cover the newest proposals wins.
  unsigned lost = 0;      ///< A member never gets a commit.
  unsigned corrupt = 0;   ///< A commit or Welcome arrives changed.
  unsigned stale = 0;     ///< An old commit comes again.
  unsigned revoke = 0;    ///< A proposal is taken back.
};

class Call {
 public:
  Call(ChannelId channel, std::uint64_t seed);

  void join(UserId user, std::unique_ptr<Participant> participant);
  void leave(UserId user);
  /** Everybody goes to version 0, or back. */
  void downgrade();
  void upgrade();
  /** Rounds of proposals and commits until the group is who is connected. */
  void settle(const Faults &faults = {});
  /** All agree on the authenticator, and each opens the frames of every other. */
  void verify();

  /** The first thing that was not as it must be; empty while all is well. */
  const std::string &failure() const { return failure_; }
  std::size_t size() const { return seats_.size(); }
  std::vector<UserId> users() const;
  Participant &participant(UserId user) { return *seats_.at(user).participant; }
  std::uint16_t version() const { return version_; }
  std::uint64_t epoch() const { return epoch_; }

  struct Stats {
    std::uint64_t epochs = 0, frames = 0, recoveries = 0, crossings = 0, resets = 0, lost = 0,
                  stale = 0, revoked = 0;
    std::map<bool, std::uint64_t> won;  ///< By commits of robust participants, and of others.
    Stats &operator+=(const Stats &other);
  };
  const Stats &stats() const { return stats_; }

 private:
  struct Seat {
    std::unique_ptr<Participant> participant;
    Bytes key_package;
    bool member = false;  ///< Has the keys of this epoch, as far as the gateway can tell.
    bool behind = false;  ///< A commit never reached it.
  };
  struct Change {
    bool add = false;
    UserId user = 0;
    mls::LeafIndex leaf = 0;
    Bytes message;
  };
  struct Offer {
    UserId user = 0;
    mls::CommitInfo info;
  };

  bool chance(unsigned once_in) { return once_in != 0 && rng_() % once_in == 0; }
  void fail(const std::string &what);
  void take(UserId user, Answers answers);
  bool round(const Faults &faults);
  bool start_over_if_alone();
  std::vector<Change> changes();
  std::vector<UserId> committers() const;
  void propose(const std::vector<Change> &all, const std::vector<UserId> &to, const Faults &faults);
  void revoke_one(const std::vector<Change> &all, const std::vector<UserId> &to);
  const Offer *choose();
  void announce(const Offer &offer, const std::vector<UserId> &to, const Faults &faults);
  void welcome(const Offer &offer, std::uint16_t id, const Faults &faults);
  void apply(const Offer &offer);
  void execute(std::uint16_t id);
  void reset_group();

  ChannelId channel_;
  Bytes group_id_;
  std::mt19937_64 rng_;
  mls::ProposalSigner signer_;
  std::map<UserId, Seat> seats_;
  std::uint16_t version_ = 1;
  std::uint64_t epoch_ = 0;
  std::uint16_t next_id_ = 1;
  mls::LeafTable leaves_;
  std::map<Bytes, Change> proposed_;
  std::size_t required_ = 0;  ///< References that a commit has to have at least.
  std::vector<Offer> offers_;
  Bytes last_commit_;
  std::string failure_;
  Stats stats_;
};

}  // namespace dv::test
