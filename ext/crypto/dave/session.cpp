// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/crypto/dave/session.hpp"

#include <algorithm>

#include "ext/crypto/dave/group_codes.hpp"
#include "ext/crypto/dave/session_impl.hpp"

namespace dv::dave {
namespace {

constexpr std::size_t kMaxTransitions = 32;
constexpr std::size_t kMaxRecognised = 16384;
constexpr std::size_t kBaseSecretSize = 16;
constexpr std::string_view kExportLabel = "Discord Secure Frames v0";

mls::KeyPair signature_pair(const Secret &given) {
  if (!given.empty()) {
    if (auto pair = mls::key_pair_of(given.clone())) return std::move(*pair);
  }
  return mls::generate_key_pair().value_or(mls::KeyPair{});
}

}  // namespace

Session::Impl::Impl(SessionConfig config)
    : config_(std::move(config)), signature_(signature_pair(config_.signature_key)) {}

std::uint16_t Session::Impl::supported(std::uint16_t version) {
  if (version <= config_.max_version) return version;
  problem("protocol version above the one we offered");
  return static_cast<std::uint16_t>(std::max(config_.max_version, 0));
}

void Session::Impl::session_description(std::uint16_t version) {
  group_version_ = prepared_version_ = active_version_ = supported(version);
  transitions_.clear();
  reported_.clear();
  last_executed_.reset();
  receiving_epoch_.clear();
  sending_secret_ = {};
  drop_group();
  actions_.push_back(DaveUpdate{config_.session, group_version_, 0, {}});
  actions_.push_back(SenderKey{group_version_, 0, {}});
  actions_.push_back(EpochChanged{0, group_version_, 0, {}, {config_.self}, true});
  if (group_version_ > 0) reset();
}

void Session::Impl::clients_connect(const std::vector<UserId> &users) {
  for (const UserId user : users) {
    if (recognised_.size() < kMaxRecognised) recognised_.insert(user);
  }
  bool fresh = false;
  for (auto &messages : std::exchange(held_, {})) fresh |= take_proposals(messages, true);
  if (fresh) commit();
}

void Session::Impl::prepare_epoch(std::uint16_t version, std::uint64_t epoch) {
  group_version_ = supported(version);
  if (epoch != 1) return;
  drop_group();
  if (group_version_ > 0) reset();
}

void Session::Impl::prepare_transition(std::uint16_t id, std::uint16_t version) {
  prepare(id, supported(version));
}

void Session::Impl::execute_transition(std::uint16_t id) {
  const auto it = std::find_if(transitions_.begin(), transitions_.end(),
                               [&](const Transition &t) { return t.id == id; });
  if (it == transitions_.end()) {
    ++stats_.transitions_unknown;
    return;
  }
  Transition transition = std::move(*it);
  // What was prepared before it is overtaken: going back to an older epoch helps nobody.
  transitions_.erase(transitions_.begin(), it + 1);
  execute(std::move(transition));
}

Secret Session::Impl::base_secret(UserId user) const {
  std::uint8_t context[8];  // little-endian, unlike everything else
  for (int i = 0; i < 8; ++i) context[i] = static_cast<std::uint8_t>(user >> (8 * i));
  return group_->export_secret(kExportLabel, context, kBaseSecretSize);
}

DaveUpdate Session::Impl::receiving_keys(std::uint16_t version) const {
  DaveUpdate update{config_.session, version, 0, {}};
  if (version == 0 || !established()) return update;
  update.epoch = group_->epoch();
  for (const auto &member : group_->members()) {
    if (member.user != config_.self)
      update.senders.push_back({member.user, base_secret(member.user)});
  }
  return update;
}

Session::Impl::Transition Session::Impl::describe(std::uint16_t id, std::uint16_t version) const {
  Transition t;
  t.id = id;
  t.version = version;
  t.members = {config_.self};
  if (version == 0 || !established()) return t;
  t.epoch = group_->epoch();
  t.own_secret = base_secret(config_.self);
  t.privacy_code = dave::privacy_code(group_->epoch_authenticator());
  t.members.clear();
  for (const auto &member : group_->members()) t.members.push_back(member.user);
  std::sort(t.members.begin(), t.members.end());
  return t;
}

void Session::Impl::tell_receiving_keys(std::uint16_t version) {
  const bool keys = version > 0 && established();
  Bytes epoch;
  if (keys)
    epoch.assign(group_->epoch_authenticator().begin(), group_->epoch_authenticator().end());
  // Ratchets made anew from the same secrets would take every frame of the epoch a second time.
  if (keys && epoch == receiving_epoch_) return;
  receiving_epoch_ = std::move(epoch);
  actions_.push_back(receiving_keys(version));
}

void Session::Impl::tell_sending_key(Transition &t) {
  // A counter that starts over under the same key would use its nonces twice.
  if (!t.own_secret.empty() && t.own_secret == sending_secret_) return;
  sending_secret_ = t.own_secret.clone();
  actions_.push_back(SenderKey{t.version, t.epoch, std::move(t.own_secret)});
}

void Session::Impl::prepare(std::uint16_t id, std::uint16_t version) {
  ++stats_.transitions_prepared;
  prepared_version_ = version;
  tell_receiving_keys(version);
  Transition transition = describe(id, version);
  if (id == 0) {
    execute(std::move(transition));
    return;
  }
  std::erase_if(transitions_, [&](const Transition &t) { return t.id == id; });
  if (transitions_.size() == kMaxTransitions) transitions_.pop_front();
  actions_.push_back(SendJson{kOpReadyForTransition, id});
  actions_.push_back(EpochChanged{id, version, transition.epoch, transition.privacy_code,
                                  transition.members, false});
  transitions_.push_back(std::move(transition));
}

void Session::Impl::execute(Transition t) {
  ++stats_.transitions_executed;
  active_version_ = t.version;
  last_executed_ = t.id;
  media_reported_ = false;
  tell_sending_key(t);
  actions_.push_back(EpochChanged{t.id, t.version, t.epoch, std::move(t.privacy_code),
                                  std::move(t.members), true});
  if (t.version == 0) {
    // A Welcome or a commit of the group that is left behind must not bring it back.
    group_version_ = 0;
    drop_group();
    package_.reset();
    previous_package_.reset();
  }
}

void Session::Impl::media_broken() {
  if (!established() || !transitions_.empty() || !last_executed_ || media_reported_) return;
  media_reported_ = true;
  problem("members' frames do not open: leaving the group to be invited again");
  actions_.push_back(SendJson{kOpInvalidCommitWelcome, *last_executed_});
  reset();
}

Session::Session(SessionConfig config) : impl_(std::make_unique<Impl>(std::move(config))) {}
Session::~Session() = default;
Session::Session(Session &&) noexcept = default;
Session &Session::operator=(Session &&) noexcept = default;

Actions Session::on_session_description(std::uint16_t version) {
  impl_->session_description(version);
  return impl_->take_actions();
}

Actions Session::on_clients_connect(const std::vector<UserId> &users) {
  impl_->clients_connect(users);
  return impl_->take_actions();
}

Actions Session::on_client_disconnect(UserId user) {
  impl_->client_disconnect(user);
  return impl_->take_actions();
}

Actions Session::on_prepare_transition(std::uint16_t transition_id, std::uint16_t version) {
  impl_->prepare_transition(transition_id, version);
  return impl_->take_actions();
}

Actions Session::on_execute_transition(std::uint16_t transition_id) {
  impl_->execute_transition(transition_id);
  return impl_->take_actions();
}

Actions Session::on_prepare_epoch(std::uint16_t version, std::uint64_t epoch) {
  impl_->prepare_epoch(version, epoch);
  return impl_->take_actions();
}

Actions Session::on_binary(std::uint8_t op, ByteView payload) {
  switch (op) {
    case kOpExternalSender:
      impl_->external_sender(payload);
      break;
    case kOpProposals:
      impl_->proposals(payload);
      break;
    case kOpAnnounceCommit:
      impl_->announce_commit(payload);
      break;
    case kOpWelcome:
      impl_->welcome(payload);
      break;
    default:
      impl_->malformed("binary message with an opcode that is not for us");
  }
  return impl_->take_actions();
}

Actions Session::on_media_broken() {
  impl_->media_broken();
  return impl_->take_actions();
}

std::uint16_t Session::version() const { return impl_->active_version_; }
std::uint16_t Session::prepared_version() const { return impl_->prepared_version_; }
std::uint64_t Session::epoch() const { return impl_->established() ? impl_->group_->epoch() : 0; }

std::string Session::privacy_code() const {
  return impl_->established() ? dave::privacy_code(impl_->group_->epoch_authenticator()) : "";
}

std::vector<UserId> Session::members() const {
  std::vector<UserId> users;
  if (!impl_->established()) return users;
  for (const auto &member : impl_->group_->members()) users.push_back(member.user);
  std::sort(users.begin(), users.end());
  return users;
}

const Bytes &Session::signature_public_key() const { return impl_->signature_.public_key; }

std::optional<std::string> Session::fingerprint_with(UserId user) const {
  if (!impl_->established()) return std::nullopt;
  for (const auto &member : impl_->group_->members()) {
    if (member.user == user)
      return pairwise_code(impl_->signature_.public_key, impl_->config_.self, member.signature_key,
                           user);
  }
  return std::nullopt;
}

Bytes Session::epoch_authenticator() const {
  if (!impl_->established()) return {};
  const ByteView authenticator = impl_->group_->epoch_authenticator();
  return Bytes(authenticator.begin(), authenticator.end());
}

const SessionStats &Session::stats() const { return impl_->stats_; }
const mls::Group *Session::group() const { return impl_->group_ ? &*impl_->group_ : nullptr; }

}  // namespace dv::dave
