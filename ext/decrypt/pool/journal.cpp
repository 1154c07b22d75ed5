// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/decrypt/pool/journal.hpp"

#include <algorithm>

namespace dv {

Ticket Journal::add(Record record, ByteView data) {
  if (free_.empty()) {
    const auto before = static_cast<std::uint32_t>(slab_.size());
    slab_.grow();
    for (auto i = static_cast<std::uint32_t>(slab_.size()); i-- > before;) free_.push_back(i);
  }
  const std::uint32_t i = free_.back();
  free_.pop_back();
  Record &slot = slab_[i];
  record.generation = slot.generation;
  record.data = std::move(slot.data);
  record.data.assign(data.begin(), data.end());
  record.state = Record::State::queued;
  record.order = next_order_++;
  slot = std::move(record);
  if (slot.stream != nullptr) {
    ++slot.stream->unanswered;
    ++slot.stream->waiting;
  }
  return ticket_of(i);
}

Record *Journal::find(Ticket ticket) {
  const std::uint32_t i = index(ticket);
  if (i >= slab_.size()) return nullptr;
  Record &r = slab_[i];
  return r.state != Record::State::free && r.generation == ticket >> 32 ? &r : nullptr;
}

void Journal::answered(Ticket ticket, std::size_t primes) {
  Record *r = find(ticket);
  if (r == nullptr) return;
  Stream *s = r->stream;
  if (s == nullptr || primes == 0) {
    remove(ticket);
    return;
  }
  if (r->state == Record::State::queued) --s->waiting;
  --s->unanswered;
  r->state = Record::State::answered;
  s->recent.push_back(ticket);
  const std::size_t share = kMostKept / std::max<std::size_t>(streams_.size(), 1);
  while (s->recent.size() > std::min(primes, share)) {
    const Ticket oldest = s->recent.front();
    s->recent.pop_front();
    remove(oldest);
  }
}

void Journal::remove(Ticket ticket) {
  Record *r = find(ticket);
  if (r == nullptr) return;
  if (r->stream != nullptr && r->state != Record::State::answered) {
    if (r->state == Record::State::queued) --r->stream->waiting;
    --r->stream->unanswered;
  }
  r->state = Record::State::free;
  r->stream = nullptr;
  if (free_.size() >= kSpareBuffers) r->data = Bytes();
  ++r->generation;
  free_.push_back(index(ticket));
}

template <class Match>
std::vector<Ticket> Journal::unanswered_where(Match &&match) const {
  std::vector<Ticket> found;
  for (std::uint32_t i = 0; i < slab_.size(); ++i) {
    const Record &r = slab_[i];
    const bool open = r.state == Record::State::queued || r.state == Record::State::sent;
    if (open && match(r)) found.push_back(ticket_of(i));
  }
  std::sort(found.begin(), found.end(),
            [&](Ticket a, Ticket b) { return slab_[index(a)].order < slab_[index(b)].order; });
  return found;
}

std::vector<Ticket> Journal::unanswered_of(int worker) const {
  return unanswered_where([&](const Record &r) { return r.worker == worker; });
}

std::vector<Ticket> Journal::unanswered_of_client(std::uint32_t client) const {
  return unanswered_where([&](const Record &r) { return r.client == client; });
}

Stream *Journal::stream(std::uint32_t client, SessionId session, Ssrc ssrc) {
  const auto it = streams_.find({client, session, ssrc});
  return it == streams_.end() ? nullptr : it->second.get();
}

Stream &Journal::make_stream(std::uint32_t client, SessionId session, Ssrc ssrc) {
  auto stream = std::make_unique<Stream>();
  stream->client = client;
  stream->session = session;
  stream->ssrc = ssrc;
  return *(streams_[{client, session, ssrc}] = std::move(stream));
}

void Journal::forget_recent(Stream &stream) {
  for (const Ticket t : stream.recent) remove(t);
  stream.recent.clear();
}

void Journal::remove_stream(Stream &stream) {
  forget_recent(stream);
  streams_.erase({stream.client, stream.session, stream.ssrc});
}

}  // namespace dv
