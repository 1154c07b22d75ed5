// SPDX-License-Identifier: LGPL-2.1-or-later
#include <utility>

#include "ext/chain/chain_impl.hpp"
#include "ext/wire/opus_packet.hpp"

namespace dv {
namespace {

Verdict verdict_of(dave::FrameVerdict verdict) {
  switch (verdict) {
    case dave::FrameVerdict::not_encrypted:
      return Verdict::dave_not_encrypted;
    case dave::FrameVerdict::authentication:
      return Verdict::dave_auth;
    case dave::FrameVerdict::replay:
      return Verdict::dave_replay;
    case dave::FrameVerdict::generation:
      return Verdict::dave_generation;
    default:
      return Verdict::no_dave_key;
  }
}

}  // namespace

void ReceiveChain::Impl::bind_user(Stream &stream) {
  const chain::Binding *binding = stream.session.binding(stream.ssrc);
  if (binding == nullptr || binding->user == 0) return;
  stream.user = binding->user;
  stream.sender = stream.session.sender(stream.user);
  if (stream.decode) stream.decode->set_user(stream.user);
}

void ReceiveChain::Impl::take_payload(Stream &stream, PacketRef packet, ByteView payload) {
  if (payload.empty()) {
    packet->content = chain::Content::nothing;
    settle(stream, *packet, Verdict::padding_only);
  }
  switch (attempt(stream, *packet, payload)) {
    case Attempt::plain:
      // Behind those that still wait it would come too early, and open a hole in their place.
      if (!stream.waiting.empty()) {
        packet->plain = true;
        return wait_for_key(stream, std::move(packet), payload);
      }
      return submit(stream, std::move(packet));
    case Attempt::opened:
      stream.note_opened(*packet);
      conclude_overtaken(stream);
      return submit(stream, std::move(packet));
    case Attempt::not_yet:
      if (stream.behind_opened(*packet)) {
        const Verdict verdict = reason_of(stream, *packet);
        return give_up(stream, std::move(packet), verdict);
      }
      return wait_for_key(stream, std::move(packet), payload);
  }
}

/** Opened or plain: the Opus packet is in `packet`. */
ReceiveChain::Impl::Attempt ReceiveChain::Impl::attempt(Stream &stream, chain::Packet &packet,
                                                        ByteView payload) {
  if (packet.content == chain::Content::nothing) return Attempt::plain;
  if (stream.sender == nullptr) {
    packet.reason = Verdict::unknown_user;
    return Attempt::not_yet;
  }
  if (!stream.session.dave_known() && !dave::is_injected_silence(payload)) {
    packet.reason = Verdict::no_dave_key;
    return Attempt::not_yet;
  }
  const auto result = stream.sender->decryptor.open(payload, now_, packet.prepare(payload.size()));
  packet.set_size(result.size);
  if (result.verdict == dave::FrameVerdict::opened) return Attempt::opened;
  if (result.delivered()) return Attempt::plain;
  packet.reason = verdict_of(result.verdict);
  return Attempt::not_yet;
}

void ReceiveChain::Impl::wait_for_key(Stream &stream, PacketRef packet, ByteView payload) {
  if (packet->prime) return;
  packet->assign(payload);
  packet->deadline = now_ + config_.key_wait;
  packet->before_epoch = !stream.session.had_epoch();
  if (config_.max_waiting == 0)
    return give_up(stream, std::move(packet), Verdict::waiting_overflow);
  if (stream.waiting.size() >= config_.max_waiting) {
    PacketRef oldest = std::move(stream.waiting.front());
    stream.waiting.pop_front();
    if (oldest->plain)
      submit(stream, std::move(oldest));
    else
      give_up(stream, std::move(oldest), Verdict::waiting_overflow);
  }
  stream.waiting.push_back(std::move(packet));
  release_plain(stream);
}

/** A key or a name has come: whatever it opens goes on, in order of arrival. */
void ReceiveChain::Impl::retry_waiting(Stream &stream) {
  std::deque<PacketRef> still;
  for (PacketRef &packet : stream.waiting) {
    PacketRef opened = pool_.get();
    static_cast<chain::PacketFacts &>(*opened) = *packet;
    const Attempt result = attempt(stream, *opened, packet->payload());
    if (result == Attempt::opened) stream.note_opened(*packet);
    if (result == Attempt::opened || (result == Attempt::plain && still.empty())) {
      submit(stream, std::move(opened));
      continue;
    }
    packet->reason = opened->reason;
    packet->plain = result == Attempt::plain;
    still.push_back(std::move(packet));
  }
  stream.waiting = std::move(still);
  conclude_overtaken(stream);
}

/**
 * A packet behind it in the numbering was opened: since senders change their keys once and for
 * all, no key that is still to come will open it.
 */
void ReceiveChain::Impl::conclude_overtaken(Stream &stream) {
  if (stream.waiting.empty()) return;
  std::deque<PacketRef> still;
  for (PacketRef &packet : stream.waiting) {
    if (packet->plain || !stream.behind_opened(*packet)) {
      still.push_back(std::move(packet));
      continue;
    }
    const Verdict verdict = reason_of(stream, *packet);
    give_up(stream, std::move(packet), verdict);
  }
  stream.waiting = std::move(still);
  release_plain(stream);
}

void ReceiveChain::Impl::release_plain(Stream &stream) {
  while (!stream.waiting.empty() && stream.waiting.front()->plain) {
    PacketRef packet = std::move(stream.waiting.front());
    stream.waiting.pop_front();
    submit(stream, std::move(packet));
  }
}

void ReceiveChain::Impl::expire_waiting(Stream &stream, Time until) {
  while (!stream.waiting.empty() && stream.waiting.front()->deadline <= until) {
    PacketRef packet = std::move(stream.waiting.front());
    stream.waiting.pop_front();
    if (packet->plain) {
      submit(stream, std::move(packet));
    } else {
      const Verdict verdict = reason_of(stream, *packet);
      give_up(stream, std::move(packet), verdict);
    }
    release_plain(stream);
  }
}

/** Tells frames that were never meant for us from those that are wrong. */
Verdict ReceiveChain::Impl::reason_of(const Stream &stream, const chain::Packet &packet) const {
  const bool no_key_fits = packet.reason == Verdict::dave_auth ||
                           packet.reason == Verdict::dave_replay ||
                           packet.reason == Verdict::dave_generation;
  if (!no_key_fits) return packet.reason;
  const bool before_us = packet.before_epoch && stream.session.had_epoch();
  // Members send under the epoch before our first one until the transition is executed.
  const bool before_switch = stream.sender->there_before_us &&
                             stream.before_first_opened(packet.seq) &&
                             stream.session.just_welcomed(now_);
  return before_us || before_switch ? Verdict::not_entitled : packet.reason;
}

void ReceiveChain::Impl::give_up(Stream &stream, PacketRef packet, Verdict verdict) {
  settle(stream, *packet, verdict);
  packet->content = chain::Content::missing;
  submit(stream, std::move(packet));
}

}  // namespace dv
