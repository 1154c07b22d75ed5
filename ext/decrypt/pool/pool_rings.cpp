// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>
#include <cmath>

#include "ext/decrypt/pool/worker_pool.hpp"

namespace dv {
namespace {

using worker::Reply;
using worker::Request;

constexpr std::uint8_t kAllFlags = kFrameConcealed | kFrameSilence | kFrameAfterGap | kFrameRestart;
constexpr std::size_t kTurn = 8;
constexpr std::uint64_t kMostLost = std::uint64_t{1} << 32;

// A worker extends numbers anew; those of its predecessor go on with whole rounds of 65536 added.
std::uint64_t continued(Stream &stream, std::uint64_t sequence) {
  if (std::exchange(stream.rebase, false)) {
    const auto gap = static_cast<std::int64_t>(stream.last_sequence - sequence);
    const std::int64_t half = gap >= 0 ? 32768 : -32768;
    stream.sequence_offset = (gap + half) / 65536 * 65536;
  }
  return sequence + static_cast<std::uint64_t>(stream.sequence_offset);
}

}  // namespace

Request WorkerPool::request_of(const Record &record, Ticket ticket,
                               const WorkerProcess &process) const {
  Request r;
  r.kind = record.kind;
  r.client = record.client;
  r.session = record.session;
  r.ssrc = record.ssrc;
  r.epoch = clients_.at(record.client)->epoch;
  r.control = process.control_number;
  r.ticket = ticket;
  r.arrival = record.arrival;
  return r;
}

// A few requests of each client in turn, as far as the ring and the client's share of it go. Not
// one by one: each client whose frames are among the next replies is woken for them.
void WorkerPool::pump(WorkerSlot &slot) {
  if (!slot.process || slot.queues.empty()) return;
  auto it = slot.queues.upper_bound(slot.last_served);
  std::size_t stuck = 0;
  bool any = false;
  while (stuck < slot.queues.size()) {
    if (it == slot.queues.end()) it = slot.queues.begin();
    std::size_t served = 0;
    while (served < kTurn && pump_one(slot, it->second)) ++served;
    stuck = served != 0 ? 0 : stuck + 1;
    if (served != 0) {
      slot.last_served = it->first;
      any = true;
    }
    ++it;
  }
  if (any && slot.process->ring.publish()) slot.process->wake();
  tell_of_room();
}

bool WorkerPool::pump_one(WorkerSlot &slot, std::deque<Queued> &queue) {
  WorkerProcess &process = *slot.process;
  while (!queue.empty()) {
    const Queued next = queue.front();
    Record *r = journal_.find(next.ticket);
    const bool dead = r == nullptr || (r->state == Record::State::answered) != next.prime;
    if (!dead) {
      // A suspect is tried with nothing else in the ring that it could take along.
      if (process.alone != kNoTicket && !process.idle_ring()) return false;
      process.alone = kNoTicket;
      const bool suspect = r->suspicions != 0;
      if (suspect && !process.idle_ring()) return false;
      if (!process.share_left(r->client)) return false;
      Request request = request_of(*r, next.ticket, process);
      if (next.prime) request.kind = Request::Kind::prime;
      process.put(request, r->data, next.ticket);
      if (suspect) process.alone = next.ticket;
      if (!next.prime) {
        r->state = Record::State::sent;
        if (r->stream != nullptr) --r->stream->waiting;
      }
      if (!next.prime) --clients_.at(r->client)->queued;
      queue.pop_front();
      return true;
    }
    queue.pop_front();
    if (!next.prime) count_queued();
  }
  return false;
}

bool WorkerPool::take_replies(int index, std::size_t most, bool &more) {
  const bool sane = take_portion(index, most, more);
  for (auto &[id, client] : clients_) {
    if (std::exchange(client->has_frames, false)) client->sink->portion_end();
  }
  return sane;
}

bool WorkerPool::take_portion(int index, std::size_t most, bool &more) {
  WorkerSlot &slot = slots_[static_cast<std::size_t>(index)];
  WorkerProcess &process = *slot.process;
  if (!process.refresh()) return false;
  for (std::size_t i = 0; i < most && process.ring.reply_ready(); ++i) {
    const auto reply = process.ring.peek();
    if (!reply || !process.ring.complete(*reply)) return false;
    if (!take_reply(index, *reply, process.ring.data(*reply, scratch_))) return false;
    process.ring.take(*reply);
    process.answered_any = true;
    ++replies_;
  }
  if (process.answered_any) slot.failures = 0;
  if (process.ring.release()) process.wake();
  more = more || process.ring.reply_ready();
  return true;
}

bool WorkerPool::take_reply(int index, const Reply &reply, ByteView data) {
  const auto it = clients_.find(reply.client);
  if (it == clients_.end()) return reply.client != 0 && reply.client < next_client_;
  Client &client = *it->second;
  if (reply.epoch != client.epoch) return reply.epoch < client.epoch;
  switch (reply.kind) {
    case Reply::Kind::frame:
      return take_frame(index, client, reply, data);
    case Reply::Kind::verdict:
      return take_verdict(index, client, reply);
    case Reply::Kind::lost: {
      Stream *stream = journal_.stream(client.id, reply.session, reply.ssrc);
      const auto concealed = static_cast<std::uint64_t>(reply.arrival);
      if (stream == nullptr) return true;
      if (stream->worker != index) return false;
      if (reply.count > kMostLost || concealed > reply.count) return false;
      client.sink->lost(reply.session, reply.ssrc, continued(*stream, reply.sequence), reply.count,
                        concealed);
      return true;
    }
    case Reply::Kind::barrier: {
      const Record *r = journal_.find(reply.ticket);
      if (r == nullptr || r->worker != index || r->state != Record::State::sent ||
          r->kind == Request::Kind::packet || r->client != client.id) {
        return false;
      }
      settle(reply.ticket, Verdict::delivered);
      return true;
    }
  }
  return false;
}

bool WorkerPool::frame_is_possible(const Client &client, const Stream &stream,
                                   const Reply &reply) const {
  const ChainConfig &c = client.config;
  if (reply.frame_kind > static_cast<std::uint8_t>(FrameKind::rtcp)) return false;
  if ((reply.flags & ~kAllFlags) != 0 || reply.arrival < 0 ||
      reply.arrival > stream.newest_arrival) {
    return false;
  }
  switch (static_cast<FrameKind>(reply.frame_kind)) {
    case FrameKind::pcm: {
      const std::size_t sample = c.channels * (c.format == SampleFormat::s16 ? 2U : 4U);
      return c.decode && reply.samples <= 48000 &&
             reply.size == std::uint64_t{reply.samples} * c.rate / 48000 * sample;
    }
    case FrameKind::rtp:
      return !c.decode && reply.size <= worker::kMaxDatagram;
    case FrameKind::rtcp:
      return reply.size <= worker::kMaxDatagram;
  }
  return false;
}

/** The record of its packet knows the stream of a frame, as a rule. */
Stream *WorkerPool::stream_of(const Client &client, const Reply &reply) {
  const bool answers = reply.verdict != Reply::kNoVerdict;
  const Record *r = answers ? journal_.find(reply.ticket) : nullptr;
  Stream *stream = r != nullptr ? r->stream : nullptr;
  const bool same = stream != nullptr && stream->client == client.id &&
                    stream->session == reply.session && stream->ssrc == reply.ssrc;
  return same ? stream : journal_.stream(client.id, reply.session, reply.ssrc);
}

bool WorkerPool::take_frame(int index, Client &client, const Reply &reply, ByteView data) {
  Stream *stream = stream_of(client, reply);
  // A stream that was dismissed may still have something to say; it is not listened to.
  if (stream == nullptr) return reply.verdict == Reply::kNoVerdict;
  if (stream->worker != index) return false;
  if (!frame_is_possible(client, *stream, reply)) return false;
  if (reply.verdict != Reply::kNoVerdict) {
    const Record *r = journal_.find(reply.ticket);
    if (r == nullptr || r->stream != stream) return false;
  }
  FrameOut frame;
  frame.kind = static_cast<FrameKind>(reply.frame_kind);
  frame.flags = reply.flags;
  frame.session = reply.session;
  frame.ssrc = reply.ssrc;
  // Whose keys opened it is known where it was opened; the binding of now may be another one.
  frame.user = stream->was_named(reply.count) ? reply.count : 0;
  if (frame.kind != FrameKind::rtcp) {
    frame.extended_seq = continued(*stream, reply.sequence);
    stream->last_sequence = frame.extended_seq;
  }
  frame.rtp_time = reply.rtp_time;
  frame.samples = reply.samples;
  frame.arrival = reply.arrival;
  frame.data = data;
  client.sink->frame(frame);
  client.has_frames = true;
  return reply.verdict == Reply::kNoVerdict || take_verdict(index, client, reply);
}

bool WorkerPool::take_verdict(int index, Client &client, const Reply &reply) {
  const Record *r = journal_.find(reply.ticket);
  if (r == nullptr || r->worker != index || r->client != client.id ||
      r->state != Record::State::sent || r->kind != Request::Kind::packet ||
      reply.verdict >= kVerdicts) {
    return false;
  }
  settle(reply.ticket, static_cast<Verdict>(reply.verdict));
  return true;
}

}  // namespace dv
