// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/chain/session.hpp"

#include <algorithm>
#include <unordered_set>
#include <utility>

namespace dv::chain {
namespace {

// A new one would be the same: without keys there is only the window for plain frames, which is
// the session's, and the overlap in which it matters who was there before us is over.
bool spare(const std::shared_ptr<Sender> &sender) {
  return sender.use_count() == 1 && sender->decryptor.keyless();
}

}  // namespace

bool Session::add_transport_key(const TransportKeyUpdate &update) {
  auto cipher = TransportCipher::create(update.mode, update.key.view());
  if (!cipher) return false;
  transports_.insert(transports_.begin(), std::move(*cipher));
  if (transports_.size() > kTransportKeys) transports_.pop_back();
  return true;
}

std::optional<ByteView> Session::open_transport(ByteView datagram, std::size_t clear_size,
                                                std::span<std::uint8_t> out) {
  for (TransportCipher &cipher : transports_)
    if (auto plain = cipher.open(datagram, clear_size, out)) return plain;
  return std::nullopt;
}

void Session::bind(const SsrcUpdate &update) {
  if (update.user == 0 && update.kind == StreamKind::audio)
    bindings_.erase(update.ssrc);
  else if (bindings_.size() < kMaxBindings || bindings_.contains(update.ssrc))
    bindings_[update.ssrc] = {update.user, update.kind};
}

const Binding *Session::binding(Ssrc ssrc) const {
  const auto found = bindings_.find(ssrc);
  return found == bindings_.end() ? nullptr : &found->second;
}

void Session::apply(const DaveUpdate &update, Time now) {
  if (update.more && update.version != 0)
    add_senders(update, now);
  else
    begin_epoch(update, now);
  note_expiry();
}

void Session::note_expiry() {
  keys_expire_ = kNever;
  for (const auto &[user, sender] : senders_)
    keys_expire_ = std::min(keys_expire_, sender->decryptor.next_expiry());
}

void Session::expire_keys(Time now) {
  if (now < keys_expire_) return;
  for (auto &[user, sender] : senders_) sender->decryptor.expire(now);
  std::erase_if(senders_, [](const auto &entry) { return spare(entry.second); });
  note_expiry();
}

void Session::begin_epoch(const DaveUpdate &update, Time now) {
  const bool first = !std::exchange(dave_known_, true);
  if (update.version == 0) {
    plain_until_ = kNever;
    for (auto &[user, sender] : senders_) sender->decryptor.allow_plain(now);
    return;
  }
  plain_until_ = first ? dave::FrameDecryptor::kNeverPlain
                       : std::min(plain_until_, now + dave::kTransitionOverlap);
  const bool welcomed = !had_epoch();
  if (welcomed) {
    first_epoch_ = now;
    first_epoch_number_ = update.epoch;
  }
  std::unordered_set<UserId> named;
  for (const DaveUpdate::Sender &s : update.senders) {
    const auto known = sender(s.user);
    known->decryptor.add_ratchet(s.base_secret.view(), now);
    known->there_before_us = known->there_before_us || welcomed;
    named.insert(s.user);
  }
  for (auto &[user, sender] : senders_)
    if (!named.contains(user)) sender->decryptor.retire(now);
}

void Session::add_senders(const DaveUpdate &update, Time now) {
  for (const DaveUpdate::Sender &s : update.senders) {
    const auto known = sender(s.user);
    known->decryptor.add_ratchet(s.base_secret.view(), now);
    known->there_before_us |= update.epoch == first_epoch_number_;
  }
}

std::shared_ptr<Sender> Session::sender(UserId user) {
  std::shared_ptr<Sender> &at = senders_[user];
  if (!at) {
    at = std::make_shared<Sender>();
    at->decryptor.set_plain_until(plain_until_);
  }
  return at;
}

void Session::let_go(UserId user) {
  const auto found = senders_.find(user);
  if (found != senders_.end() && spare(found->second)) senders_.erase(found);
}

}  // namespace dv::chain
