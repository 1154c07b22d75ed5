// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/server/room.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/server/core.hpp"
#include "tests/server/room_member.hpp"

namespace dv::server {

using nlohmann::json;

Room::Room(Core &core, Call &call, ChannelId channel)
    : core_(core), call_(call), channel_(channel) {
  signer_ = mls::ProposalSigner::generate(view("local voice server"));
}

Room::~Room() {
  *alive_ = false;
  if (transition_) core_.loop.cancel(transition_->timer);
  if (choice_timer_ != 0) core_.loop.cancel(choice_timer_);
}

Bytes Room::group_id() const { return mls::identity_of(channel_); }

void Room::add_client(UserId user, int dave_version) {
  auto &slot = members_[user];
  if (!slot) slot = std::make_unique<Member>();
  slot->user = user;
  slot->dave_version = dave_version;
  for (auto &[other, member] : members_)
    if (member->speaker) act(*member, member->speaker->session.on_clients_connect({user}));
  if (dave_version == 0) {
    downgrade();
    return;
  }
  if (version_ > 0) send_external_sender(*slot);
}

void Room::remove(UserId user) {
  const auto it = members_.find(user);
  if (it == members_.end()) return;
  const bool without_dave = it->second->dave_version == 0;
  members_.erase(it);
  for (auto &[other, member] : members_)
    if (member->speaker) act(*member, member->speaker->session.on_client_disconnect(user));
  withdraw(user);
  if (transition_ && transition_->waiting.erase(user) > 0 && transition_->waiting.empty())
    execute_transition();
  if (members_.empty()) return clear_group();
  const bool all_can = std::all_of(members_.begin(), members_.end(),
                                   [](const auto &m) { return m.second->dave_version > 0; });
  if (without_dave && all_can) upgrade();
  propose();
}

/** An Add that was not committed yet is revoked when its user leaves. */
void Room::withdraw(UserId user) {
  const auto it = std::find_if(proposals_.begin(), proposals_.end(),
                               [&](const Proposal &p) { return p.add && p.user == user; });
  if (it == proposals_.end()) return;
  const mls::Hash ref = it->ref;
  const std::set<UserId> told = it->told;
  proposals_.erase(it);
  for (UserId to : told)
    if (members_.contains(to)) send_binary(to, dave::kOpProposals, mls::revoke_payload({&ref, 1}));
  core_.events.emit("proposal-revoked", {{"user_id", std::to_string(user)}});
}

void Room::clear_group() {
  epoch_ = 0;
  leaves_.clear();
  proposals_.clear();
  second_choice_.reset();
  last_announcement_.clear();
  for (auto &[user, member] : members_) {
    member->again = false;
    member->key_package.clear();
  }
}

bool Room::gets_proposals(UserId user) const {
  const Member &member = *members_.at(user);
  if (member.dave_version == 0 || member.again) return false;
  return epoch_ == 0 ? !member.key_package.empty() : in_group(user);
}

/** With one member left in the group there is nobody to remove for: it starts anew. */
bool Room::sole_member_reset() {
  if (epoch_ == 0) return false;
  std::size_t inside = 0;
  for (const auto &[user, member] : members_) inside += in_group(user) && !member->again;
  const bool stays = leaves_.leaves().size() == inside;
  if (stays || (inside > 1) || (inside == 1 && members_.size() > 1)) return false;
  reset();
  if (members_.size() == 1)
    send_transition(members_.begin()->first, dave::kOpPrepareTransition, 0, 1);
  return true;
}

void Room::reset() {
  if (transition_) core_.loop.cancel(transition_->timer);
  transition_.reset();
  clear_group();
  core_.events.emit("group-reset", {{"channel_id", std::to_string(channel_)}});
  for (auto &[user, member] : members_) {
    if (member->dave_version == 0) continue;
    send_transition(user, dave::kOpPrepareEpoch, 1, 1);
    if (!member->has_sender) send_external_sender(*member);
  }
}

void Room::propose() {
  if (version_ == 0 || !signer_) return;
  if (transition_ && !core_.options.overlap_transitions) return;
  if (sole_member_reset()) return;
  propose_changes();
  hand_out_proposals();
}

void Room::propose_changes() {
  const auto proposed = [&](UserId user, bool add) {
    return std::any_of(proposals_.begin(), proposals_.end(),
                       [&](const Proposal &p) { return p.user == user && p.add == add; });
  };
  const auto put = [&](UserId user, bool add, Bytes message) {
    const auto ref = mls::ref_of_proposal(message);
    if (ref) proposals_.push_back({*ref, std::move(message), user, add, {}});
  };
  std::vector<std::pair<mls::LeafIndex, UserId>> gone;
  if (epoch_ > 0)
    for (const auto &[leaf, user] : leaves_.leaves()) {
      const auto member = members_.find(user);
      if (member == members_.end() || member->second->again) gone.emplace_back(leaf, user);
    }
  for (const auto &[leaf, user] : gone)
    if (!proposed(user, false)) put(user, false, signer_->propose_remove(group_id(), epoch_, leaf));
  for (const auto &[user, member] : members_) {
    if (member->dave_version == 0 || member->key_package.empty()) continue;
    if (epoch_ > 0 && in_group(user) && !member->again) continue;
    if (!proposed(user, true))
      put(user, true, signer_->propose_add(group_id(), epoch_, member->key_package));
  }
}

void Room::hand_out_proposals() {
  for (const auto &[user, member] : members_) {
    if (!gets_proposals(user)) continue;
    std::vector<Bytes> messages;
    for (Proposal &p : proposals_)
      if (p.user != user && p.told.insert(user).second) messages.push_back(p.message);
    if (!messages.empty()) send_binary(user, dave::kOpProposals, mls::append_payload(messages));
  }
}

void Room::downgrade() {
  if (version_ == 0 || (transition_ && transition_->version == 0)) return;
  if (transition_) core_.loop.cancel(transition_->timer);
  transition_.reset();
  const std::uint16_t id = next_transition();
  std::set<UserId> waiting;
  for (const auto &[user, member] : members_) {
    if (member->dave_version == 0) continue;
    send_transition(user, dave::kOpPrepareTransition, id, 0);
    waiting.insert(user);
  }
  begin_transition(id, 0, std::move(waiting));
}

void Room::upgrade() {
  if (version_ > 0 && !(transition_ && transition_->version == 0)) return;
  version_ = 1;
  reset();
}

bool Room::readd(UserId user) {
  for (auto &[id, member] : members_) {
    if (!member->speaker || (user != 0 && id != user) || !in_group(id)) continue;
    member->again = true;
    member->key_package.clear();
    // A new session description makes it start over, as a client that rejoined does.
    std::vector<UserId> others;
    for (const auto &[other, m] : members_)
      if (other != id) others.push_back(other);
    act(*member, member->speaker->session.on_session_description(1));
    act(*member, member->speaker->session.on_clients_connect(others));
    send_external_sender(*member);
    return true;
  }
  return false;
}

bool Room::can_hear(UserId user) const {
  const auto it = members_.find(user);
  if (it == members_.end()) return false;
  return version_ == 0 || members_.size() == 1 || it->second->hears;
}

}  // namespace dv::server
