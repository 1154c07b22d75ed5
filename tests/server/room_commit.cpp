// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "tests/server/call.hpp"
#include "tests/server/core.hpp"
#include "tests/server/room_member.hpp"

namespace dv::server {

using nlohmann::json;

namespace {
/** How long the preferred member may take for its commit before another one wins. */
constexpr Time kChoiceLimit = 3s;
}  // namespace

std::uint16_t Room::next_transition() {
  if (!core_.options.transitions) return 0;
  if (++last_transition_ == 0) last_transition_ = 1;
  return last_transition_;
}

/** Why a commit can not win; nothing if it can. */
const char *Room::refusal(const Member &from, const mls::CommitInfo &commit) const {
  if (commit.group_id != group_id()) return "another group";
  if (commit.epoch != epoch_) return "another epoch";
  if (epoch_ == 0 ? commit.sender != 0 : leaves_.leaf_of(from.user) != commit.sender)
    return "another leaf";
  if (commit.by_value > 0) return "proposals by value";
  std::set<Bytes> expected, found;
  std::size_t adds = 0;
  for (const Proposal &p : proposals_) {
    if (p.user == from.user) continue;
    expected.insert(Bytes(p.ref.begin(), p.ref.end()));
    adds += p.add;
  }
  for (const Bytes &ref : commit.refs) found.insert(ref);
  if (expected.empty() || expected != found || found.size() != commit.refs.size())
    return "not all proposals";
  if (adds == 0) return commit.welcome.empty() ? nullptr : "a Welcome for nobody";
  const auto parts = mls::split_welcome(commit.welcome);
  return parts && parts->size() == adds ? nullptr : "Welcome does not fit";
}

bool Room::preferred(const Member &from) const {
  const std::string &wanted = core_.options.commit_winner;
  if (wanted == "any") return true;
  if (wanted == "client") return from.speaker == nullptr;
  if (wanted == "speaker") return from.speaker != nullptr;
  return wanted == std::to_string(from.user);
}

void Room::commit(Member &from, ByteView payload) {
  const auto parsed = mls::split_commit_welcome(payload);
  const char *why = !parsed ? "malformed" : refusal(from, *parsed);
  if (why != nullptr) {
    if (!from.speaker)
      core_.events.emit("commit-dropped",
                        {{"user_id", std::to_string(from.user)}, {"reason", why}});
    return;
  }
  Candidate candidate{from.user, *parsed};
  if (preferred(from)) return accept(candidate);
  second_choice_ = std::move(candidate);
  if (choice_timer_ != 0) return;
  choice_timer_ = core_.loop.after(kChoiceLimit, [this] {
    choice_timer_ = 0;
    if (!second_choice_) return;
    const Candidate chosen = *second_choice_;
    const auto member = members_.find(chosen.user);
    if (member != members_.end() && refusal(*member->second, chosen.commit) == nullptr)
      accept(chosen);
  });
}

void Room::accept(const Candidate &winner) {
  const mls::CommitInfo commit = winner.commit;  // the candidate may be the stored one
  const UserId committer = winner.user;
  second_choice_.reset();
  if (choice_timer_ != 0) core_.loop.cancel(std::exchange(choice_timer_, 0));
  std::set<UserId> old_members, added;
  if (epoch_ == 0) leaves_.start(committer);
  for (const auto &[leaf, user] : leaves_.leaves())
    if (members_.contains(user) && !members_[user]->again) old_members.insert(user);
  for (const Proposal &p : proposals_)
    if (!p.add)
      if (const auto leaf = leaves_.leaf_of(p.user)) leaves_.remove(*leaf);
  for (const Bytes &ref : commit.refs)
    for (const Proposal &p : proposals_)
      if (p.add && std::equal(ref.begin(), ref.end(), p.ref.begin(), p.ref.end())) {
        leaves_.add(p.user);
        added.insert(p.user);
      }
  if (const auto it = members_.find(committer); it != members_.end())
    it->second->key_package.clear();
  epoch_++;
  proposals_.clear();
  const std::uint16_t id = next_transition();
  Writer announcement;
  announcement.u16(id).put(commit.commit);
  last_announcement_ = announcement.bytes();
  for (UserId user : old_members) {
    Bytes message = last_announcement_;
    if (!members_[user]->speaker && faults.corrupt_commits > 0) {
      faults.corrupt_commits--;
      message[message.size() - 3] ^= 1;
    }
    send_binary(user, dave::kOpAnnounceCommit, std::move(message));
  }
  hand_out_welcomes(commit, id, added);
  json users = json::array();
  for (const auto &[leaf, user] : leaves_.leaves()) users.push_back(std::to_string(user));
  core_.events.emit("epoch", {{"channel_id", std::to_string(channel_)},
                              {"epoch", epoch_},
                              {"transition_id", id},
                              {"committer", std::to_string(committer)},
                              {"members", users},
                              {"path", commit.has_path}});
  std::set<UserId> waiting;
  for (const auto &[leaf, user] : leaves_.leaves())
    if (members_.contains(user)) waiting.insert(user);
  begin_transition(id, 1, std::move(waiting));
}

void Room::hand_out_welcomes(const mls::CommitInfo &commit, std::uint16_t id,
                             const std::set<UserId> &added) {
  for (UserId user : added)
    if (const auto it = members_.find(user); it != members_.end()) it->second->again = false;
  if (commit.welcome.empty()) return;
  const auto parts = mls::split_welcome(commit.welcome);
  if (!parts) return;
  for (const mls::WelcomePart &part : *parts) {
    for (auto &[user, member] : members_) {
      if (!added.contains(user) ||
          !std::equal(part.key_package_ref.begin(), part.key_package_ref.end(), member->ref.begin(),
                      member->ref.end()))
        continue;
      member->key_package.clear();
      Writer message;
      message.u16(id).put(part.welcome);
      Bytes bytes = message.release();
      if (!member->speaker && faults.corrupt_welcomes > 0) {
        faults.corrupt_welcomes--;
        bytes[bytes.size() - 3] ^= 1;
      }
      send_binary(user, dave::kOpWelcome, std::move(bytes));
    }
  }
}

void Room::begin_transition(std::uint16_t id, int version, std::set<UserId> waiting) {
  if (transition_) {
    core_.loop.cancel(transition_->timer);
    execute_transition();
  }
  transition_ = Transition{.id = id, .version = version, .waiting = std::move(waiting)};
  if (id == 0 || transition_->waiting.empty()) return execute_transition();
  transition_->timer =
      core_.loop.after(std::chrono::milliseconds(core_.options.transition_timeout_ms), [this] {
        if (!transition_) return;
        json late = json::array();
        for (UserId user : transition_->waiting) late.push_back(std::to_string(user));
        core_.events.emit("transition-timeout",
                          {{"transition_id", transition_->id}, {"missing", late}});
        transition_->timer = 0;
        execute_transition();
      });
}

void Room::execute_transition() {
  if (!transition_) return;
  const Transition done = *std::exchange(transition_, std::nullopt);
  if (done.timer != 0) core_.loop.cancel(done.timer);
  version_ = done.version;
  if (version_ == 0) clear_group();
  for (auto &[user, member] : members_) {
    const bool part = version_ == 0 || in_group(user);
    if (part && done.id != 0 && member->dave_version > 0)
      send_transition(user, dave::kOpExecuteTransition, done.id, 0);
    if (part && (done.id == 0 || !done.waiting.contains(user))) member->hears = true;
  }
  core_.events.emit("transition", {{"transition_id", done.id},
                                   {"version", version_},
                                   {"epoch", epoch_},
                                   {"channel_id", std::to_string(channel_)}});
  call_.keys_changed();
  propose();
}

void Room::transition(UserId user, int op, int id) {
  const auto it = members_.find(user);
  if (it == members_.end()) return;
  if (!it->second->speaker)
    core_.events.emit(op == dave::kOpReadyForTransition ? "transition-ready" : "invalid-commit",
                      {{"user_id", std::to_string(user)}, {"transition_id", id}});
  if (op == dave::kOpInvalidCommitWelcome) return invalid_commit(user, id);
  if (!transition_ || transition_->id != id) return;
  it->second->hears = true;
  transition_->waiting.erase(user);
  if (transition_->waiting.empty()) execute_transition();
}

/** The member is out of step: it is removed, and comes back with its next key package. */
void Room::invalid_commit(UserId user, int) {
  Member &member = *members_.at(user);
  member.key_package.clear();
  member.hears = false;
  if (in_group(user)) member.again = true;
  if (transition_ && transition_->waiting.erase(user) > 0 && transition_->waiting.empty())
    execute_transition();
  else
    propose();
}

}  // namespace dv::server
