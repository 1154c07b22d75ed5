// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>

#include "ext/crypto/dave/session_impl.hpp"
#include "ext/crypto/mls/delivery.hpp"

namespace dv::dave {
namespace {

constexpr std::size_t kMaxExternalSender = 512;
constexpr std::size_t kMaxReports = 64;
constexpr std::size_t kMaxHeld = 16;
constexpr std::size_t kMaxHeldSize = 16384;

}  // namespace

void Session::Impl::malformed(const char *what) {
  ++stats_.malformed;
  problem(what);
}

mls::Extensions Session::Impl::group_extensions() const {
  Writer list;
  mls::write_vec(list, external_sender_);
  return {{mls::kExtExternalSenders, list.release()}};
}

void Session::Impl::drop_group() {
  group_.reset();
  held_.clear();
}

bool Session::Impl::offer_key_package() {
  auto fresh = config_.key_package_source ? config_.key_package_source() : nullptr;
  if (!fresh) {
    auto made = mls::make_key_package(signature_, mls::identity_of(config_.self));
    if (!made) {
      problem("no key package could be made");
      return false;
    }
    fresh = std::make_unique<mls::KeyPackageBundle>(std::move(*made));
  }
  // An Add with the one before may be under way, and its Welcome is as good.
  if (package_) previous_package_ = std::move(package_);
  package_ = std::move(fresh);
  ++stats_.key_packages;
  actions_.push_back(SendBinary{kOpKeyPackage, package_->encoded});
  return true;
}

void Session::Impl::make_pending_group() {
  if (external_sender_.empty() || !package_) return;
  auto group = mls::Group::create(signature_, *package_, mls::identity_of(config_.channel),
                                  group_extensions());
  if (!group) return problem(group.error().what);
  group_ = std::move(*group);
}

void Session::Impl::reset() {
  ++stats_.resets;
  drop_group();
  if (offer_key_package()) make_pending_group();
}

void Session::Impl::recover(std::uint16_t id, ByteView message, const char *why) {
  problem(why);
  // Ids other than 0 name one transition; with 0 only the message itself can tell.
  const Report report{id, id == 0 ? mls::sha256(message) : mls::Hash{}};
  if (std::find(reported_.begin(), reported_.end(), report) != reported_.end()) return;
  if (reported_.size() == kMaxReports) reported_.pop_front();
  reported_.push_back(report);
  actions_.push_back(SendJson{kOpInvalidCommitWelcome, id});
  reset();
}

void Session::Impl::external_sender(ByteView payload) {
  if (established()) return problem("external sender told while the group has one: ignored");
  mls::ExternalSender sender;
  if (payload.size() > kMaxExternalSender || !mls::decode(payload, sender) ||
      !mls::valid_public_key(sender.signature_key))
    return malformed("external sender malformed");
  // Told again, it must not cost the pending group its proposals and commits.
  if (group_ && std::ranges::equal(external_sender_, payload)) return;
  external_sender_.assign(payload.begin(), payload.end());
  if (group_version_ > 0) make_pending_group();
}

void Session::Impl::proposals(ByteView payload) {
  Reader r(payload);
  const std::uint8_t operation = r.u8();
  const ByteView list = mls::read_vec(r);
  if (!r.at_end() || operation > 1) return malformed("proposals malformed");
  if (!group_) {
    ++stats_.refused_proposals;
    return problem("proposals without a group");
  }
  if (operation == 0) {
    append_proposals(list);
  } else {
    revoke_proposals(list);
  }
}

void Session::Impl::append_proposals(ByteView messages) {
  if (take_proposals(messages, true)) commit();
}

void Session::Impl::hold(ByteView messages) {
  if (messages.size() > kMaxHeldSize) return;
  if (held_.size() == kMaxHeld) held_.pop_front();
  held_.emplace_back(messages.begin(), messages.end());
}

bool Session::Impl::take_proposals(ByteView messages, bool may_hold) {
  if (!group_) return false;
  const auto list = mls::read_append(messages);
  if (!list) {
    malformed(list.error().what);
    return false;
  }
  bool unrecognised = false;
  const auto fresh = group_->receive_proposals(*list, [&](const mls::Credential &credential) {
    const UserId user = mls::user_of(credential);
    const bool known = user == config_.self || recognised_.count(user) != 0;
    unrecognised |= user != 0 && !known;
    return known;
  });
  if (!fresh) {
    ++stats_.refused_proposals;
    problem(fresh.error().what);
    if (unrecognised && may_hold) hold(messages);
    return false;
  }
  stats_.proposals += *fresh;
  return *fresh != 0;
}

void Session::Impl::revoke_proposals(ByteView refs) {
  Reader r(refs);
  bool changed = false;
  while (r.ok() && !r.at_end()) {
    const ByteView ref = mls::read_vec(r);
    if (!r.ok()) break;
    if (group_->revoke(ref)) {
      changed = true;
    } else {
      problem("revoked a proposal that we do not have");
    }
  }
  if (!r.ok()) malformed("proposals malformed");
  if (changed) commit();
}

void Session::Impl::commit() {
  if (group_->proposal_count() == 0 || group_->proposed_for_removal(group_->own_leaf())) return;
  auto made = group_->make_commit();
  if (!made) return problem(made.error().what);
  ++stats_.commits_made;
  Bytes payload = std::move(made->commit);
  payload.insert(payload.end(), made->welcome.begin(), made->welcome.end());
  actions_.push_back(SendBinary{kOpCommitWelcome, std::move(payload)});
}

void Session::Impl::epoch_began() {
  // The private keys of a package serve one join.
  package_.reset();
  previous_package_.reset();
  held_.clear();
  reported_.clear();
}

void Session::Impl::announce_commit(ByteView payload) {
  Reader r(payload);
  const std::uint16_t id = r.u16();
  if (!r.ok()) return malformed("commit without a transition id");
  const ByteView message = payload.subspan(2);
  if (!group_ || (!established() && !group_->is_outstanding(message))) {
    ++stats_.commits_ignored;
    return;
  }
  const auto outcome = group_->process_commit(message);
  if (!outcome) {
    ++stats_.commits_refused;
    return recover(id, payload, outcome.error().what);
  }
  switch (*outcome) {
    case mls::CommitOutcome::stale:
      ++stats_.commits_ignored;
      return;
    case mls::CommitOutcome::removed:
      ++stats_.removed;
      problem("removed from the group");
      return reset();
    case mls::CommitOutcome::own:
      ++stats_.own_commits_won;
      break;
    case mls::CommitOutcome::applied:
      ++stats_.commits_applied;
      break;
  }
  epoch_began();
  prepare(id, group_version_);
}

mls::Result<mls::Group> Session::Impl::join(ByteView bytes) const {
  if (established()) return mls::Error{"Welcome while in a group"};
  if (external_sender_.empty()) return mls::Error{"Welcome before the external sender was told"};
  const mls::JoinOptions options{mls::Rules::dave, mls::identity_of(config_.channel),
                                 group_extensions()};
  mls::Result<mls::Group> joined = mls::Error{"Welcome without a key package of ours"};
  for (const auto *package : {&package_, &previous_package_}) {
    if (*package == nullptr || !mls::welcome_names(bytes, (*package)->ref)) continue;
    joined = mls::Group::join(bytes, signature_, **package, options);
    if (joined) break;
  }
  return joined;
}

void Session::Impl::welcome(ByteView payload) {
  Reader r(payload);
  const std::uint16_t id = r.u16();
  if (!r.ok()) return malformed("Welcome without a transition id");
  if (group_version_ == 0) {
    ++stats_.welcomes_refused;
    return problem("Welcome while end-to-end encryption is off: ignored");
  }
  auto group = join(payload.subspan(2));
  if (!group) {
    ++stats_.welcomes_refused;
    return recover(id, payload, group.error().what);
  }
  joined(id, std::move(*group));
}

void Session::Impl::joined(std::uint16_t id, mls::Group group) {
  ++stats_.welcomes_joined;
  group_ = std::move(group);
  for (const auto &member : group_->members()) {
    if (member.user == config_.self || recognised_.count(member.user) != 0) continue;
    // Somebody who has just left may be in there still: refusing would lock us out.
    ++stats_.unrecognised_members;
    problem("the group has a member who is not in the call");
  }
  epoch_began();
  prepare(id, group_version_);
}

}  // namespace dv::dave
