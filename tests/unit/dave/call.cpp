// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/unit/dave/call.hpp"

#include <algorithm>
#include <utility>

namespace dv::test {

using namespace dave;

Bytes with_id(std::uint16_t id, const Bytes &message) {
  Writer w;
  w.u16(id).put(message);
  return w.release();
}

Call::Call(ChannelId channel, std::uint64_t seed)
    : channel_(channel),
      group_id_(mls::identity_of(channel)),
      rng_(seed),
      signer_(*mls::ProposalSigner::generate(Bytes{0})) {}

void Call::fail(const std::string &what) {
  if (failure_.empty()) failure_ = what + " (epoch " + std::to_string(epoch_) + ")";
}

std::vector<UserId> Call::users() const {
  std::vector<UserId> all;
  for (const auto &[user, seat] : seats_) all.push_back(user);
  return all;
}

void Call::take(UserId user, Answers answers) {
  Seat &seat = seats_.at(user);
  for (auto &a : answers) {
    if (a.op == kOpKeyPackage) {
      const auto info = mls::inspect_key_package(a.payload);
      if (!info || info->user != user) fail("bad key package");
      seat.key_package = std::move(a.payload);
    } else if (a.op == kOpCommitWelcome) {
      auto info = mls::split_commit_welcome(a.payload);
      if (!info) return fail("bad op 28");
      // For an epoch that is over: it crossed with an announcement, and is dropped.
      if (info->epoch == epoch_) offers_.push_back({user, std::move(*info)});
    } else if (a.op == kOpInvalidCommitWelcome) {
      ++stats_.recoveries;
      seat.member = false;
      seat.behind = false;
    }
  }
}

Call::Stats &Call::Stats::operator+=(const Stats &other) {
  epochs += other.epochs;
  frames += other.frames;
  recoveries += other.recoveries;
  crossings += other.crossings;
  resets += other.resets;
  lost += other.lost;
  stale += other.stale;
  revoked += other.revoked;
  for (const auto &[robust, n] : other.won) won[robust] += n;
  return *this;
}

void Call::join(UserId user, std::unique_ptr<Participant> participant) {
  std::vector<UserId> others = users();
  for (const UserId other : others)
    take(other, seats_.at(other).participant->clients_connect({user}));
  seats_[user].participant = std::move(participant);
  Participant &p = *seats_.at(user).participant;
  const Bytes sender = signer_.external_sender();
  // All three orders have been seen in the wild.
  const auto order = rng_() % 3;
  if (order == 0) take(user, p.clients_connect(others));
  take(user, p.session_description(version_));
  if (order == 1) take(user, p.clients_connect(others));
  if (version_ > 0) take(user, p.binary(kOpExternalSender, sender));
  if (order == 2) take(user, p.clients_connect(others));
}

void Call::leave(UserId user) {
  seats_.erase(user);
  for (auto &[other, seat] : seats_) take(other, seat.participant->client_disconnect(user));
}

void Call::reset_group() {
  last_commit_.clear();
  epoch_ = 0;
  leaves_.clear();
  proposed_.clear();
  offers_.clear();
  for (auto &[user, seat] : seats_) seat.member = seat.behind = false;
}

void Call::execute(std::uint16_t id) {
  for (auto &[user, seat] : seats_) take(user, seat.participant->execute_transition(id));
}

void Call::downgrade() {
  const std::uint16_t id = next_id_++;
  for (auto &[user, seat] : seats_) take(user, seat.participant->prepare_transition(id, 0));
  execute(id);
  version_ = 0;
  reset_group();
}

void Call::upgrade() {
  version_ = 1;
  reset_group();
  const Bytes sender = signer_.external_sender();
  for (auto &[user, seat] : seats_) {
    take(user, seat.participant->prepare_epoch(1, 1));
    take(user, seat.participant->binary(kOpExternalSender, sender));
  }
}

bool Call::start_over_if_alone() {
  const bool nobody =
      std::none_of(seats_.begin(), seats_.end(), [](const auto &s) { return s.second.member; });
  if (epoch_ == 0 || (seats_.size() > 1 && !nobody)) return false;
  ++stats_.resets;
  reset_group();
  for (auto &[user, seat] : seats_) take(user, seat.participant->prepare_epoch(version_, 1));
  if (seats_.size() == 1) {
    auto &[user, seat] = *seats_.begin();
    take(user, seat.participant->prepare_transition(0, version_));
  }
  return true;
}

std::vector<Call::Change> Call::changes() {
  std::vector<Change> all;
  for (const auto &[leaf, user] : leaves_.leaves()) {
    const auto seat = seats_.find(user);
    if (seat == seats_.end() || (!seat->second.member && !seat->second.behind))
      all.push_back({false, user, leaf, signer_.propose_remove(group_id_, epoch_, leaf)});
  }
  for (const auto &[user, seat] : seats_) {
    if (!seat.member && !seat.behind && !seat.key_package.empty())
      all.push_back({true, user, 0, signer_.propose_add(group_id_, epoch_, seat.key_package)});
  }
  std::shuffle(all.begin(), all.end(), rng_);
  return all;
}

std::vector<UserId> Call::committers() const {
  std::vector<UserId> all;
  for (const auto &[user, seat] : seats_) {
    if (epoch_ == 0 || seat.member || seat.behind) all.push_back(user);
  }
  return all;
}

void Call::propose(const std::vector<Change> &all, const std::vector<UserId> &to,
                   const Faults &faults) {
  proposed_.clear();
  offers_.clear();
  required_ = epoch_ == 0 ? all.size() - 1 : all.size();
  const bool one_by_one = rng_() % 2 == 0;
  const bool crossing = one_by_one && all.size() > 1 && epoch_ > 0 && chance(faults.crossing);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto ref = mls::ref_of_proposal(all[i].message);
    proposed_[Bytes(ref->begin(), ref->end())] = all[i];
  }
  for (const UserId user : to) {
    std::vector<Bytes> messages;
    for (const auto &change : all) {
      if (epoch_ != 0 || change.user != user) messages.push_back(change.message);
    }
    Participant &p = *seats_.at(user).participant;
    if (!one_by_one) {
      take(user, p.binary(kOpProposals, mls::append_payload(messages)));
      continue;
    }
    for (const auto &message : messages)
      take(user, p.binary(kOpProposals, mls::append_payload({&message, 1})));
  }
  if (crossing) required_ = 1 + rng_() % (all.size() - 1);
}

void Call::revoke_one(const std::vector<Change> &all, const std::vector<UserId> &to) {
  const Change &victim = all[rng_() % all.size()];
  const auto ref = mls::ref_of_proposal(victim.message);
  ++stats_.revoked;
  proposed_.erase(Bytes(ref->begin(), ref->end()));
  offers_.clear();
  required_ = all.size() - 1;
  for (const UserId user : to)
    take(user, seats_.at(user).participant->binary(kOpProposals, mls::revoke_payload({&*ref, 1})));
}

const Call::Offer *Call::choose() {
  std::vector<const Offer *> fit;
  for (std::size_t i = 0; i < offers_.size(); ++i) {
    const Offer &offer = offers_[i];
    const bool known = std::all_of(offer.info.refs.begin(), offer.info.refs.end(),
                                   [&](const Bytes &ref) { return proposed_.count(ref) != 0; });
    const bool last =
        std::none_of(offers_.begin() + static_cast<std::ptrdiff_t>(i) + 1, offers_.end(),
                     [&](const Offer &o) { return o.user == offer.user; });
    // A commit that re-adds somebody without removing him first is no commit.
    if (!known || (!last && !seats_.at(offer.user).participant->robust())) continue;
    if (offer.info.refs.size() == required_) fit.push_back(&offer);
  }
  return fit.empty() ? nullptr : fit[rng_() % fit.size()];
}

void Call::apply(const Offer &offer) {
  if (epoch_ == 0) {
    leaves_.start(offer.user);
    seats_.at(offer.user).member = true;
  }
  for (const auto &ref : offer.info.refs) {
    const Change &change = proposed_.at(ref);
    if (!change.add) leaves_.remove(change.leaf);
  }
  for (const auto &ref : offer.info.refs) {
    const Change &change = proposed_.at(ref);
    if (change.add) leaves_.add(change.user);
  }
  ++epoch_;
  ++stats_.epochs;
  ++stats_.won[seats_.at(offer.user).participant->robust()];
}

void Call::welcome(const Offer &offer, std::uint16_t id, const Faults &faults) {
  if (offer.info.welcome.empty()) return;
  const auto parts = mls::split_welcome(offer.info.welcome);
  if (!parts) return fail("bad Welcome");
  for (auto &[user, seat] : seats_) {
    const auto ref = mls::key_package_ref(seat.key_package);
    for (const auto &part : *parts) {
      if (!std::ranges::equal(part.key_package_ref, ref)) continue;
      Writer w;
      w.u16(id).put(part.welcome);
      Bytes payload = w.release();
      if (seat.participant->robust() && chance(faults.corrupt))
        payload[2 + rng_() % (payload.size() - 2)] ^= 0x10;
      seat.member = true;
      take(user, seat.participant->binary(kOpWelcome, payload));
      if (seat.member) seat.key_package.clear();
      break;
    }
  }
}

void Call::announce(const Offer &offer, const std::vector<UserId> &to, const Faults &faults) {
  const bool first = epoch_ == 0;
  const std::uint16_t id = first && rng_() % 2 == 0 ? std::uint16_t{0} : next_id_++;
  apply(offer);
  const Offer chosen = offer;  // answers may bring new offers
  const Bytes stale = std::exchange(last_commit_, chosen.info.commit);
  for (const UserId user : to) {
    if (first && user != chosen.user) continue;
    Seat &seat = seats_.at(user);
    if (first) seat.key_package.clear();
    const bool robust = seat.participant->robust();
    Writer w;
    w.u16(id).put(chosen.info.commit);
    Bytes payload = w.release();
    if (!first && robust && chance(faults.lost)) {
      ++stats_.lost;
      seat.member = false;
      seat.behind = true;
      continue;
    }
    if (!first && robust && chance(faults.corrupt))
      payload[2 + rng_() % (payload.size() - 2)] ^= 0x10;
    take(user, seat.participant->binary(kOpAnnounceCommit, payload));
    if (robust && seat.member && !stale.empty() && chance(faults.stale)) {
      ++stats_.stale;
      Writer again;
      again.u16(id).put(stale);
      if (!seat.participant->binary(kOpAnnounceCommit, again.bytes()).empty())
        fail("a stale commit was answered");
    }
  }
  welcome(chosen, id, faults);
  proposed_.clear();
  offers_.clear();
  if (id != 0) execute(id);
}

bool Call::round(const Faults &faults) {
  if (version_ == 0 || start_over_if_alone()) return version_ != 0;
  const auto all = changes();
  if (all.empty() || (epoch_ == 0 && all.size() < 2)) return false;
  const auto to = committers();
  propose(all, to, faults);
  const bool crossing = epoch_ > 0 && required_ != all.size();
  const bool revoke = epoch_ > 0 && !crossing && all.size() > 1 && chance(faults.revoke);
  if (revoke) revoke_one(all, to);
  stats_.crossings += crossing;
  const Offer *offer = choose();
  if (offer == nullptr && (crossing || revoke)) {
    // What was cut off or taken back may leave what nobody can commit: an Add of a member.
    if (revoke) propose(all, to, {});
    required_ = all.size();
    offer = choose();
  }
  if (offer == nullptr) {
    fail("nobody commits");
    return false;
  }
  announce(*offer, to, faults);
  return true;
}

void Call::settle(const Faults &faults) {
  // Members that lost a commit only show it at the next one, so the last rounds are without faults.
  for (int i = 0; i < 40 && failure_.empty(); ++i) {
    if (!round(i < 3 ? faults : Faults{})) return;
  }
  if (failure_.empty()) fail("the group does not settle");
}

void Call::verify() {
  if (!failure_.empty()) return;
  if (version_ > 0 && epoch_ == 0) return;
  Bytes expected;
  std::vector<UserId> in;
  for (auto &[user, seat] : seats_) {
    if (version_ > 0 && !seat.member) continue;
    in.push_back(user);
    const Bytes own = seat.participant->authenticator();
    if (version_ == 0) continue;
    if (own.empty()) return fail("user " + std::to_string(user) + " has no group");
    if (expected.empty()) expected = own;
    if (own != expected) return fail("user " + std::to_string(user) + " disagrees");
  }
  for (const UserId from : in) {
    Bytes media(20 + rng_() % 100);
    for (auto &b : media) b = static_cast<std::uint8_t>(rng_());
    const Bytes frame = seats_.at(from).participant->seal(media);
    if (frame.empty()) return fail("user " + std::to_string(from) + " can not send");
    if ((frame == media) != (version_ == 0)) return fail("plain where it must not be");
    for (const UserId to : in) {
      if (to == from) continue;
      ++stats_.frames;
      if (seats_.at(to).participant->open(from, frame) != media)
        return fail("user " + std::to_string(to) + " does not open " + std::to_string(from));
    }
  }
}

}  // namespace dv::test
