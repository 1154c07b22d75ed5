// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/chain/receive_chain.hpp"

#include <algorithm>
#include <vector>

#include "ext/chain/chain_impl.hpp"

namespace dv {

ReceiveChain::Impl::Impl(const ChainConfig &config, ChainSink &sink, chain::DecoderBudget *budget)
    : config_(config),
      sink_(sink),
      decode_{config_, sink, {config, budget != nullptr ? *budget : own_budget_}, {}} {}

ReceiveChain::Impl::Session &ReceiveChain::Impl::session_at(SessionId id) {
  auto &slot = sessions_[id];
  if (!slot) slot = std::make_unique<Session>(id);
  return *slot;
}

template <class F>
void ReceiveChain::Impl::for_streams_of(SessionId session, F f) {
  std::vector<std::uint64_t> keys;
  for (const auto &[key, stream] : streams_)
    if (stream->session.id == session) keys.push_back(key);
  std::sort(keys.begin(), keys.end());
  for (const std::uint64_t key : keys) f(key, *streams_.at(key));
}

void ReceiveChain::Impl::apply(const KeyUpdate &update, Time now) {
  tick(now);
  std::visit([this](const auto &u) { apply_one(u); }, update);
}

void ReceiveChain::Impl::apply_one(const TransportKeyUpdate &update) {
  Session &session = session_at(update.session);
  if (session.add_transport_key(update)) retry_keyless(session);
}

void ReceiveChain::Impl::apply_one(const SsrcUpdate &update) {
  Session &session = session_at(update.session);
  session.bind(update);
  if (config_.decode && update.user != 0 && update.kind == StreamKind::audio)
    decode_.decoders.reserve();
  const std::uint64_t key = key_of(update.session, update.ssrc);
  const auto found = streams_.find(key);
  if (found == streams_.end()) return;
  Stream &stream = *found->second;
  if (update.kind != StreamKind::audio) {
    for (PacketRef &packet : stream.waiting) settle(stream, *packet, Verdict::not_audio);
    stream.waiting.clear();
  }
  if (update.kind != StreamKind::audio || (stream.user != 0 && stream.user != update.user)) {
    // Somebody else's number now: nothing of the old stream may go on in the new one. What no key
    // of its user opened is perhaps the other's, who was faster than the news.
    std::deque<PacketRef> unopened = std::exchange(stream.waiting, {});
    drain_stream(stream);
    drop_stream(key);
    return wait_anew(session, update.ssrc, std::move(unopened));
  }
  bind_user(stream);
  retry_waiting(stream);
  rearm(stream);
}

void ReceiveChain::Impl::wait_anew(Session &session, Ssrc ssrc, std::deque<PacketRef> packets) {
  if (packets.empty()) return;
  Stream *stream = stream_at(session, ssrc);
  if (stream == nullptr) {
    for (PacketRef &packet : packets)
      sink_.verdict(session.id, ssrc, packet->tag, Verdict::overload);
    return;
  }
  for (const PacketRef &packet : packets) stream->seen.insert(packet->seq, packet->rtp_time);
  stream->waiting = std::move(packets);
  retry_waiting(*stream);
  rearm(*stream);
}

void ReceiveChain::Impl::apply_one(const DaveUpdate &update) {
  session_at(update.session).apply(update, now_ - update.age);
  for_streams_of(update.session, [this](std::uint64_t, Stream &stream) {
    if (stream.waiting.empty()) return;
    retry_waiting(stream);
    rearm(stream);
  });
}

void ReceiveChain::Impl::apply_one(const SessionEndUpdate &update) {
  const auto found = sessions_.find(update.session);
  if (found == sessions_.end()) return;
  expire_keyless(*found->second, kNever);
  for_streams_of(update.session, [this](std::uint64_t key, Stream &stream) {
    drain_stream(stream);
    drop_stream(key);
  });
  sessions_.erase(found);
}

void ReceiveChain::Impl::drain_stream(Stream &stream) {
  expire_waiting(stream, kNever);
  stream.order.drain(now_, actions_);
  perform(stream);
  if (stream.decode) stream.decode->settle();
  rearm(stream);
}

void ReceiveChain::Impl::drop_stream(std::uint64_t key) {
  const auto found = streams_.find(key);
  Stream &stream = *found->second;
  Session &session = stream.session;
  const UserId user = stream.user;
  timers_.remove(stream);
  by_use_.erase(stream.use);
  streams_.erase(found);
  session.let_go(user);
}

Time ReceiveChain::Impl::next_wakeup() const {
  Time next = timers_.due();
  for (const auto &[id, session] : sessions_) {
    next = std::min(next, session->keys_expire());
    if (!session->keyless.empty()) next = std::min(next, session->keyless.front().deadline);
  }
  return next;
}

void ReceiveChain::Impl::advance(Time now) {
  tick(now);
  for (const auto &[id, session] : sessions_) {
    expire_keyless(*session, now_);
    session->expire_keys(now_);
  }
  while (timers_.due() <= now_) {
    Stream &stream = *timers_.first();
    expire_waiting(stream, now_);
    stream.order.advance(now_, actions_);
    perform(stream);
    rearm(stream);
    // Whatever a stage thinks is still due now, the next call is for it: this one must end.
    if (stream.timer_due <= now_) timers_.set(stream, now_ + Time{1});
  }
}

void ReceiveChain::Impl::drain(Time now) {
  tick(now);
  for (const auto &[id, session] : sessions_) expire_keyless(*session, kNever);
  for (const auto &[key, stream] : streams_) drain_stream(*stream);
}

void ReceiveChain::Impl::flush() {
  for (const auto &[id, session] : sessions_) {
    for (const auto &raw : session->keyless) sink_.verdict(id, raw.ssrc, raw.tag, Verdict::flushed);
    session->keyless.clear();
  }
  for (const auto &entry : streams_) {
    Stream &stream = *entry.second;
    timers_.remove(stream);
    for (PacketRef &packet : stream.waiting) settle(stream, *packet, Verdict::flushed);
    stream.order.reset([&](PacketRef packet) { settle(stream, *packet, Verdict::flushed); });
  }
  by_use_.clear();
  streams_.clear();
}

void ReceiveChain::Impl::forget(SessionId session, Ssrc ssrc, Time now) {
  tick(now);
  const std::uint64_t key = key_of(session, ssrc);
  const auto found = streams_.find(key);
  if (found == streams_.end()) return;
  drain_stream(*found->second);
  drop_stream(key);
}

ReceiveChain::ReceiveChain(const ChainConfig &config, ChainSink &sink, chain::DecoderBudget *budget)
    : impl_(std::make_unique<Impl>(config, sink, budget)) {}
ReceiveChain::~ReceiveChain() = default;

void ReceiveChain::apply(const KeyUpdate &update, Time now) { impl_->apply(update, now); }
void ReceiveChain::receive(const PacketIn &packet, Time now) { impl_->receive(packet, now); }
Time ReceiveChain::next_wakeup() const { return impl_->next_wakeup(); }
void ReceiveChain::advance(Time now) { impl_->advance(now); }
void ReceiveChain::drain(Time now) { impl_->drain(now); }
void ReceiveChain::flush() { impl_->flush(); }
void ReceiveChain::forget(SessionId session, Ssrc ssrc, Time now) {
  impl_->forget(session, ssrc, now);
}

}  // namespace dv
